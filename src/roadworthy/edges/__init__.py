"""Who plugs into us: HTTP, console, command line."""
