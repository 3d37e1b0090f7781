"""Looks after tasks that nobody is looking after: one duty a file, run by whichever process claims its turn."""
