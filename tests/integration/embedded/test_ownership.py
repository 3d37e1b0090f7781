import os
from pathlib import Path

import pytest

from roadworthy.adapters.embedded import EmbeddedServers
from roadworthy.domain.errors import DataFolderInUse

from .processes import Owner, is_locked


async def test_second_owner_is_refused_with_folder_and_process_id(servers: EmbeddedServers, folder: Path) -> None:
    with Owner(folder) as second:
        assert second.said["error"] == "DataFolderInUse"
        assert f"{folder} is in use by process {os.getpid()}." in second.said["message"]
    assert len(servers.pids) == 2


async def test_second_owner_in_the_same_process_is_refused_and_disturbs_nothing(
    servers: EmbeddedServers, folder: Path
) -> None:
    second = EmbeddedServers(folder)
    with pytest.raises(DataFolderInUse, match=str(os.getpid())):
        await second.start()
    await second.stop()
    assert (folder / "sockets" / "valkey.sock").exists()
    assert is_locked(folder / "owner.lock")


def test_the_lock_of_a_killed_owner_is_free_at_once(folder: Path) -> None:
    with Owner(folder) as first:
        first.process.kill()
        first.process.wait()
        assert not is_locked(folder / "owner.lock")


async def test_stop_frees_the_folder_for_others(servers: EmbeddedServers, folder: Path) -> None:
    await servers.stop()
    with Owner(folder) as second:
        assert "pids" in second.said
