"""Runs tasks: claim, load, run, settle."""
