"""HTTP for tools whose URLs a model can steer."""

from roadworthy.domain.errors import AddressRefused, RequestNotSent, RequestRefused, TooMuchReceived
from roadworthy.tools.http.client import Client
from roadworthy.tools.http.response import Response

__all__ = ["AddressRefused", "Client", "RequestNotSent", "RequestRefused", "Response", "TooMuchReceived"]
