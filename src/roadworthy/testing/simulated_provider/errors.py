"""What can be wrong with a simulated provider.

SimulatedProviderError
├── InvalidSetting      a flag, a script or a control request says something that is not possible
├── PortTaken           the address is in use or may not be used
└── BadRequest          a client sent what a real provider would refuse with 4xx
"""

from __future__ import annotations


class SimulatedProviderError(Exception):
    """Something is wrong with the simulated provider's setup or with a request to it."""


class InvalidSetting(SimulatedProviderError, ValueError):
    """A setting of the simulated provider is not possible; the message names it and what is possible."""


class PortTaken(SimulatedProviderError, OSError):
    """The simulated provider cannot listen there; choose another port, or 0 for any free one."""


class BadRequest(SimulatedProviderError):
    """A request that a real provider refuses; it is answered in the provider's own error shape."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
