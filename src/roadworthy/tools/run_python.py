"""A tool that runs Python which the model wrote, in a sandbox."""

from __future__ import annotations

from roadworthy.core.scope import surroundings
from roadworthy.domain.errors import OutsideTask, SandboxFailed
from roadworthy.ports.sandbox import Sandbox, SandboxEnd, SandboxRun

_ENDS = {
    SandboxEnd.RAISED: "It failed.",
    SandboxEnd.OUT_OF_TIME: "It was ended: it took too long.",
    SandboxEnd.OUT_OF_MEMORY: "It was ended: it needed too much memory.",
    SandboxEnd.REFUSED: "It tried what it may not do, or uses what the sandbox does not have: there is no network, no "
    "other program and no file but those in its own folder.",
}


async def run_python(code: str) -> str:
    """Run Python code and return what it printed, the value of its last line, and any error.

    It runs in a sandbox: no network, no other programs, and an empty folder of its own, which is gone afterwards.
    Nothing of an earlier run is there.
    """
    return told(await sandbox_here().run(code))


def sandbox_here() -> Sandbox:
    """Of the worker that runs the present task. OutsideTask outside any."""
    here = surroundings.get()
    if here is None:
        raise OutsideTask("code is run for a task only: call it from a task's tools or plain function")
    sandbox: Sandbox | None = here.gate.tool_gateway.sandbox
    if sandbox is None:
        raise SandboxFailed("this worker has no sandbox; set ROADWORTHY_SANDBOX")
    return sandbox


def told(run: SandboxRun) -> str:
    """What a model is to know of a run."""
    parts = [_ENDS[run.end]] if run.end in _ENDS else []
    for title, text in (("Printed", run.stdout), ("Errors", run.stderr), ("Value of the last line", run.result)):
        if text is not None and text.strip():
            parts.append(f"{title}:\n{text.rstrip()}")
    return "\n\n".join(parts) or "It ran, and printed nothing."
