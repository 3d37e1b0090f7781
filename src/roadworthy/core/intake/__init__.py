"""Takes tasks in: checks them, commits them, tells the workers."""
