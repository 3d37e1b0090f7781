"""What lasts is said once, rarely while it does, and once when it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from roadworthy.adapters.postgres.pool import Pool, address_of, ping
from roadworthy.core.announcer import Announcer
from roadworthy.core.outage import Outage
from roadworthy.domain.errors import BrokerUnavailable, StoreUnavailable


class Time:
    now = 0.0


def test_once_then_once_a_minute_and_the_end_with_how_long_it_was():
    time = Time()
    outage = Outage("claim_failed", clock=lambda: time.now)
    with capture_logs() as logs:
        outage.is_over()
        while time.now < 130:
            outage.goes_on("away")
            time.now += 0.5
        outage.is_over()
        outage.is_over()
        outage.goes_on("away again")
    assert [entry["event"] for entry in logs] == [*["claim_failed"] * 3, "store_back", "claim_failed"]
    assert [entry.get("for_seconds") for entry in logs[:3]] == [None, 60, 120]
    assert (logs[3]["after"], logs[3]["away_seconds"], logs[3]["log_level"]) == ("claim_failed", 130, "info")


def test_what_befalls_several_is_said_once_and_over_with_the_last():
    outage = Outage("duty_failed")
    with capture_logs() as logs:
        for duty in ("rescue", "expire"):
            outage.goes_on("away", duty, duty=duty)
        outage.is_over("rescue")
        assert [(entry["event"], entry["duty"]) for entry in logs] == [("duty_failed", "rescue")]
        outage.is_over("expire")
    assert [entry["event"] for entry in logs] == ["duty_failed", "store_back"]


async def test_tickets_that_are_sent_again_are_told():
    class Queue:
        away = True

        async def post(self, lanes: set[str]) -> None:
            if self.away:
                raise BrokerUnavailable

    queue: Any = Queue()
    announcer = Announcer(queue, None, None)  # type: ignore[arg-type]
    with capture_logs() as logs:
        for _ in range(3):
            announcer.wake(["support@1"])
            await announcer.close()
        queue.away = False
        announcer.wake(["support@1"])
        await announcer.close()
    assert [entry["event"] for entry in logs] == ["tickets_lost", "tickets_sent_again"]


@pytest.mark.parametrize(
    ("dsn", "address"),
    [
        ("postgresql://olga:secret@db.example:6432/shop", "db.example:6432"),
        ("postgresql://olga:secret@[::1]/shop", "[::1]:5432"),
        ("postgresql:///shop?host=/run/postgresql", ""),
        ("postgresql://olga:secret@a:1,b:2/shop", ""),
    ],
)
def test_an_address_is_host_and_port_alone(dsn: str, address: str):
    assert address_of(dsn) == address


async def test_a_lost_connection_names_the_server_and_no_secret():
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = Pool(f"postgresql://olga:secret@127.0.0.1:{port}/shop?sslmode=disable", seconds=5)
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as refused:
            await ping(pool)
        assert f"127.0.0.1:{port}" in refused.value.message
        assert "secret" not in refused.value.message
        assert "olga" not in refused.value.message
        server.close()
    await server.wait_closed()
    await pool.close()
