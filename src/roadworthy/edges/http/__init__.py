"""The HTTP API, native wire."""
