"""The command line tells people what is wrong and what to do next: one message, no traceback, the right exit code."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from pathlib import Path

import pytest

from .processes import Launcher, Process, execute
from .servers import Servers

FAILED, UNDECIDED = 1, 2

SHOP = """
async def reply(ctx, message):
    return message

def plain(message):
    return message

number = 7
empty = []
twice = [reply, reply]
"""


@pytest.fixture
def shop(folder: Path) -> Path:
    (folder / "shop.py").write_text(SHOP)
    (folder / "broken.py").write_text("async def reply(ctx, message)\n    return message\n")
    (folder / "raising.py").write_text("raise RuntimeError('no licence')\n")
    (folder / "leaving.py").write_text("import sys\nsys.exit('I am off')\n")
    (folder / "needing.py").write_text("import a_package_nobody_has\n")
    keyless = "from pydantic_ai import Agent\nagent = Agent('openai:gpt-5-mini'{})\n"
    (folder / "keyless.py").write_text(keyless.format(""))
    (folder / "keyless_later.py").write_text(keyless.format(", defer_model_check=True"))
    return folder


class Commands:
    """Runs commands in a folder until they end."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        self._launcher = launcher
        self._folder = folder

    async def start(self, *arguments: str, **settings: str) -> Process:
        changed = {f"ROADWORTHY_{name.upper()}": value for name, value in settings.items()}
        changed = {"ROADWORTHY_DATA_DIR": str(self._folder / "data"), **changed}
        return await self._launcher.start("roadworthy", arguments, changed, self._folder)

    async def refuses(self, *arguments: str, code: int = UNDECIDED, **settings: str) -> str:
        """What the command says on standard error; fails unless it says one thing and ends with this code."""
        process = await self.start(*arguments, **settings)
        assert await process.ended() == code, process.present_state()
        said = "\n".join(process.errors)
        assert "Traceback" not in said
        assert said
        assert not process.output
        return said


@pytest.fixture
def commands(launcher: Launcher, shop: Path) -> Commands:
    return Commands(launcher, shop)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("shop", "write `module:attribute`"),
        ("shop.py", "write `module:attribute`"),
        (":reply", "write `module:attribute`"),
        ("shop:", "write `module:attribute`"),
        ("nowhere:reply", "No module named 'nowhere'"),
        ("nowhere.py:reply", "there is no file"),
        ("needing.py:reply", "a_package_nobody_has"),
        ("shop:nothing", "nothing called 'nothing'; it has reply"),
        ("shop.py:nothing", "nothing called 'nothing'"),
        ("broken.py:reply", "broken.py, line 1"),
        ("broken:reply", "broken.py, line 1"),
        ("raising.py:reply", "raised RuntimeError: no licence"),
        ("leaving.py:reply", "I am off"),
        ("shop.py:number", "is a int; it must be an AgentService, a pydantic-ai Agent or an `async def`"),
        ("shop.py:plain", "is a function; it must be"),
        ("shop.py:empty", "is an empty list"),
        ("shop.py:twice", "two agents are called 'reply'"),
        ("keyless.py:agent", "OPENAI_API_KEY"),
        ("keyless_later.py:agent", "OPENAI_API_KEY"),
    ],
)
async def test_a_target_that_cannot_be_served(commands: Commands, target: str, words: str) -> None:
    said = await commands.refuses("serve", target, "--port", "0")
    assert said.startswith("roadworthy: ")
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("command", ["serve", "api"])
async def test_a_port_that_is_taken(commands: Commands, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        stores = {} if command == "serve" else {"database_url": "postgresql:///x", "redis_url": "redis://127.0.0.1:1"}
        said = await commands.refuses(command, "shop:reply", "--port", port, code=FAILED, **stores)
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "--port" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com"])
async def test_everybody_is_let_in_on_loopback_only(commands: Commands, host: str) -> None:
    said = await commands.refuses("serve", "shop:reply", "--port", "0", "--host", host)
    assert "loopback" in said
    assert "--host 127.0.0.1" in said


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lease_seconds": "0"}, ["ROADWORTHY_LEASE_SECONDS", "greater than or equal to 0.5"]),
        ({"lease_seconds": "soon", "max_retries": "-1"}, ["ROADWORTHY_LEASE_SECONDS", "ROADWORTHY_MAX_RETRIES"]),
        ({"database_url": "mysql://x"}, ["ROADWORTHY_DATABASE_URL", "postgresql://"]),
        ({"redis_url": "localhost:6379"}, ["ROADWORTHY_REDIS_URL", "redis://"]),
        ({"redis_url": "redis://x:port"}, ["ROADWORTHY_REDIS_URL"]),
        ({"log_level": "loud"}, ["ROADWORTHY_LOG_LEVEL"]),
        ({"auth": "none"}, ["ROADWORTHY_AUTH"]),
        ({"auth": "jwt"}, ["ROADWORTHY_AUTH"]),
    ],
)
async def test_settings_that_cannot_be_used(commands: Commands, settings: dict[str, str], words: list[str]) -> None:
    said = await commands.refuses("serve", "shop:reply", "--port", "0", **settings)
    assert [line for line in said.splitlines() if line.startswith("roadworthy: ")]
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://127.0.0.1:port/x", "ROADWORTHY_DATABASE_URL"),
        ("postgresql://[::1/x", "ROADWORTHY_DATABASE_URL"),
        ("postgresql://127.0.0.1/x?sslmode=perhaps", "ROADWORTHY_DATABASE_URL"),
    ],
)
async def test_a_database_url_that_cannot_be_used(commands: Commands, url: str, words: str) -> None:
    assert words in await commands.refuses("migrate", database_url=url, redis_url="redis://127.0.0.1:1")


async def test_a_database_that_is_not_ours(commands: Commands, servers: Servers) -> None:
    """Known by name, but not there: waiting would not help."""
    url = servers.url_of("nobody_made_this")
    said = await commands.refuses("worker", "shop:reply", database_url=url, redis_url=servers.redis_url)
    assert "nobody_made_this" in said
    assert "ROADWORTHY_DATABASE_URL" in said


async def test_a_settings_file_that_cannot_be_used(commands: Commands, shop: Path) -> None:
    file = shop / "roadworthy.toml"
    for text, words in (("lease_secnods = 3", "did you mean lease_seconds?"), ("lease_seconds = ", "roadworthy.toml")):
        file.write_text(text)
        assert words in await commands.refuses("serve", "shop:reply", "--port", "0")


@pytest.mark.parametrize("command", [("api", "shop:reply"), ("worker", "shop:reply"), ("upkeep",)])
async def test_parts_need_stores_that_they_share(commands: Commands, command: tuple[str, ...]) -> None:
    said = await commands.refuses(*command)
    assert "ROADWORTHY_DATABASE_URL" in said


@pytest.mark.parametrize(
    "arguments",
    [("sevre",), ("serve",), ("serve", "shop:reply", "--prot", "1"), ("serve", "shop:reply", "--port", "x")],
)
async def test_usage_that_is_wrong(commands: Commands, arguments: tuple[str, ...]) -> None:
    said = await commands.refuses(*arguments)
    assert "Usage: roadworthy" in said


async def test_a_data_folder_that_is_in_use(commands: Commands, shop: Path) -> None:
    first = await commands.start("serve", "shop:reply", "--port", "0")
    await first.until_output(" on http://")
    said = await commands.refuses("serve", "shop:reply", "--port", "0", code=FAILED)
    assert f"{shop / 'data'} is in use by process {first.pid}" in said
    assert "ROADWORTHY_DATA_DIR" in said
    assert await first.terminate() == 0


async def test_a_data_folder_that_cannot_be_used(commands: Commands, shop: Path) -> None:
    (shop / "file").write_text("")
    said = await commands.refuses("serve", "shop:reply", "--port", "0", code=FAILED, data_dir=str(shop / "file"))
    assert str(shop / "file") in said


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
async def test_a_server_that_is_told_to_end_while_it_starts(commands: Commands, number: str) -> None:
    server = await commands.start("serve", "shop:reply", "--port", "0")
    await server.until_logged("embedded_servers_started")
    server.send(signal.Signals[number])
    assert await server.ended() == 0
    assert server.errors[0].startswith("Starting PostgreSQL and Valkey in ")
    assert not [line for line in server.errors if "Traceback" in line]


async def test_help_of_every_command(folder: Path) -> None:
    """Started as a shell does. The times are shown with `pytest -rP`."""
    for command in (
        (),
        ("serve",),
        ("api",),
        ("worker",),
        ("upkeep",),
        ("migrate",),
        ("chat",),
        ("decide",),
        ("simulate-provider",),
    ):
        began = time.monotonic()
        process = await execute([*command, "--help"], {}, folder)
        assert await process.ended() == 0
        print(f"{' '.join(('roadworthy', *command))} --help: {time.monotonic() - began:.2f} s")
        assert any("Usage: roadworthy" in line for line in process.output)
        assert not [line for line in process.output if "…" in line], "a text is cut off"
        assert not process.errors
    assert (await asyncio.wait_for((await execute(["version"], {}, folder)).ended(), 30)) == 0
