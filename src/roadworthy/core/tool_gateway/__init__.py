"""Every tool call of every agent passes here."""
