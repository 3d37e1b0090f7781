import stat
from pathlib import Path

import pytest

from roadworthy.adapters.embedded import EmbeddedServers
from roadworthy.domain.errors import EmbeddedServerFailed

from .processes import Owner

NOBODY = 65534


def permissions(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


async def test_folder_and_sockets_are_private_and_parents_unchanged(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o750)
    before = [permissions(path) for path in (parent, *parent.parents)]
    folder = parent / "made" / "data"
    async with EmbeddedServers(folder, postgres=False):
        assert permissions(folder)[0] == 0o700
        assert permissions(folder / "sockets")[0] == 0o700
        assert permissions(folder / "sockets" / "valkey.sock")[0] == 0o700
        assert permissions(folder / "valkey.log")[0] == 0o600
        assert (folder / ".gitignore").read_text() == "*\n"
    assert [permissions(path) for path in (parent, *parent.parents)] == before


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def wide_folder(new_folder: Path) -> Path:
    new_folder.mkdir(mode=0o755)
    return new_folder


async def test_empty_folder_is_made_private(wide_folder: Path) -> None:
    async with EmbeddedServers(wide_folder, postgres=False):
        assert permissions(wide_folder)[0] == 0o700


async def test_open_folder_with_other_files_is_refused_and_stays_as_it_is(wide_folder: Path) -> None:
    (wide_folder / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedServerFailed, match="holds other files"):
        await EmbeddedServers(wide_folder).start()
    assert permissions(wide_folder)[0] == 0o755
    assert names_in(wide_folder) == {"letter.txt"}


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(EmbeddedServerFailed, match="can't be used"):
        await EmbeddedServers(tmp_path / "data").start()


@pytest.mark.usefixtures("as_root")
def test_folder_that_may_not_be_written(open_folder: Path, ordinary_python: str) -> None:
    with Owner(open_folder / "data", python=ordinary_python, user=NOBODY, group=NOBODY, extra_groups=[]) as owner:
        assert owner.said["error"] == "EmbeddedServerFailed"
        assert "Permission denied" in owner.said["message"]
        assert "ROADWORTHY_DATA_DIR" in owner.said["message"]


@pytest.mark.usefixtures("as_root")
def test_folder_of_somebody_else(open_folder: Path, ordinary_python: str) -> None:
    (open_folder / "data").mkdir(mode=0o777)
    with Owner(open_folder / "data", python=ordinary_python, user=NOBODY, group=NOBODY, extra_groups=[]) as owner:
        assert "belongs to another user (0)" in owner.said["message"]
