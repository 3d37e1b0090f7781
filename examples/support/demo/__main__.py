"""Runs the demo; ends by itself unless somebody sits at the terminal. Exit code 0 means: it all really worked."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp
from rich.console import Console

from examples.support.demo.answer import Answer, ask, print_row
from examples.support.demo.api_client import ApiClient, RefusedError
from examples.support.demo.model_choice import chosen_model, what_is_missing
from examples.support.demo.server_process import ServerProcess
from examples.support.local_model_server import LocalModelServer
from examples.support.shop import Shop

TOTAL_SECONDS = 180
TINY = """\
  [dim]It has 135 million parameters: the machinery is real, the answers are not wise.
  Any other takes its place:
  SUPPORT_DEMO_MODEL=anthropic:claude-haiku-4-5 make demo[/]
"""


async def demo(console: Console) -> int:
    """Sets up, asks, says how to go on. Whatever happens, nothing that it started stays behind."""
    console.print("\n[bold]Roadworthy[/] · a customer-support agent, from the question to the bill\n")
    _end_on(signal.SIGTERM, signal.SIGHUP)
    async with AsyncExitStack() as cleanup:
        data_folder = Path(tempfile.mkdtemp(prefix="roadworthy-demo-"))
        cleanup.callback(shutil.rmtree, data_folder, ignore_errors=True)
        server = ServerProcess(data_folder)
        cleanup.push_async_callback(server.stop)
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                environment = await set_up(console, server, cleanup)
                problem = await converse(console, server, environment)
        except TimeoutError:
            problem = f"it took longer than {TOTAL_SECONDS} seconds"
        except (RuntimeError, RefusedError, OSError, aiohttp.ClientError) as error:
            problem = str(error)
        if problem:
            console.print(f"\n[red]The demo did not work:[/] {problem}\n", soft_wrap=True)
            console.print(server.last_log_lines(), markup=False, highlight=False, style="dim", soft_wrap=True)
            return 1
        await say_how_to_go_on(console, server)
    return 0


async def set_up(console: Console, server: ServerProcess, cleanup: AsyncExitStack) -> dict[str, str]:
    """Everything that the demo needs; what the server's environment has to say."""
    environment: dict[str, str] = {}
    if model := chosen_model():
        console.print(f"  [green]✓[/] model {model}")
    else:
        local = LocalModelServer()
        cleanup.callback(local.stop)
        await _timed(console, "a small local model, SmolLM2", asyncio.to_thread(local.start))
        environment["SUPPORT_DEMO_MODEL_URL"] = local.url
    label = "the agent service, with PostgreSQL and Valkey"
    await _timed(console, label, server.start(environment))
    console.print("" if model else f"\n{TINY}")
    return environment


async def converse(console: Console, server: ServerProcess, environment: dict[str, str]) -> str | None:
    """Asks three questions; the third goes on from the first, and for it somebody has to allow a refund. Returns what
    was not as it should be."""
    free = chosen_model() is None
    async with ApiClient(server.url) as client:

        async def decide(task_id: str) -> None:
            await lose_the_server(console, server, environment)
            await allow_what_waits(client, console, task_id)

        first = await ask(client, console, "Where is my order DC-2207?", free=free)
        second = await ask(client, console, "Can I return something I have opened?", free=free)
        console.print("[dim]The first customer again, in the same session:[/]")
        question = "It arrived broken. Please refund it."
        third = await ask(client, console, question, first.session_id, free=free, when_waiting=decide)
    return what_went_wrong([first, second, third]) or (what_went_wrong_with_the_refund(third, server) if free else None)


async def lose_the_server(console: Console, server: ServerProcess, environment: dict[str, str]) -> None:
    """What waits for a person is in no process: it outlives them all."""
    await server.kill()
    print_row(console, "", "kill -9: server, worker, PostgreSQL and Valkey are gone", "red")
    started = time.monotonic()
    await server.start(environment)
    print_row(console, "", f"started again in {time.monotonic() - started:.1f} s; the task still waits", "green")


async def allow_what_waits(client: ApiClient, console: Console, task_id: str) -> None:
    """As a colleague would, who was told; `roadworthy decide` is the same at a terminal."""
    for call in (await client.task(task_id))["waiting_for"]:
        await client.decide(task_id, call["call_id"], "approve", "it was our courier")
        print_row(console, "Staff", f'approve {call["tool"]}: "it was our courier"', "magenta")


def what_went_wrong(answers: list[Answer]) -> str | None:
    """None when every task succeeded, text streamed and a tool was really called."""
    for number, answer in enumerate(answers, start=1):
        if answer.status != "succeeded":
            return f"question {number} ended {answer.status}: {answer.reason or 'no reason given'}"
    if not any(answer.text_events >= 2 for answer in answers):
        return "no answer streamed: each came in one piece"
    if not any(answer.tool_results for answer in answers):
        return "no tool was called"
    return None


def what_went_wrong_with_the_refund(answer: Answer, server: ServerProcess) -> str | None:
    """None when it was allowed by somebody, and made once. A model with a mind of its own may do something else."""
    if not answer.decided_by:
        return "nobody was asked about the refund"
    order = Shop(server.data_folder / "shop.sqlite").order("DC-2207")
    if order is None or not order.refunded or answer.tool_results != 1:
        return "the refund was allowed, and not made once"
    return None


async def say_how_to_go_on(console: Console, server: ServerProcess) -> None:
    """At a terminal, keeps everything up until Ctrl-C."""
    stays = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("CI") != "true"
    console.print("[bold]Your turn[/] " + ("(Ctrl-C ends it)" if stays else "(at a terminal it all stays up)"))
    body = '{"input": "How long does delivery take?"}'
    for line in (
        f"API   {server.url}/v1",
        f"curl  curl -s {server.url}/v1/tasks -H 'content-type: application/json' -H 'prefer: wait=30' -d '{body}'",
        f"chat  .venv/bin/roadworthy chat --url {server.url}\n",
    ):
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    if stays:
        with suppress(asyncio.CancelledError):
            await server.ended()
        console.print("\n  [dim]ending[/]")


async def _timed(console: Console, label: str, work: Awaitable[None]) -> None:
    started = time.monotonic()
    with console.status(f" {label}"):
        await work
    console.print(f"  [green]✓[/] {label} [dim]{time.monotonic() - started:.1f} s[/]", highlight=False)


def _end_on(*signals: signal.Signals) -> None:
    task = asyncio.current_task()
    assert task
    for number in signals:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def main() -> int:
    """Returns the exit code: 0 it worked, 1 it did not, 2 the chosen model cannot be used, 130 interrupted."""
    console = Console(highlight=False)
    if (model := chosen_model()) and (missing := what_is_missing(model)):
        console.print(f"[red]{model} cannot be used:[/] {missing}", soft_wrap=True)
        return 2
    try:
        return asyncio.run(demo(console))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


if __name__ == "__main__":
    sys.exit(main())
