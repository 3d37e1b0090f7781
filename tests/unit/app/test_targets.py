"""Which lanes a process serves."""

from pathlib import Path

import pytest

from roadworthy.app.targets import load_targets
from roadworthy.domain.errors import TargetNotLoadable

SERVICES = """
from roadworthy import AgentService

async def reply(message):
    return message

def service(version, *continues):
    return AgentService(reply, name="support", version=version, continues=continues)

"""


def lanes(folder: Path, *services: str) -> dict[str, str]:
    """Lane → version of the service that serves it."""
    file = folder / f"shop_{len(list(folder.iterdir()))}_{folder.name}.py".replace("[", "_").replace("]", "_")
    file.write_text(f"{SERVICES}services = [{', '.join(services)}]")
    return {lane: one.service.version for lane, one in load_targets([f"{file}:services"]).items()}


def test_a_service_serves_the_lanes_that_it_continues(tmp_path: Path):
    assert lanes(tmp_path, 'service("3", "1", "2")') == {"support@3": "3", "support@1": "3", "support@2": "3"}


def test_a_version_that_is_served_itself_is_continued_by_nobody(tmp_path: Path):
    assert lanes(tmp_path, 'service("2", "1")', 'service("1")') == {"support@2": "2", "support@1": "1"}


def test_two_can_not_continue_the_same(tmp_path: Path):
    with pytest.raises(TargetNotLoadable, match="two services say that they continue support@1"):
        lanes(tmp_path, 'service("2", "1")', 'service("3", "1")')
