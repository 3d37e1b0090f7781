"""The tool that runs Python, in agents."""

from collections.abc import AsyncIterator

import orjson
import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from roadworthy import AgentService, ToolPolicy
from roadworthy.adapters.sandbox_interpreter import InterpreterSandbox
from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.app.sandbox import new_sandbox, sandbox_open
from roadworthy.app.settings import Settings, read_settings
from roadworthy.core.tool_gateway.gateway import ToolGateway
from roadworthy.core.tool_gateway.sandboxes import FirstUsableSandbox
from roadworthy.domain.errors import OutsideTask, SandboxFailed, SettingsInvalid
from roadworthy.domain.task import TaskStatus
from roadworthy.ports.sandbox import SandboxEnd, SandboxRun
from roadworthy.tools.run_python import run_python, told
from unit.execution.cluster import Cluster


@pytest.fixture
async def sandbox() -> AsyncIterator[InterpreterSandbox]:
    sandbox = InterpreterSandbox()
    yield sandbox
    await sandbox.close()


def writing(code: str) -> FunctionModel:
    def reply(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            return ModelResponse([ToolCallPart("run_python", {"code": code})])
        (result,) = [part for part in messages[-1].parts if isinstance(part, ToolReturnPart)]
        return ModelResponse([TextPart(str(result.content))])

    return FunctionModel(reply)


async def said(agents: AgentService, sandbox: InterpreterSandbox | None) -> tuple[TaskStatus, str]:
    cluster = Cluster()
    async with cluster.working(agents, tool_gateway=ToolGateway(sandbox=sandbox)):
        task = await cluster.ended(await cluster.submit(agents))
    return task.status, orjson.loads(task.output) if task.output else str(task.reason)


async def test_a_model_is_told_what_its_code_printed_and_came_to(sandbox: InterpreterSandbox):
    agent = Agent(writing("print('sum')\n1 + 2"), tools=[run_python])
    agents = AgentService(agent, tools={"run_python": ToolPolicy(effect="read")})
    assert await said(agents, sandbox) == (
        TaskStatus.SUCCEEDED,
        "Printed:\nsum\n\nValue of the last line:\n3",
    )


async def test_a_model_is_told_why_its_code_failed(sandbox: InterpreterSandbox):
    agents = AgentService(Agent(writing("1 / 0"), tools=[run_python]), tools={"run_python": ToolPolicy(effect="read")})
    status, answer = await said(agents, sandbox)
    assert status is TaskStatus.SUCCEEDED and answer.startswith("It failed.\n\nErrors:\nTraceback")


async def test_a_plain_function_may_use_it(sandbox: InterpreterSandbox):
    async def calculator(message: str) -> str:
        return await run_python("6 * 7")

    assert await said(AgentService(calculator), sandbox) == (TaskStatus.SUCCEEDED, "Value of the last line:\n42")


async def test_outside_a_task_it_says_so():
    with pytest.raises(OutsideTask, match="for a task only"):
        await run_python("1")


@pytest.mark.parametrize("end", [end for end in SandboxEnd if end is not SandboxEnd.FINISHED])
def test_every_end_has_words_for_the_model(end: SandboxEnd):
    assert told(SandboxRun(end)).startswith("It ")


class Unusable:
    name = "unusable"
    closed = False

    async def run(self, code: str, **_: object) -> SandboxRun:
        raise AssertionError("it was said to be unusable")

    async def check(self) -> None:
        raise SandboxFailed("this machine has no kernel")

    async def close(self) -> None:
        self.closed = True


async def test_the_first_that_works_is_taken_and_all_are_closed(sandbox: InterpreterSandbox):
    other = Unusable()
    first = FirstUsableSandbox([other, sandbox])
    assert (first.name, (await first.run("1 + 1")).result, first.name) == ("auto", "2", "interpreter")
    await first.close()
    assert other.closed


async def test_nothing_runs_where_none_works():
    with pytest.raises(SandboxFailed, match="no sandbox works on this machine: this machine has no kernel"):
        await FirstUsableSandbox([Unusable()]).run("1")


@pytest.mark.parametrize(
    ("value", "name"),
    [("auto", "auto"), ("process", "process"), ("interpreter", "interpreter"), ("http://127.0.0.1:8082", "remote")],
)
async def test_settings_name_the_sandbox(monkeypatch: pytest.MonkeyPatch, value: str, name: str):
    monkeypatch.setenv("ROADWORTHY_SANDBOX", value)
    sandbox = new_sandbox(read_settings())
    assert sandbox.name == name
    await sandbox.close()


@pytest.mark.parametrize(("name", "value"), [("SANDBOX", "docker"), ("SANDBOX", "http://["), ("SANDBOX_KEY", "short")])
def test_settings_that_name_none_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(f"ROADWORTHY_{name}", value)
    with pytest.raises(SettingsInvalid, match=f"ROADWORTHY_{name}"):
        read_settings()


def test_the_key_is_not_shown():
    assert "0123456789abcdef" not in repr(Settings(sandbox_key="0123456789abcdef"))


async def test_a_worker_does_not_start_with_a_named_sandbox_that_does_not_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys._base_executable", "/nowhere/python", raising=False)
    with pytest.raises(SandboxFailed, match="can't start Python"):
        async with sandbox_open(ProcessSandbox()):
            pass
