"""Values and rules: no I/O, no clock, no imports from any other floor."""
