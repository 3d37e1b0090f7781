"""Why a server did not start, in words that say what to do next."""

import errno
from pathlib import Path

from roadworthy.domain.errors import DiskFull, EmbeddedServerError, EmbeddedServerFailed

_FULL = ("No space left on device", "Disk quota exceeded")
_LAST_LINES = 12


def explain_os_error(error: OSError, path: Path) -> EmbeddedServerError:
    """An error of the operating system about the data folder `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _disk_full(path)
    return EmbeddedServerFailed(
        f"The data folder {path} can't be used: {error.strerror}. "
        "Make it writable for you, or choose another one with ROADWORTHY_DATA_DIR."
    )


def explain_end(name: str, status: int | None, last_words: str, path: Path) -> EmbeddedServerError:
    """A server that ended with this exit status, or with None was not ready in time, and said this."""
    if any(words in last_words for words in _FULL):
        return _disk_full(path)
    if "database files are incompatible with server" in last_words:
        return EmbeddedServerFailed(
            f"The database in {path} was made by another major version of PostgreSQL: {_detail(last_words)} "
            "Install the version of Roadworthy that made it and dump the database there, or choose a new folder "
            "with ROADWORTHY_DATA_DIR."
        )
    if "could not look up effective user ID" in last_words:
        return EmbeddedServerFailed(
            "PostgreSQL needs to know the name of the user that it runs as, and this user has none. "
            "Add the user to /etc/passwd, or set ROADWORTHY_DATABASE_URL to a PostgreSQL of your own."
        )
    lines = "\n".join(last_words.splitlines()[-_LAST_LINES:]) or "(it said nothing)"
    what = "was not ready in time" if status is None else f"ended with status {status} before it was ready"
    return EmbeddedServerFailed(f"The embedded {name} {what}; its log is {path / name}.log and ends with:\n{lines}")


def _disk_full(path: Path) -> DiskFull:
    return DiskFull(f"The disk that holds {path} is full. Free some space and start again; nothing was lost.")


def _detail(last_words: str) -> str:
    for line in last_words.splitlines():
        if "DETAIL:" in line:
            return line.partition("DETAIL:")[2].strip()
    return ""
