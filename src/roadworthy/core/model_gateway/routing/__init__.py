"""How hard a request is: rules, a trained router, and how to judge them."""
