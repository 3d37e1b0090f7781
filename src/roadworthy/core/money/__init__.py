"""Every call of a provider is paid for here: reserved before it is made, settled when its price is known."""
