"""What the ports become when they meet a real server, a real disk or a real network."""
