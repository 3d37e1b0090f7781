"""The one place where the service's and the network's errors become ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager

import aiohttp

from roadworthy.domain.errors import BrokerUnavailable

NO_SUCH_QUEUE = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
QUEUE_EXISTS = {"QueueNameExists", "QueueAlreadyExists"}
NOT_ALLOWED = {"AccessDenied", "AccessDeniedException"}
BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class Refusal(Exception):
    """The service's answer was an error."""

    def __init__(self, action: str, status: int, code: str, message: str) -> None:
        super().__init__(f"{action}: {code} ({message})" if message else f"{action}: {code}")
        self.action = action
        self.status = status
        self.code = code


class CredentialsNotRenewed(Exception):
    """The credentials are about to expire and new ones could not be had."""


@contextmanager
def translated(where: str) -> Generator[None]:
    """BrokerUnavailable for lost connections, deadlines, and whatever the service answers with an error.

    To the caller a service that throttles or refuses the credentials is as far away as one that does not answer; the
    message says which.
    """
    try:
        yield
    except Refusal as error:
        raise BrokerUnavailable(f"SQS at {where} refuses {error}. Tasks are safe in the store.") from error
    except CredentialsNotRenewed as error:
        raise BrokerUnavailable(f"SQS can't be used: {error}. Tasks are safe in the store.") from error
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError and ssl.SSLError among them
        raise BrokerUnavailable(
            f"SQS at {where} is away ({_reason(error)}). Tasks are safe in the store and go on more slowly."
        ) from error
    except (LookupError, TypeError, ValueError) as error:
        raise BrokerUnavailable(f"SQS at {where} answers what can't be read: {error!r}.") from error


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and (number := cause.errno or 0) in errno.errorcode:
        return os.strerror(number)  # asyncio's own text is about its call
    return str(cause) or type(cause).__name__
