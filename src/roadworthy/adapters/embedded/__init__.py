"""The servers that come as wheels, so that one command runs everything on a laptop; never needed in production."""

from roadworthy.adapters.embedded.servers import EmbeddedServers

__all__ = ["EmbeddedServers"]
