import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis

from roadworthy.adapters.embedded import EmbeddedServers

from .processes import Owner, nothing_left, wait_until


async def both_answer(servers: EmbeddedServers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    assert await connection.fetchval("select 1") == 1
    await connection.close()
    async with redis.from_url(servers.redis_url) as client:
        assert await client.ping()


@pytest.fixture(params=["a" * 200, "with space", "comma, 'quote' and \"double\"", "ünïcode", "percent%41#?&@"])
def strange_folder(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    strange = folder.rename(folder.with_name(request.param))
    yield strange
    strange.rename(folder)


async def test_any_path_will_do(strange_folder: Path) -> None:
    async with EmbeddedServers(strange_folder) as servers:
        await both_answer(servers)
        short = (strange_folder / "sockets").resolve()
        assert short.stat().st_mode & 0o777 == 0o700
        assert short.stat().st_uid == os.geteuid()
    assert not short.exists()
    assert nothing_left(strange_folder)


async def test_a_relative_path(new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(new_folder.parent)
    async with EmbeddedServers(Path(new_folder.name), postgres=False) as servers:
        assert str(new_folder) in servers.redis_url


async def test_short_folder_of_a_killed_owner_is_removed_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 200)
    with Owner(folder, "no-postgres") as owner:
        left = (folder / "sockets").resolve()
        owner.process.send_signal(signal.SIGKILL)
        owner.process.wait()
        wait_until(lambda: nothing_left(folder), "both servers ended")
        assert left.exists()
        async with EmbeddedServers(folder, postgres=False):
            assert not left.exists()
