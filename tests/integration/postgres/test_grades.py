"""A grade may hold a user's words: none is left when the session is deleted, whoever comes first."""

import pytest

from roadworthy.domain.errors import NotFound
from roadworthy.domain.grade import NewGrade
from roadworthy.testing.conformance.scenario import ALICE, run_one, settle
from roadworthy.testing.conformance.stores import Stores

from .other_connection import OtherConnection

GOOD = NewGrade("user", "good", note="thank you")
LOCK = "select from sessions where id = $1 for update"
DELETE = """
    with deleted as (delete from tasks where session_id = $1), grades as (delete from grades where session_id = $1)
    delete from sessions where id = $1
"""


async def test_a_grade_that_comes_while_its_session_is_deleted_waits_and_finds_nothing(
    stores: Stores, other: OtherConnection
):
    task = (await settle(stores, await run_one(stores), output=b'"it"')).task
    async with other.holding(LOCK, task.session_id) as deletion:
        grading = await other.until_waiting(stores.grades.give(ALICE, task.id, GOOD))
        await deletion.execute(DELETE, task.session_id)
    with pytest.raises(NotFound):
        await grading
    assert await other.connection.fetchval("select count(*) from grades") == 0


async def test_a_grade_waits_for_no_attempt_of_its_session(stores: Stores, other: OtherConnection):
    task = (await settle(stores, await run_one(stores), output=b'"it"')).task
    async with other.holding("select from sessions where id = $1 for no key update", task.session_id):
        assert (await stores.grades.give(ALICE, task.id, GOOD)).mark == "good"
