"""The twin of postgres/ and redis/ in one process, for unit tests and simulation; never a product mode."""
