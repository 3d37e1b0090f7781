"""The read side: what streams, console, CLI and metrics may ask."""
