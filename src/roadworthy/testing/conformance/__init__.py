"""What every implementation of a port must do, as test classes.

Subclass a contract in a test module, under a name that pytest collects, and give it the fixtures `stores`
(`stores.Stores` over one fresh database) or `broker` and `other_broker` (`brokers.Broker`, two connections to
one fresh broker).
"""
