import asyncio
import os
import time
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio as redis

from roadworthy.adapters.embedded import EmbeddedServers
from roadworthy.domain.errors import EmbeddedServerFailed

from .processes import Owner, nothing_left, until


async def remember(servers: EmbeddedServers, word: str) -> None:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("create table if not exists words (word text)")
    await connection.execute("insert into words values ($1)", word)
    await connection.close()
    async with redis.from_url(servers.redis_url) as client:
        await client.rpush("words", word)


async def remembered(servers: EmbeddedServers) -> tuple[list[str], list[str]]:
    connection = await asyncpg.connect(servers.database_url)
    rows = await connection.fetch("select word from words")
    await connection.close()
    async with redis.from_url(servers.redis_url, decode_responses=True) as client:
        return [row["word"] for row in rows], await client.lrange("words", 0, -1)


async def test_first_start_then_data_is_kept_over_restarts(new_folder: Path) -> None:
    for number, word in enumerate(["first", "later", "latest"]):
        started = time.perf_counter()
        async with EmbeddedServers(new_folder) as servers:
            print(f"{word} start: {time.perf_counter() - started:.3f} s")
            await remember(servers, word)
            words = ["first", "later", "latest"][: number + 1]
            assert await remembered(servers) == (words, words)


async def test_postgres_is_set_up_for_a_laptop(servers: EmbeddedServers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    try:
        expected = {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "jit": "off",
            "listen_addresses": "",
            "max_connections": "100",
            "unix_socket_permissions": "0700",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        for name, value in expected.items():
            assert await connection.fetchval("select current_setting($1)", name) == value, name
        assert await connection.fetchval("select upper('żółw')") == "ŻÓŁW"
        await connection.execute("create extension if not exists vector")
    finally:
        await connection.close()


async def test_valkey_is_set_up_for_a_laptop(servers: EmbeddedServers) -> None:
    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "port": "0",
        "maxmemory-policy": "noeviction",
        "protected-mode": "yes",
    }
    async with redis.from_url(servers.redis_url, decode_responses=True) as client:
        assert await client.config_get(*expected) == expected


async def test_nothing_listens_on_the_network(servers: EmbeddedServers) -> None:
    assert servers.pids.keys() == {"postgres", "valkey"}
    for pid in servers.pids.values():
        assert psutil.Process(pid).net_connections("inet") == []


async def test_a_terminals_interrupt_does_not_reach_the_servers(servers: EmbeddedServers) -> None:
    for pid in servers.pids.values():
        assert os.getpgid(pid) != os.getpgid(0)
        assert os.getsid(pid) != os.getsid(0)


async def test_only_one_of_the_two(folder: Path) -> None:
    async with EmbeddedServers(folder, postgres=False) as servers:
        assert servers.pids.keys() == {"valkey"}
        with pytest.raises(EmbeddedServerFailed, match="not started"):
            _ = servers.database_url


async def test_start_and_stop_may_be_repeated(folder: Path) -> None:
    servers = EmbeddedServers(folder)
    await servers.stop()
    await servers.start()
    pids = servers.pids
    await servers.start()
    assert servers.pids == pids
    await servers.stop()
    assert nothing_left(folder)
    await servers.stop()
    await servers.start()
    await remember(servers, "again")
    await servers.stop()
    assert servers.pids == {}


async def test_stop_leaves_no_task_and_no_socket(folder: Path) -> None:
    async with EmbeddedServers(folder):
        assert (folder / "sockets").exists()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not (folder / "sockets").exists()


@pytest.mark.parametrize(
    "moment", ["owner.lock", "postgres.unfinished/PG_VERSION", "postgres", "postgres/postmaster.pid"]
)
async def test_a_cancelled_start_leaves_nothing_behind(new_folder: Path, moment: str) -> None:
    servers = EmbeddedServers(new_folder)
    start = asyncio.create_task(servers.start())
    await until((new_folder / moment).exists, f"{moment} was made")
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert nothing_left(new_folder)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with servers:
        await remember(servers, "after all")


async def test_clients_that_are_still_connected_do_not_hold_up_the_stop(folder: Path) -> None:
    servers = EmbeddedServers(folder)
    await servers.start()
    connection = await asyncpg.connect(servers.database_url)
    busy = asyncio.create_task(connection.execute("select pg_sleep(60)"))
    async with asyncio.timeout(60):
        await servers.stop()
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await busy


def test_under_uvloop(folder: Path) -> None:
    with Owner(folder, "uvloop") as owner:
        assert owner.said["pids"].keys() == {"postgres", "valkey"}
