from roadworthy.adapters.memory.database import MemoryDatabase
from roadworthy.adapters.memory.task_store import MemoryTaskStore
from roadworthy.adapters.memory.task_upkeep import MemoryTaskUpkeep
from roadworthy.domain.ids import new_id
from roadworthy.domain.limits import Limits
from roadworthy.domain.principal import DEVELOPER
from roadworthy.domain.task import NewTask, TaskStatus
from roadworthy.testing.manual_clock import ManualClock


async def test_blocked_tasks_that_a_crash_left_in_a_free_session_go_on():
    database = MemoryDatabase(ManualClock())
    tasks, session_id = MemoryTaskStore(database), new_id()
    first, second = (
        NewTask(new_id(), DEVELOPER, session_id, opens_session=True, agent="a", version="1", input="", limits=Limits())
        for _ in range(2)
    )
    await tasks.submit([first, second])
    database.change(database.tasks[first.id], TaskStatus.CANCELLED)

    upkeep = MemoryTaskUpkeep(database)
    (released,) = await upkeep.release_blocked_tasks(10)
    assert (released.id, released.status) == (second.id, TaskStatus.QUEUED)
    assert await upkeep.release_blocked_tasks(10) == []
