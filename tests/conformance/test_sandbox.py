import platform
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from roadworthy.adapters.sandbox_interpreter import InterpreterSandbox
from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import Sandbox
from roadworthy.testing.conformance.sandbox import SandboxContract
from roadworthy.testing.conformance.sandbox_ground import SandboxGround, sandbox_ground

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="what hostile code tries here is Linux")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[SandboxGround]:
    with sandbox_ground(tmp_path) as ground:
        yield ground


@pytest.fixture(params=["interpreter", "process"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    sandbox = InterpreterSandbox(at_once=4) if request.param == "interpreter" else ProcessSandbox(at_once=4)
    try:
        await sandbox.check()
    except SandboxFailed as error:
        if "kernel" not in error.message:
            raise
        pytest.skip(error.message)
    yield sandbox
    await sandbox.close()


class TestSandbox(SandboxContract):
    pass
