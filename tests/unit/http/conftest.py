import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "insight"))
sys.path.insert(0, str(Path(__file__).parent))

from api_in_memory import Api


@pytest.fixture
async def api():
    api = Api()
    yield api
    await api.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left
    assert api.world.followers.open_readers == 0
    assert not api.world.broker.subscribers
