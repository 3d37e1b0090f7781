"""The service: who is let in, what it takes, and when it says that it is full."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from roadworthy.adapters.sandbox_remote import RemoteSandbox
from roadworthy.app.http_server import http_server, listening_socket
from roadworthy.domain.errors import SandboxFailed
from roadworthy.edges.http.sandbox_routes import MOST_BODY_BYTES, SandboxService
from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits, SandboxRun

KEY = "0123456789abcdef"


class HeldSandbox:
    """Runs until it is let go."""

    name = "held"

    def __init__(self) -> None:
        self.running = 0
        self.changed = asyncio.Condition()
        self.let_go = asyncio.Event()

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: object = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        await self._count(1)
        try:
            await self.let_go.wait()
        finally:
            await self._count(-1)
        return SandboxRun(SandboxEnd.FINISHED, code, files=files or {})

    async def _count(self, more: int) -> None:
        async with self.changed:
            self.running += more
            self.changed.notify_all()

    async def until_running(self, count: int) -> None:
        async with self.changed, asyncio.timeout(20):
            await self.changed.wait_for(lambda: self.running == count)

    async def check(self) -> None: ...

    async def close(self) -> None: ...


@asynccontextmanager
async def served(sandbox: HeldSandbox, places: int = 2) -> AsyncIterator[str]:
    listener = listening_socket("127.0.0.1", 0)
    async with http_server(SandboxService(sandbox, KEY, places).app(), listener):
        yield "http://{}:{}".format(*listener.getsockname())


@asynccontextmanager
async def client(url: str, key: str | None = KEY) -> AsyncIterator[RemoteSandbox]:
    remote = RemoteSandbox(url, key)
    yield remote
    await remote.close()


@pytest.mark.parametrize("key", [None, "another key that is wrong", KEY + "x", KEY[:-1], "é"])
async def test_lets_nobody_in_without_its_key(key: str | None):
    sandbox = HeldSandbox()
    async with served(sandbox) as url, client(url, key) as remote:
        for refused in (remote.run("1"), remote.check()):
            with pytest.raises(SandboxFailed, match="403: send ROADWORTHY_SANDBOX_KEY"):
                await refused
    assert sandbox.running == 0


async def test_a_run_that_is_given_up_ends_there_as_well():
    sandbox = HeldSandbox()
    async with served(sandbox) as url, client(url) as remote:
        run = asyncio.create_task(remote.run("1"))
        await sandbox.until_running(1)
        run.cancel()
        await sandbox.until_running(0)


async def test_says_that_it_is_full_instead_of_queuing_without_end():
    sandbox = HeldSandbox()
    async with served(sandbox, places=1) as url, client(url) as remote:
        waiting = [asyncio.create_task(remote.run(str(n))) for n in range(8)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION)
        assert all("503: every place" in str(task.exception()) for task in done) and done
        assert sandbox.running <= 1
        sandbox.let_go.set()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert sum(isinstance(each, SandboxRun) for each in ended) == 5


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"[]", 400, "JSON object"),
        (b'{"code": 1}', 422, "`code` must be text"),
        (b'{"code": "", "files": {"a": "?"}}', 422, "base64"),
        (b'{"code": "", "files": [1]}', 422, "base64"),
        (b'{"code": "", "files": {"../x": ""}}', 422, "no path within"),
        (b'{"code": "", "files": {"%s": ""}}' % (b"x" * 300), 422, "each part of it 255"),
        (b'{"code": "", "files": {"a": "", "a/b": ""}}', 422, "'a' is a file of it"),
        (b'{"code": "", "keep": ["../x"]}', 422, "no path within"),
        (b'{"code": "", "keep": [1]}', 422, "list of paths"),
        (b'{"code": "", "keep": "a"}', 422, "list of paths"),
        (b'{"code": "", "limits": {"seconds": 1e9}}', 422, "at most 120"),
        (b'{"code": "", "limits": {"seconds": -1}}', 422, "above 0"),
        (b'{"code": "", "limits": {"seconds": true}}', 422, "must be a number"),
        (b'{"code": "", "limits": {"memory_bytes": 1.5}}', 422, "whole number"),
        (b'{"code": "", "limits": {"colour": 1}}', 422, "no limit `colour`"),
        (b'{"code": "', 400, "not JSON"),
        (b"x" * (MOST_BODY_BYTES + 1), 413, "larger than"),
    ],
)
async def test_says_what_is_wrong_with_a_request(body: bytes, status: int, words: str):
    headers = {"authorization": f"Bearer {KEY}"}
    async with (
        served(HeldSandbox()) as url,
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/v1/runs", data=body) as response,
    ):
        problem = await response.json(content_type=None)
    assert response.status == status and words in problem["detail"]


async def test_a_service_that_is_away_is_named():
    with listening_socket("127.0.0.1", 0) as listener:
        url = "http://{}:{}".format(*listener.getsockname())
    async with client(url) as remote:
        with pytest.raises(SandboxFailed, match=r"can't be reached .*roadworthy sandbox"):
            await remote.run("1")


@pytest.mark.parametrize("answer", [b"hello", b"{}", b"[]", b'{"end": "finished"}', b"x" * 9_000_000])
async def test_an_answer_of_something_else_is_not_believed(answer: bytes):
    async def other(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    listener = listening_socket("127.0.0.1", 0)
    async with http_server(other, listener), client("http://{}:{}".format(*listener.getsockname())) as remote:
        with pytest.raises(SandboxFailed, match=r"no sandbox service|more than a run"):
            await remote.run("1", limits=SandboxLimits(disk_bytes=1000))
