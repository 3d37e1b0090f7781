"""A customer-support agent for a small shop: the example to copy. Start reading in `service.py`."""
