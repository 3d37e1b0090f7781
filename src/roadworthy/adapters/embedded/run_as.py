"""Who the embedded servers run as. PostgreSQL refuses to be root, so for root somebody else must be found."""

import os
import pwd
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RunAs:
    """`self`: as we are. `namespace`: root outside, `uid` inside a user namespace. `user`: as another user."""

    kind: Literal["self", "namespace", "user"]
    uid: int = 0
    gid: int = 0

    def __str__(self) -> str:
        return self.kind if self.kind == "self" else f"{self.kind}:{self.uid}:{self.gid}"

    def described(self) -> str:
        match self.kind:
            case "self":
                return f"user {os.geteuid()}"
            case "namespace":
                return "root without its special rights"
            case "user":
                return f"user {self.uid}, because PostgreSQL refuses to run as root"


def choose_run_as(folder_uid: int, folder_gid: int) -> RunAs:
    """For a data folder with this owner.

    As root, a folder of somebody else stays theirs (they can start without root next time), and root's own folder is
    served from a user namespace, where root is called something else but needs no other owner for its files.
    """
    if os.geteuid() != 0:
        return RunAs("self")
    if folder_uid != 0:
        return RunAs("user", folder_uid, folder_gid)
    uid, gid = unprivileged_user()
    return RunAs("namespace", uid, gid)


def unprivileged_user() -> tuple[int, int]:
    """A uid and gid that have a name: initdb asks for it."""
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    user = users.get("nobody") or next(iter(users.values()), None)
    return (user.pw_uid, user.pw_gid) if user else (65534, 65534)
