"""The sandbox that the settings name, and the service that offers one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import structlog

from roadworthy.adapters.sandbox_interpreter import InterpreterSandbox
from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.app.http_server import http_server, is_loopback, listening_socket
from roadworthy.app.known_secrets import known_secrets
from roadworthy.app.logging import configure_logging
from roadworthy.app.run_process import run_process
from roadworthy.app.settings import SANDBOXES_HERE, Settings, read_settings
from roadworthy.core.redactor import Redactor
from roadworthy.core.tool_gateway.sandboxes import FirstUsableSandbox
from roadworthy.domain.errors import SettingsInvalid
from roadworthy.edges.http.sandbox_routes import SandboxService
from roadworthy.ports.sandbox import Sandbox

log = structlog.get_logger()


def new_sandbox(settings: Settings) -> Sandbox:
    """Nothing is started or checked before its first run: most agents run no code."""
    match settings.sandbox:
        case "process":
            return ProcessSandbox()
        case "interpreter":
            return InterpreterSandbox()
        case "auto":
            return FirstUsableSandbox([ProcessSandbox(), InterpreterSandbox()])
        case address:
            from roadworthy.adapters.sandbox_remote import RemoteSandbox

            return RemoteSandbox(address, settings.sandbox_key)


@asynccontextmanager
async def sandbox_open(sandbox: Sandbox | None) -> AsyncGenerator[None]:
    """While a worker uses it. One of this machine that the settings name must work: there is no other to turn to.

    A service may be away for a while: the runs that need it are told.
    """
    if isinstance(sandbox, (ProcessSandbox, InterpreterSandbox)):
        await sandbox.check()
    try:
        yield
    finally:
        if sandbox is not None:
            await sandbox.close()


def run_sandbox_service(host: str, port: int, places: int | None) -> None:
    """SettingsInvalid where it would be open to others, SandboxFailed where no code could be run here."""
    settings = read_settings()
    configure_logging(settings.log_level, settings.log_format, Redactor(known_secrets(settings, os.environ)))
    if settings.sandbox not in SANDBOXES_HERE:
        raise SettingsInvalid("the sandbox service runs code itself: set ROADWORTHY_SANDBOX=process, or leave it out")
    if settings.sandbox_key is None and not is_loopback(host):
        raise SettingsInvalid(f"set ROADWORTHY_SANDBOX_KEY: on {host} everybody could have code run")
    with listening_socket(host, port) as listener:
        run_process(lambda stop: _serve(settings, places or 2 * (os.cpu_count() or 1), listener, stop))


async def _serve(settings: Settings, places: int, listener: socket.socket, stop: asyncio.Event) -> None:
    sandbox = new_sandbox(settings)
    try:
        await sandbox.check()
        host, port = listener.getsockname()[:2]
        async with http_server(SandboxService(sandbox, settings.sandbox_key, places).app(), listener):
            log.info("sandbox_service_ready", address=f"http://{host}:{port}", sandbox=sandbox.name, places=places)
            await stop.wait()
    finally:
        await sandbox.close()
