"""What the semantic cache knows of questions: what they say exactly, what is near, and what near was worth so far."""
