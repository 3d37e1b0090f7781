"""People at a terminal decide about tool calls: with the commands that they are shown, and in the middle of a chat."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .deployment import Deployment
from .http_api import Api
from .people import waiting_for
from .processes import ROADWORTHY, Launcher, Process, environment
from .watched import Watched

SHOP = """
from roadworthy import AgentService, ToolPolicy

async def refund(order_id: str, cents: int) -> str:
    with open("refunds", "a") as books:
        books.write(f"{order_id} {cents}\\n")
    return f"paid {cents} cents"

def is_large(order_id: str, cents: int) -> bool:
    return cents > 2000

async def reply(ctx, message):
    try:
        return await ctx.tool(refund, order_id="DC-2207", cents=int(message))
    except Exception as error:
        return f"sorry, {error}"

service = AgentService(reply, name="shop", tools={"refund": ToolPolicy(seconds=5, approval=is_large)})
"""


@pytest.fixture
async def shop(bare_deployment: Deployment) -> Deployment:
    file = bare_deployment.folder / "shop.py"
    file.write_text(SHOP)
    bare_deployment.targets = [f"{file}:service"]
    await bare_deployment.start_api(command="serve")
    return bare_deployment


def books(shop: Deployment) -> list[str]:
    file = shop.folder / "refunds"
    return file.read_text().splitlines() if file.exists() else []


async def asked(api: Api, cents: int) -> str:
    task = await api.submit("shop", str(cents))
    async with api.follow(task["id"]) as stream:
        await stream.until_seen("status", 1, status="waiting")
    return task["id"]


async def said(launcher: Launcher, shop: Deployment, *command: str, code: int = 0) -> str:
    """What the command says, which must end with this code."""
    process: Process = await launcher.start("roadworthy", command, {}, shop.folder)
    assert await process.ended() == code, process.present_state()
    return "\n".join([*process.output, *process.errors])


async def test_the_commands_that_are_shown_do_what_they_say(shop: Deployment, launcher: Launcher):
    api = shop.api
    allowed, denied = [await asked(api, cents) for cents in (3300, 4400)]
    assert books(shop) == []

    shown = await said(launcher, shop, "decide", "--url", api.url)
    assert "2 calls wait for a decision" in shown
    assert "may refund be called?" in shown
    assert "cents     3300" in shown
    commands = [shlex.split(line)[1:] for line in shown.splitlines() if line.strip().startswith("roadworthy decide")]
    (approve,) = [command for command in commands if allowed in command and "approve" in command]
    (deny,) = [command for command in commands if denied in command and "deny" in command]
    assert "is decided: approve by dev/dev" in await said(launcher, shop, *approve)
    assert "is decided: deny by dev/dev" in await said(launcher, shop, *deny)
    assert (await api.ended(allowed))["output"] == "paid 3300 cents"
    assert "WHY, FOR THE MODEL" in (await api.ended(denied))["output"]
    assert books(shop) == ["DC-2207 3300"]

    # The same again changes nothing, the opposite is refused, and nothing waits any more.
    assert "approve by dev/dev" in await said(launcher, shop, *approve)
    (other,) = [command for command in commands if allowed in command and "deny" in command]
    assert "(decided_before)" in await said(launcher, shop, *other, code=1)
    assert json.loads(await said(launcher, shop, "decide", "--json", "--url", api.url))["tasks"] == []
    assert books(shop) == ["DC-2207 3300"]


async def test_who_chats_is_asked(shop: Deployment):
    async with chatting(shop) as terminal:
        await terminal.until_shown("> ")
        terminal.type("900\n")
        await terminal.until_shown("paid 900 cents")
        terminal.type("3300\n")
        await terminal.until_shown("approve, deny, edit or later?")
        assert "cents     3300" in terminal.shown
        terminal.type("e\n")
        await terminal.until_shown("arguments, as JSON: ")
        # What it is now stands there to be changed: here all of it.
        terminal.type('\x15{"order_id": "DC-2207", "cents": 1600}\n')
        await terminal.until_shown("paid 1600 cents")
        terminal.type("4400\n")
        await terminal.until_shown("approve, deny, edit or later?", times=2)
        terminal.type("l\n")
        await terminal.until_shown("it goes on waiting")
        terminal.type("\x04")
        await terminal.ended()
    assert books(shop) == ["DC-2207 900", "DC-2207 1600"]
    (task,) = (await shop.api.get("/v1/tasks?status=waiting")).body["tasks"]
    assert [call["about"] for call in await waiting_for(shop.api, task["id"])] == ["approval"]


class Terminal(Watched):
    """A `roadworthy chat` that thinks somebody sits there."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._master = master
        self._process = process
        self._text = ""

    @property
    def shown(self) -> str:
        """Without what colours it."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._text)

    def present_state(self) -> str:
        return self.shown

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read(self) -> None:
        try:
            piece = os.read(self._master, 1 << 16)
        except OSError:  # its other end is closed
            piece = b""
        if not piece:
            asyncio.get_running_loop().remove_reader(self._master)
        self._text += piece.decode(errors="replace")
        self.changed()

    async def until_shown(self, words: str, times: int = 1) -> None:
        await self.until(lambda: self.shown.count(words) >= times, f"the terminal shows {words!r}")

    async def ended(self) -> None:
        assert await asyncio.to_thread(self._process.wait, 20) == 0, self.shown


@asynccontextmanager
async def chatting(shop: Deployment) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    command = [ROADWORTHY, "chat", "--url", shop.api.url]
    settings = environment({"TERM": "xterm", "COLUMNS": "120"})
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=settings, cwd=shop.folder, start_new_session=True
    )
    os.close(slave)
    terminal = Terminal(master, process)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, terminal.read)
    try:
        yield terminal
    finally:
        loop.remove_reader(master)
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)
