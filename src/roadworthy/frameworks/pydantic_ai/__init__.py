"""Runs pydantic-ai agents, unmodified, under the gate."""
