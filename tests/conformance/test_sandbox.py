import platform
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from roadworthy.adapters.sandbox_interpreter import InterpreterSandbox
from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.adapters.sandbox_remote import RemoteSandbox
from roadworthy.app.http_server import http_server, listening_socket
from roadworthy.domain.errors import SandboxFailed
from roadworthy.edges.http.sandbox_routes import SandboxService
from roadworthy.ports.sandbox import Sandbox
from roadworthy.testing.conformance.sandbox import SandboxContract
from roadworthy.testing.conformance.sandbox_ground import SandboxGround, sandbox_ground

KEY = "a key that both sides know"

pytestmark = [
    pytest.mark.skipif(platform.system() != "Linux", reason="what hostile code tries here is Linux"),
    # One of each is enough for all tests: nothing of one run may be seen by another.
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture
def ground() -> Iterator[SandboxGround]:
    # What pytest keeps is its user's alone: nothing would be proven there about a run that belongs to another one.
    with tempfile.TemporaryDirectory() as folder, sandbox_ground(Path(folder)) as ground:
        yield ground


@pytest_asyncio.fixture(params=["interpreter", "process", "remote"], scope="module", loop_scope="module")
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    if request.param == "interpreter":
        sandbox = InterpreterSandbox(at_once=4)
        await sandbox.check()
        yield sandbox
        await sandbox.close()
        return
    sandbox = ProcessSandbox(at_once=4)
    try:
        await sandbox.check()
    except SandboxFailed as error:
        if "the kernel has no Landlock" not in error.message:
            raise
        pytest.skip(error.message)
    if request.param == "process":
        yield sandbox
        return
    listener = listening_socket("127.0.0.1", 0)
    async with http_server(SandboxService(sandbox, KEY, places=4).app(), listener):
        remote = RemoteSandbox("http://{}:{}".format(*listener.getsockname()), KEY)
        yield remote
        await remote.close()


class TestSandbox(SandboxContract):
    pass
