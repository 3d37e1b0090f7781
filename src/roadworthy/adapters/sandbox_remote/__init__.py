"""A sandbox on other machines: the client of `roadworthy sandbox`."""

from roadworthy.adapters.sandbox_remote.sandbox import RemoteSandbox

__all__ = ["RemoteSandbox"]
