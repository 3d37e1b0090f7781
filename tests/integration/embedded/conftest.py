import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from roadworthy.adapters.embedded import EmbeddedServers

from .processes import nothing_left, processes_of, wait_until


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder after its first start; tests borrow it, since making or copying one takes most of a test."""
    folder = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        async with EmbeddedServers(folder):
            pass

    asyncio.run(make())
    return folder


@pytest.fixture
def new_folder(tmp_path: Path) -> Iterator[Path]:
    """Where a data folder will be; afterwards nothing may be left running in it."""
    folder = tmp_path / "data"
    yield folder
    wait_until(lambda: nothing_left(folder), f"everything ended: {processes_of(folder)}")


@pytest.fixture
def folder(new_folder: Path, made_folder: Path) -> Iterator[Path]:
    """A data folder with databases, for tests that do not damage it."""
    made_folder.rename(new_folder)
    yield new_folder
    wait_until(lambda: nothing_left(new_folder), f"everything ended: {processes_of(new_folder)}")
    new_folder.rename(made_folder)


@pytest.fixture
def folder_to_damage(new_folder: Path, made_folder: Path) -> Path:
    """A data folder with databases of its own."""
    shutil.copytree(made_folder, new_folder, symlinks=True)
    return new_folder


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[EmbeddedServers]:
    async with EmbeddedServers(folder) as servers:
        yield servers


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="embedded-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    wait_until(lambda: nothing_left(folder / "data"), f"everything ended: {processes_of(folder)}")
    shutil.rmtree(folder)


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")


@pytest.fixture(scope="session")
def ordinary_python() -> str:
    """A Python of this version that an ordinary user may run: the one under test can live in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin")):
        try:
            if python and subprocess.run([python, "-c", ""], user=65534, group=65534, extra_groups=[]).returncode == 0:
                return python
        except PermissionError:
            continue
    pytest.skip(f"no {version} that an ordinary user may run")
