"""What operators do to tasks."""
