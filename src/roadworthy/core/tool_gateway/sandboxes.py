"""Chooses a sandbox among several, the first time that one is needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import Sandbox, SandboxLimits, SandboxRun

log = structlog.get_logger()


class FirstUsableSandbox:
    """The first that works on this machine. All of them hold whatever runs in them; they differ in what it can do."""

    def __init__(self, sandboxes: Sequence[Sandbox]) -> None:
        self._sandboxes = sandboxes
        self._chosen: Sandbox | None = None
        self._choosing = asyncio.Lock()

    @property
    def name(self) -> str:
        """Of the one that was chosen."""
        return "auto" if self._chosen is None else self._chosen.name

    async def run(
        self,
        code: str,
        *,
        files: Mapping[str, bytes] | None = None,
        keep: Sequence[str] = (),
        limits: SandboxLimits | None = None,
    ) -> SandboxRun:
        chosen = await self._usable()
        return await chosen.run(code, files=files, keep=keep, limits=limits)

    async def check(self) -> None:
        """SandboxFailed with what each of them lacks."""
        await (await self._usable()).check()

    async def close(self) -> None:
        for each in self._sandboxes:
            await each.close()

    async def _usable(self) -> Sandbox:
        async with self._choosing:
            if self._chosen is None:
                reasons: list[str] = []
                for each in self._sandboxes:
                    try:
                        await each.check()
                    except SandboxFailed as error:
                        reasons.append(error.message)
                        continue
                    self._chosen = each
                    log.info("sandbox_chosen", sandbox=each.name, unusable=reasons)
                    break
                else:
                    raise SandboxFailed("no sandbox works on this machine: " + "; ".join(reasons))
            return self._chosen
