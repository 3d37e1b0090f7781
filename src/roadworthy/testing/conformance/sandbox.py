"""What every sandbox must do, and what nothing in it may."""

from __future__ import annotations

import asyncio
import time

import pytest

from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import Sandbox, SandboxEnd, SandboxLimits
from roadworthy.testing.conformance.sandbox_escapes import ENVIRONMENT, FILES, KERNEL, NETWORK, PROCESSES
from roadworthy.testing.conformance.sandbox_ground import SandboxGround

MIB = 1024 * 1024
SHORT = SandboxLimits(seconds=0.3, cpu_seconds=5)
SMALL = SandboxLimits(seconds=8, cpu_seconds=5, memory_bytes=64 * MIB, disk_bytes=MIB, output_bytes=1000, processes=8)
LATE_SECONDS = 20
"""How much later than its limit a run may end on a machine that has much else to do."""


class SandboxContract:
    """`sandbox` is one of them, `ground` what lies around it."""

    async def test_tells_what_was_written_and_what_it_came_to(self, sandbox: Sandbox):
        run = await sandbox.run("import sys\nprint('out')\nprint('err', file=sys.stderr)\n[6 * 7, 'é']")
        assert (run.end, run.stdout, run.result) == (SandboxEnd.FINISHED, "out\n", "[42, 'é']")
        assert run.stderr.strip() == "err" and run.seconds > 0

    async def test_has_no_result_where_the_last_line_has_none(self, sandbox: Sandbox):
        runs = [await sandbox.run(code) for code in ("x = 1", "None", "", "# nothing", "if True:\n    3")]
        assert [(run.end, run.result) for run in runs] == [(SandboxEnd.FINISHED, None)] * 5

    async def test_tells_an_error_as_python_does(self, sandbox: Sandbox):
        run = await sandbox.run("def share(n):\n    return 1 / n\n\nprint('before')\nshare(0)")
        assert (run.end, run.stdout) == (SandboxEnd.RAISED, "before\n")
        assert 'File "<code>", line 5' in run.stderr and "return 1 / n" in run.stderr
        assert run.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
        assert "roadworthy" not in run.stderr and "_result" not in run.stderr

    async def test_tells_where_code_is_no_python(self, sandbox: Sandbox):
        run = await sandbox.run("x = (1 +")
        assert run.end is SandboxEnd.RAISED and "SyntaxError" in run.stderr

    @pytest.mark.parametrize("code", ["(" * 5000, "x" * 99_999, "\0", "'\\ud800'", "-" * 50_000 + "1", "1" * 9_999])
    async def test_survives_code_that_is_hard_to_read(self, sandbox: Sandbox, code: str):
        await sandbox.run(code)
        assert (await sandbox.run("1 + 1")).result == "2"

    async def test_gives_it_files_and_hands_back_those_that_are_asked_for(self, sandbox: Sandbox):
        run = await sandbox.run(
            "text = open('data/in.csv').read()\nopen('out.txt', 'w').write(text * 2)\nopen('other', 'w').write('x')",
            files={"data/in.csv": b"1,2\n"},
            keep=["out.txt", "never-written"],
        )
        assert (run.end, run.files) == (SandboxEnd.FINISHED, {"out.txt": b"1,2\n1,2\n"})

    @pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../b", "", "a//b", "./a", "a\0b"])
    async def test_takes_no_path_that_leads_out_of_its_folder(self, sandbox: Sandbox, path: str):
        with pytest.raises(SandboxFailed, match="no path within"):
            await sandbox.run("1", files={path: b"x"})
        with pytest.raises(SandboxFailed, match="no path within"):
            await sandbox.run("1", keep=[path])

    @pytest.mark.parametrize("path", ["x" * 256, "é" * 128 + "/x", "x/" * 512 + "x", "\ud800"])
    async def test_takes_no_path_that_no_file_can_have(self, sandbox: Sandbox, path: str):
        with pytest.raises(SandboxFailed, match="no path within"):
            await sandbox.run("1", files={path: b"x"})
        with pytest.raises(SandboxFailed, match="no path within"):
            await sandbox.run("1", keep=[path])

    async def test_takes_no_files_that_can_not_lie_beside_each_other(self, sandbox: Sandbox):
        with pytest.raises(SandboxFailed, match="'a' is a file of it"):
            await sandbox.run("1", files={"a": b"x", "a/b": b"y"})
        longest = "x" * 255
        run = await sandbox.run("1", files={"a/b": b"x", "a/c": b"y", longest: b"z"}, keep=["a", "a/b", longest])
        assert run.end is SandboxEnd.FINISHED

    async def test_nothing_of_one_run_is_seen_by_the_next(self, sandbox: Sandbox):
        await sandbox.run("import json\njson.left_over = 1\nleft_over = 2\nopen('left-over', 'w').write('x')")
        for code in ("left_over", "import json\njson.left_over", "open('left-over').read()"):
            assert (await sandbox.run(code)).end is not SandboxEnd.FINISHED, code

    async def test_many_run_at_once_each_for_itself(self, sandbox: Sandbox):
        runs = await asyncio.gather(
            *(sandbox.run(f"open('x', 'w').write('{n}')\nint(open('x').read()) * 2") for n in range(12))
        )
        assert [run.result for run in runs] == [str(2 * n) for n in range(12)]

    @pytest.mark.parametrize(
        "code",
        [
            "while True: pass",
            "import time\ntime.sleep(60)",
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
            "import signal\nfor n in range(1, 32):\n    if n not in (9, 19): signal.signal(n, signal.SIG_IGN)\n"
            "while True: pass",
            "x = 0\nfor i in range(10 ** 12): x += i",
        ],
        ids=["computing", "sleeping", "catching everything", "ignoring signals", "counting"],
    )
    async def test_ends_when_its_time_is_over(self, sandbox: Sandbox, code: str):
        began = time.monotonic()
        run = await sandbox.run(code, limits=SHORT)
        # A sandbox without signals does not know how to ignore one.
        assert run.end in (SandboxEnd.OUT_OF_TIME, SandboxEnd.REFUSED)
        assert run.end is SandboxEnd.OUT_OF_TIME or "signal" in code
        assert time.monotonic() - began < SHORT.seconds + LATE_SECONDS

    async def test_what_it_wrote_before_its_time_was_over_is_told(self, sandbox: Sandbox):
        run = await sandbox.run("print('so far', flush=True)\nwhile True: pass", limits=SHORT)
        assert run.stdout == "so far\n" and "0.3 s" in run.stderr

    async def test_may_compute_for_so_long(self, sandbox: Sandbox):
        run = await sandbox.run("while True: pass", limits=SandboxLimits(seconds=20, cpu_seconds=1))
        assert run.end is SandboxEnd.OUT_OF_TIME and "it computed for longer than 1 s" in run.stderr

    @pytest.mark.parametrize(
        "code",
        ["x = 'x' * 10 ** 9", "x = []\nwhile True: x.append('x' * 10 ** 6)", "x = 1 << 10 ** 10"],
        ids=["at once", "bit by bit", "a number"],
    )
    async def test_has_so_much_memory(self, sandbox: Sandbox, code: str):
        run = await sandbox.run(code, limits=SMALL)
        assert run.end is SandboxEnd.OUT_OF_MEMORY and "67,108,864 bytes" in run.stderr

    @pytest.mark.parametrize(
        "code",
        [
            "def f(n): return f(n + 1)\nf(0)",
            "x = []\nfor i in range(100_000): x = [x]\nrepr(x)",
            "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()",
            "class A:\n    def __repr__(self): return repr(self)\nA()",
        ],
        ids=["calls", "lists", "without a limit", "in its result"],
    )
    async def test_survives_endless_depth(self, sandbox: Sandbox, code: str):
        await sandbox.run(code, limits=SandboxLimits(seconds=0.6, cpu_seconds=2, memory_bytes=64 * MIB))
        assert (await sandbox.run("1 + 1")).result == "2"

    async def test_may_write_so_much(self, sandbox: Sandbox):
        code = "import sys\nfor i in range({}): print('x' * 99); print('y' * 99, file=sys.stderr)"
        run = await sandbox.run(code.format(500), limits=SMALL)
        assert run.end is SandboxEnd.FINISHED
        for text in (run.stdout, run.stderr):
            assert len(text) < 1100 and "[cut here: it wrote more than 1,000 bytes]" in text
        run = await sandbox.run("import os\nwhile True: os.write(1, b'x' * 10 ** 6)", limits=SHORT)
        assert len(run.stdout) < 200_000 and run.end is not SandboxEnd.FINISHED

    async def test_a_result_is_cut(self, sandbox: Sandbox):
        run = await sandbox.run("'x' * 10 ** 6", limits=SMALL)
        assert run.end is SandboxEnd.FINISHED and run.result is not None and 500 < len(run.result) <= 1000

    @pytest.mark.parametrize(
        "code",
        [
            "open('big', 'w').write('x' * 10 ** 7)",
            "for i in range(1000):\n    with open(str(i), 'w') as f: f.write('x' * 10 ** 5)",
            "import os\nopen('sparse', 'w').close()\nos.truncate('sparse', 10 ** 12)",
            "import os\nos.posix_fallocate(os.open('reserved', os.O_RDWR | os.O_CREAT), 0, 10 ** 9)",
            "import os\nfiles = []\nfor i in range(60):\n    files.append(open('x', 'w'))\n    os.unlink('x')\n"
            "    files[-1].write('x' * 10 ** 6)\n    files[-1].flush()\nimport time\ntime.sleep(60)",
            "import os, tempfile\nfiles = [tempfile.TemporaryFile() for i in range(50)]\n"
            "for file in files:\n    file.write(b'x' * 10 ** 6)\n    file.flush()\nimport time\ntime.sleep(60)",
            "import mmap, os\nkept = []\nfor i in range(60):\n    file = os.open('x', os.O_RDWR | os.O_CREAT)\n"
            "    os.write(file, b'x' * 10 ** 6)\n    kept.append(mmap.mmap(file, 4096))\n    os.unlink('x')\n"
            "    os.closerange(4, 64)\nimport time\ntime.sleep(60)",
            "import ctypes, os, threading, time\ndef write():\n    time.sleep(0.1)\n    for i in range(60):\n"
            "        file = os.open('x', os.O_RDWR | os.O_CREAT)\n        os.unlink('x')\n"
            "        os.write(file, b'x' * 10 ** 6)\n    time.sleep(60)\nthreading.Thread(target=write).start()\n"
            "ctypes.CDLL(None).pthread_exit(None)",
            "import os\nwhile True:\n    os.mkdir('d')\n    os.chdir('d')",
            "i = 0\nwhile True:\n    open(str(i), 'w').close()\n    i += 1",
            "import os\nos.mkdir('hidden', 0o300)\nos.chdir('hidden')\n"
            "for i in range(1000):\n    with open(str(i), 'w') as f: f.write('x' * 10 ** 5)",
        ],
        ids=[
            *("a file", "many files", "sparse", "reserved", "deleted", "without names", "mapped", "first thread ended"),
            *("deep", "empty", "hidden"),
        ],
    )
    async def test_has_so_much_room_in_its_folder(self, sandbox: Sandbox, code: str):
        # How fast files are made is the disk's to say; the rest must have ended before its time was over.
        is_slow = "while True" in code
        limits = SandboxLimits(1 if is_slow else 15, 15, memory_bytes=128 * MIB, disk_bytes=MIB)
        run = await sandbox.run(code, limits=limits)
        assert run.end is not SandboxEnd.FINISHED, run
        assert is_slow or run.end is not SandboxEnd.OUT_OF_TIME, run
        assert (await sandbox.run("open('next', 'w').write('x')")).end is SandboxEnd.FINISHED

    async def test_may_start_so_many_threads(self, sandbox: Sandbox):
        run = await sandbox.run(
            "import threading\nwait = threading.Event()\nthreading.stack_size(32768)\n"
            "for i in range(500): threading.Thread(target=wait.wait, daemon=True).start()\nwait.wait()",
            limits=SMALL,
        )
        assert run.end in (SandboxEnd.REFUSED, SandboxEnd.RAISED), run

    async def test_has_no_files_but_its_own(self, sandbox: Sandbox, ground: SandboxGround):
        assert await ground.escaped(sandbox, FILES) == []
        assert ground.harm() == []

    async def test_has_no_network(self, sandbox: Sandbox, ground: SandboxGround):
        assert await ground.escaped(sandbox, NETWORK) == []
        assert ground.harm() == []

    async def test_has_the_environment_of_nobody(self, sandbox: Sandbox, ground: SandboxGround):
        assert await ground.escaped(sandbox, ENVIRONMENT) == []

    async def test_has_no_other_processes(self, sandbox: Sandbox, ground: SandboxGround):
        assert await ground.escaped(sandbox, PROCESSES) == []
        assert ground.harm() == []

    async def test_has_little_of_the_kernel(self, sandbox: Sandbox, ground: SandboxGround):
        assert await ground.escaped(sandbox, KERNEL) == []
        assert ground.harm() == []

    async def test_a_cancelled_run_makes_room_at_once(self, sandbox: Sandbox):
        limits = SandboxLimits(seconds=60, cpu_seconds=60)
        running = [asyncio.create_task(sandbox.run("while True: pass", limits=limits)) for _ in range(6)]
        await sandbox.run("1")
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        assert all(task.cancelled() for task in running)
        async with asyncio.timeout(10):
            assert (await sandbox.run("1 + 1")).result == "2"

    async def test_says_that_it_works(self, sandbox: Sandbox):
        await sandbox.check()
