"""Lets hostile code try everything against the process sandbox of a worker that is an ordinary user."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.ports.sandbox import SandboxLimits
from roadworthy.testing.conformance.sandbox_escapes import ATTEMPTS
from roadworthy.testing.conformance.sandbox_ground import sandbox_ground

THREADS = """
import threading
wait = threading.Event()
threading.stack_size(32768)
for i in range(500): threading.Thread(target=wait.wait, daemon=True).start()
wait.wait()
"""


async def main() -> None:
    sandbox = ProcessSandbox(at_once=4)
    with tempfile.TemporaryDirectory() as folder, sandbox_ground(Path(folder)) as ground:
        escaped = [name for attempts in ATTEMPTS.values() for name in await ground.escaped(sandbox, attempts)]
        many = await sandbox.run(THREADS, limits=SandboxLimits(seconds=8, processes=8))
        harm = ground.harm()
    print(json.dumps({"user": os.geteuid(), "escaped": escaped, "harm": harm, "threads": many.end}))


if __name__ == "__main__":
    asyncio.run(main())
