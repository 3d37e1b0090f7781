"""Servers die with their owner, and come back while it lives."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio as redis
from structlog.testing import capture_logs

from roadworthy.adapters.embedded import EmbeddedServers

from .processes import Owner, is_running, nothing_left, processes_of, until, wait_until


def guardian_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


async def has_come_back(servers: EmbeddedServers, name: str, killed: int) -> None:
    await until(lambda: servers.pids.get(name, killed) != killed, f"{name} came back")


async def test_killed_owner_takes_both_servers_along_and_the_next_start_works_at_once(folder: Path) -> None:
    with Owner(folder) as owner:
        connection = await asyncpg.connect(owner.said["database_url"])
        await connection.execute("create table kept (word text)")
        await connection.execute("insert into kept values ('before the kill')")
        async with redis.from_url(owner.said["redis_url"], decode_responses=True) as client:
            await client.set("kept", "before the kill")
            await client.execute_command("WAITAOF", 1, 0, 5000)
        owner.process.kill()
        owner.process.wait()
        async with EmbeddedServers(folder) as servers:
            assert not any(is_running(pid) for pid in owner.said["pids"].values())
            again = await asyncpg.connect(servers.database_url)
            assert await again.fetchval("select word from kept") == "before the kill"
            await again.close()
            async with redis.from_url(servers.redis_url, decode_responses=True) as client:
                assert await client.get("kept") == "before the kill"
    connection.terminate()


def test_servers_die_with_their_owner_although_a_fork_of_it_lives(folder: Path) -> None:
    with Owner(folder, "fork") as owner:
        owner.process.kill()
        owner.process.wait()
        wait_until(lambda: nothing_left(folder), "both servers ended")
        assert is_running(owner.said["forked"])


def test_servers_die_when_owner_and_guardians_are_killed(folder: Path) -> None:
    with Owner(folder) as owner:
        guardians = [guardian_of(pid) for pid in owner.said["pids"].values()]
        os.kill(owner.process.pid, signal.SIGSTOP)  # so that it restarts nothing
        for guardian in guardians:
            os.kill(guardian, signal.SIGKILL)
        wait_until(lambda: not processes_of(folder), "both servers ended")
        owner.process.kill()


def test_a_stopped_server_is_ended_too(folder: Path) -> None:
    with Owner(folder) as owner:
        os.kill(owner.said["pids"]["valkey"], signal.SIGSTOP)
        owner.process.kill()
        wait_until(lambda: nothing_left(folder), "both servers ended", seconds=30)


async def test_killed_postgres_is_started_again_on_the_same_socket(servers: EmbeddedServers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute("create table numbers as select 1 as number")
    url, killed = servers.database_url, servers.pids["postgres"]
    os.kill(killed, signal.SIGKILL)
    await has_come_back(servers, "postgres", killed)
    connection.terminate()
    assert servers.database_url == url
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select number from numbers") == 1
    await connection.close()


async def test_killed_valkey_is_started_again_and_its_clients_connect_again(servers: EmbeddedServers) -> None:
    killed = servers.pids["valkey"]
    async with redis.from_url(servers.redis_url) as client:
        await client.set("kept", 1)
        await client.execute_command("WAITAOF", 1, 0, 5000)
        os.kill(killed, signal.SIGKILL)
        await has_come_back(servers, "valkey", killed)
        assert await client.get("kept") == b"1"


@pytest.mark.parametrize("name", ["postgres", "valkey"])
async def test_killed_guardian_is_replaced_with_its_server(servers: EmbeddedServers, name: str) -> None:
    killed = servers.pids[name]
    os.kill(guardian_of(killed), signal.SIGKILL)
    await has_come_back(servers, name, killed)
    assert not is_running(killed)


async def test_a_server_that_can_not_be_started_again_is_tried_until_it_can(folder_to_damage: Path) -> None:
    settings = folder_to_damage / "postgres" / "postgresql.conf"
    whole = settings.read_text()
    with capture_logs() as events:
        async with EmbeddedServers(folder_to_damage) as servers:
            killed = servers.pids["postgres"]
            settings.write_text(whole + "no_such_setting = 1\n")
            os.kill(killed, signal.SIGKILL)
            failed = "embedded_server_restart_failed"
            await until(lambda: any(event["event"] == failed for event in events), "a start failed")
            settings.write_text(whole)
            await has_come_back(servers, "postgres", killed)
    assert [event["event"] for event in events][:2] == ["embedded_server_ended", failed]
    assert "no_such_setting" in events[1]["reason"]
    assert events[-1]["event"] == "embedded_server_restarted"


async def test_stop_while_a_server_is_being_started_again(folder: Path) -> None:
    async with EmbeddedServers(folder) as servers:
        for pid in servers.pids.values():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: len(servers.pids) < 2, "a death was noticed")
    assert nothing_left(folder)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("kind", ["stranger", "zombie"])
def test_process_id_of_a_dead_postgres_seems_to_be_alive(folder: Path, tmp_path: Path, kind: str) -> None:
    program = tmp_path / "postgres"  # the name that a zombie of PostgreSQL would have
    shutil.copy("/bin/true", program)
    process = subprocess.Popen(["sleep", "600"] if kind == "stranger" else [program])
    if kind == "zombie":
        wait_until(lambda: not is_running(process.pid), "it became a zombie")
    try:
        lines = [process.pid, folder / "postgres", 1, 5432, "", "", "", "ready", ""]
        (folder / "postgres" / "postmaster.pid").write_text("\n".join(str(line) for line in lines))
        with Owner(folder) as owner:
            assert "pids" in owner.said, owner.said
    finally:
        process.kill()
        process.wait()
