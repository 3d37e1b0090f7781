"""Starts `roadworthy` commands by forking: this process has imported everything already, so a start takes a tenth of a
second instead of seconds. From there on they are processes like any other.

Run with a socket as its standard input. A message is `{"start": [argument, …], "environment": {…}, "folder": "…"}` with
two descriptors, for standard output and standard error, and is answered with `{"pid": …}`; or `{"collect": pid}`,
answered with `{"status": exit code}`, where the process must have ended.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
from typing import Any

PRELOADED = (
    "aiohttp",
    "genai_prices.data",
    "pydantic_ai.models.anthropic",
    "pydantic_ai.models.openai",
    "roadworthy.app.command_line",
    "roadworthy.app.processes",
    "roadworthy.frameworks.function",
    "roadworthy.frameworks.pydantic_ai.runner",
)
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


def serve(control: socket.socket) -> bool:
    """Answer until the other side is gone. True in a process that was forked to run a command."""
    control.send(b"{}")
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 2)
        if not message:
            return False
        request = json.loads(message)
        if "collect" in request:
            _, status = os.waitpid(request["collect"], 0)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        else:
            pid = os.fork()
            if pid == 0:
                control.close()
                become(request, descriptors)
                return True
            answer = {"pid": pid}
            for descriptor in descriptors:
                os.close(descriptor)
        control.send(json.dumps(answer).encode())


def become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Take over what a new process would have been given."""
    ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, descriptor in enumerate(descriptors, 1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["roadworthy", *request["start"]]
    sys.modules["__main__"].__package__ = None  # or the usage would say `python -m`


if __name__ == "__main__":
    for module in PRELOADED:
        importlib.import_module(module)
    # Otherwise every process would walk through all of it at its end, for most of a second.
    gc.freeze()
    if serve(socket.socket(fileno=os.dup(0))):
        importlib.import_module("roadworthy.app.command_line").main()
