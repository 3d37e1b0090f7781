"""Every model request of every agent passes here."""
