"""The one place where the server's and the network's errors become ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import hiredis

from roadworthy.domain.errors import BrokerUnavailable


@contextmanager
def translated(where: str) -> Generator[None]:
    """BrokerUnavailable for lost connections, deadlines, and whatever the server answers with an error.

    To the caller a server that loads, is out of memory, is a read-only replica or refuses the password is as far
    away as one that does not run; the message says which.
    """
    try:
        yield
    except hiredis.ReplyError as error:
        raise BrokerUnavailable(f"Redis at {where} refuses: {error}. Tasks are safe in the store.") from error
    except OSError as error:  # ssl.SSLError among them
        late = isinstance(error, TimeoutError)
        reason = "no answer in time" if late else error.strerror or str(error) or type(error).__name__
        raise BrokerUnavailable(
            f"Redis at {where} is away ({reason}). Tasks are safe in the store and go on more slowly."
        ) from error
