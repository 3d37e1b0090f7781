"""Agents to copy from. Each folder is one, with a README of its own."""
