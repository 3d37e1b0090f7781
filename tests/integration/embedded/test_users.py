"""The same servers as root, as an ordinary user, and as root where PostgreSQL must become somebody else."""

import os
import tempfile
from pathlib import Path

import psutil
import pytest

from .processes import Owner, nothing_left, wait_until

NOBODY = 65534

pytestmark = pytest.mark.usefixtures("as_root")


def user_of(pid: int) -> int:
    return psutil.Process(pid).uids().effective


def test_ordinary_user(open_folder: Path, ordinary_python: str) -> None:
    os.chown(open_folder, NOBODY, NOBODY)
    folder = open_folder / "data"
    with Owner(folder, python=ordinary_python, user=NOBODY, group=NOBODY, extra_groups=[]) as owner:
        assert {user_of(pid) for pid in owner.said["pids"].values()} == {NOBODY}
        owner.process.kill()
        wait_until(lambda: nothing_left(folder), "both servers ended")


def test_root_keeps_its_files_and_gives_up_its_rights(folder: Path) -> None:
    with Owner(folder) as owner:
        for pid in owner.said["pids"].values():
            assert user_of(pid) == 0
            status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            assert int(status["CapEff"], 16) == 0
    assert {path.stat().st_uid for path in folder.rglob("*")} == {0}


def test_root_on_a_folder_of_somebody_else_leaves_it_theirs(open_folder: Path, ordinary_python: str) -> None:
    folder = open_folder / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    os.chown(open_folder, NOBODY, NOBODY)
    with Owner(folder) as owner:
        assert {user_of(pid) for pid in owner.said["pids"].values()} == {NOBODY}
    assert {path.stat().st_uid for path in folder.rglob("*")} == {NOBODY}
    with Owner(folder, python=ordinary_python, user=NOBODY, group=NOBODY, extra_groups=[]) as owner:
        assert len(owner.said["pids"]) == 2


def test_root_without_user_namespaces_becomes_somebody_else(open_folder: Path) -> None:
    folder = open_folder / "data"
    with Owner(folder, "no-namespaces") as owner:
        assert {user_of(pid) for pid in owner.said["pids"].values()} == {NOBODY}
        assert folder.stat().st_uid == NOBODY
        assert open_folder.stat().st_uid == 0
    with Owner(folder) as owner:
        assert len(owner.said["pids"]) == 2


def test_root_without_user_namespaces_in_a_folder_that_nobody_else_may_enter() -> None:
    with tempfile.TemporaryDirectory(prefix="embedded-test-", dir="/tmp") as closed:
        folder = Path(closed, "data")
        with Owner(folder, "no-namespaces") as owner:
            assert owner.said["error"] == "EmbeddedServerFailed"
            assert f"PostgreSQL refuses to run as root, which can't reach {folder}" in owner.said["message"]
        assert folder.stat().st_uid == 0
        assert nothing_left(folder)
