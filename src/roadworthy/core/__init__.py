"""What Roadworthy does, in terms of ports."""
