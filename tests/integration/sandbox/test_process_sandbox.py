"""What only processes can do: be killed, be left behind, belong to somebody."""

import asyncio
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from integration.embedded.processes import until
from roadworthy.adapters.sandbox_process import ProcessSandbox, sandbox
from roadworthy.adapters.sandbox_process.inside import confine
from roadworthy.adapters.sandbox_process.inside.syscalls import (
    ALLOWED,
    BY_ARGUMENTS,
    OUTDATED_KERNEL,
    UNSUPPORTED,
    WITHOUT_EFFECT,
)
from roadworthy.domain.errors import SandboxFailed
from roadworthy.ports.sandbox import SandboxEnd, SandboxLimits

TESTS = Path(__file__).parents[2]
LONG = SandboxLimits(seconds=60, cpu_seconds=60)
ENDLESS = "open('began', 'w').close()\nwhile True: pass"
WORKER = f"""
import asyncio, sys
from pathlib import Path
from roadworthy.adapters.sandbox_process import ProcessSandbox
from roadworthy.ports.sandbox import SandboxLimits
asyncio.run(ProcessSandbox(within=Path(sys.argv[1])).run({ENDLESS!r}, limits=SandboxLimits(seconds=60, cpu_seconds=60)))
"""

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="Landlock and seccomp are Linux")


@pytest.fixture
def within() -> Iterator[Path]:
    """Of everybody: a run of root's worker belongs to another user, who can't enter what pytest keeps for itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path
        assert list(path.iterdir()) == [], "a run left files behind"


def began(within: Path) -> bool:
    return any(within.glob("*/began"))


def run_processes(worker: int) -> list[psutil.Process]:
    return psutil.Process(worker).children(recursive=True)


async def ended(processes: list[psutil.Process]) -> None:
    await until(lambda: not any(each.is_running() and each.status() != "zombie" for each in processes), "their end")


async def test_a_cancelled_run_leaves_no_process_and_no_file(within: Path):
    process = ProcessSandbox(within=within)
    before = set(run_processes(os.getpid()))
    run = asyncio.create_task(process.run(ENDLESS, limits=LONG))
    await until(lambda: began(within), "the run")
    processes = set(run_processes(os.getpid())) - before
    assert len(processes) == 2
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not any(each.is_running() for each in processes)


async def test_a_killed_worker_leaves_no_process_and_no_file(within: Path):
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(within)])
    await until(lambda: began(within), "the run")
    processes = run_processes(worker.pid)
    assert len(processes) == 2
    worker.kill()
    worker.wait()
    await ended(processes)
    await until(lambda: not list(within.iterdir()), "an empty folder")


async def test_code_ends_with_the_process_that_watches_it(within: Path):
    process = ProcessSandbox(within=within)
    before = set(run_processes(os.getpid()))
    run = asyncio.create_task(process.run(ENDLESS, limits=LONG))
    await until(lambda: began(within), "the run")
    processes = set(run_processes(os.getpid())) - before
    watching = next(each for each in processes if each.ppid() == os.getpid())
    watching.send_signal(signal.SIGKILL)
    with pytest.raises(SandboxFailed, match="without an answer"):
        await run
    await ended(list(processes))
    for folder in list(within.iterdir()):  # noqa: ASYNC240
        shutil.rmtree(folder)


async def test_no_name_that_code_takes_keeps_its_folder_there(within: Path):
    run = await ProcessSandbox(within=within).run(
        "import os\nfor n in range(9): os.makedirs(f'.removed-{os.getppid()}-{n}/x')\n"
        "os.makedirs('a/b/c')\nopen('a/b/file', 'w').close()"
    )
    assert run.end is SandboxEnd.FINISHED, run


async def test_files_that_can_not_be_laid_out_leave_no_folder_behind(within: Path, monkeypatch: pytest.MonkeyPatch):
    process = ProcessSandbox(within=within)
    await process.check()
    # As on a disk that is full: what is wrong shows only when they are written.
    monkeypatch.setattr(sandbox, "checked_files", lambda *given: None)
    with pytest.raises(SandboxFailed, match="can't run here"):
        await process.run("1", files={"a": b"x", "a/b": b"y"})


async def test_a_folder_that_can_not_be_removed_leaves_the_answer_as_it_is(within: Path):
    process = ProcessSandbox(within=within)
    await process.check()
    code = "import os\nopen('began', 'w').close()\nwhile not os.path.exists('go'): pass\n6 * 7"
    run = asyncio.create_task(process.run(code, limits=LONG))
    await until(lambda: began(within), "the run")
    within.chmod(0o555)  # noqa: ASYNC240
    folder = next(within.iterdir())  # noqa: ASYNC240
    (folder / "go").touch()
    with capture_logs() as logs:
        assert (await run).result == "42"
    assert [(each["event"], each["within"]) for each in logs] == [("sandbox_folder_left_behind", str(within))]
    within.chmod(0o777)  # noqa: ASYNC240
    shutil.rmtree(folder)


async def test_a_worker_that_is_an_ordinary_user_holds_it_as_well():
    """Its own files are then the code's as well, but for Landlock and seccomp."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        pytest.skip("only root with util-linux can become another user here; else every other test is one")
    # Python may lie in root's own folder.
    kept = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    process = await asyncio.create_subprocess_exec(
        *(setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", *kept),
        *(sys.executable, "-B", "-m", "integration.sandbox.as_another_user"),
        cwd=TESTS,
        stdout=asyncio.subprocess.PIPE,
    )
    stdout, _ = await process.communicate()
    assert json.loads(stdout) == {"user": 65534, "escaped": [], "harm": [], "threads": "refused"}


async def test_all_of_the_standard_library_can_be_used(within: Path):
    run = await ProcessSandbox(within=within).run(
        "import asyncio, csv, decimal, json, os, shutil, sqlite3, tempfile, threading, zoneinfo\n"
        "asyncio.run(asyncio.sleep(0))\n"
        "open('a', 'w').write('1'); shutil.copy2('a', 'b'); os.replace('b', 'c')\n"
        "with tempfile.TemporaryDirectory() as folder: open(folder + '/x', 'w').close()\n"
        "thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()\n"
        "database = sqlite3.connect('data.db')\n"
        "database.execute('create table t as select 7 as n'); database.commit()\n"
        "[str(zoneinfo.ZoneInfo('UTC')), database.execute('select n from t').fetchone()[0], sorted(os.listdir('.'))]"
    )
    assert (run.end, run.stdout) == (SandboxEnd.FINISHED, "thread\n"), run.stderr
    assert run.result == "['UTC', 7, ['a', 'c', 'data.db']]"


async def test_deleted_files_may_be_mapped_as_long_as_they_can_be_measured(within: Path):
    run = await ProcessSandbox(within=within).run(
        "import mmap, os, tempfile, time\nfor n in range(4):\n    with tempfile.TemporaryFile() as file:\n"
        "        file.write(b'x' * 9999); file.flush()\n"
        "        with mmap.mmap(file.fileno(), 4096) as mapped: time.sleep(0.05)\n'done'"
    )
    assert run.result == "'done'", run


async def test_mappings_without_end_keep_nobody_busy(within: Path):
    run = await ProcessSandbox(within=within).run(
        "import mmap, time\nkept = [mmap.mmap(-1, 4096, prot=1 + n % 2 * 2) for n in range(50_000)]\ntime.sleep(60)"
    )
    assert run.end is SandboxEnd.REFUSED and "hid some" in run.stderr


async def test_what_it_pretends_to_be_ready_or_failed_is_believed_by_nobody(within: Path):
    process = ProcessSandbox(within=within)
    for said in (b"F it is broken", b"f=" + b"x" * 10**6, b"\xff", b""):
        run = await process.run(f"import os\nos.write(3, {said!r})\nos._exit(0)")
        assert run.end is not SandboxEnd.REFUSED and len(run.result or "") < 100_000
    assert (await process.run("import os\nos._exit(3)")).stderr == "it exited with code 3"
    assert "SIGSEGV" in (await process.run("import ctypes\nctypes.string_at(0)")).stderr


async def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(SandboxFailed, match=r"can't run here: .*No such file"):
        await ProcessSandbox(within=tmp_path / "missing").run("1")
    monkeypatch.setattr(sys, "_base_executable", "/nowhere/python", raising=False)
    with pytest.raises(SandboxFailed, match="can't start Python"):
        await ProcessSandbox().check()


def test_system_calls_have_the_numbers_of_this_kernels_headers():
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip(f"no {header} (Debian: linux-libc-dev)")
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}
    for table in (ALLOWED, BY_ARGUMENTS, WITHOUT_EFFECT, UNSUPPORTED, OUTDATED_KERNEL):
        for name, (number, _) in table.items():
            assert number is None or numbers.get(name, number) == number, name


@pytest.mark.parametrize(
    ("wall", "named"),
    [("allow_only(_rules(folder), version)", "files"), ("refuse_system_calls(machine)", "network, processes")],
)
async def test_a_wall_that_does_not_hold_is_found_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wall: str, named: str
):
    there = Path(confine.__file__).parent
    broken = tmp_path / "inside"
    shutil.copytree(there, broken, ignore=shutil.ignore_patterns("__pycache__"))
    code = (broken / "confine.py").read_text()
    assert wall in code
    (broken / "confine.py").write_text(code.replace(f"        {wall}", "        pass"))
    monkeypatch.setattr(sandbox, "CODE_PATH", str(tmp_path))
    with pytest.raises(SandboxFailed, match=f"does not hold on this machine: {named}$"):
        await ProcessSandbox().run("1")
