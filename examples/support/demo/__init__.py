"""`make demo`: starts everything, asks three customers' questions over the public API and shows what comes back."""
