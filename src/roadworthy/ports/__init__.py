"""What Roadworthy needs from outside: one small Protocol a file.

Every method that talks to the store raises StoreUnavailable while it is away, and may then have happened or
not; calling it again with the same ids is safe. Every method that talks to the broker raises BrokerUnavailable.
"""
