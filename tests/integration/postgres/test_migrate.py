"""A database is brought to this release once, by whoever comes first, and never by an older release."""

import asyncio

import asyncpg
import pytest

from roadworthy.adapters.postgres import check_schema, migrate, open_pool
from roadworthy.adapters.postgres import migrate as migrate_function
from roadworthy.adapters.postgres.migrate import known_migrations
from roadworthy.domain.errors import SettingsInvalid


async def test_it_runs_once(empty_url: str):
    assert await migrate(empty_url) == [f"{each.number:04} {each.phase}" for each in known_migrations()]
    assert await migrate(empty_url) == []
    assert await migrate(empty_url, finish=True) == []


async def test_several_at_once_do_it_once(empty_url: str):
    done = await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert sorted(len(names) for names in done) == [0, 0, 0, len(known_migrations())]


async def test_a_newer_schema_is_left_alone(empty_url: str):
    await migrate(empty_url)
    await execute(empty_url, "insert into schema_migrations (number, phase) values (9999, 'before')")
    with pytest.raises(SettingsInvalid, match="newer than this release"):
        await migrate(empty_url)


async def test_the_schema_is_checked_at_start(empty_url: str):
    pool = await open_pool(empty_url)
    with pytest.raises(SettingsInvalid, match="roadworthy migrate"):
        await check_schema(pool)
    await migrate_function(empty_url)
    await check_schema(pool)
    await execute(empty_url, "insert into schema_migrations (number, phase) values (9999, 'before')")
    await check_schema(pool)
    await execute(empty_url, "insert into schema_migrations (number, phase) values (9999, 'after')")
    with pytest.raises(SettingsInvalid, match="newer release"):
        await check_schema(pool)
    await pool.close()


def test_migrations_are_numbered_without_gaps_and_begin_before():
    numbers = [migration.number for migration in known_migrations() if migration.phase == "before"]
    assert numbers == list(range(1, len(numbers) + 1))


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()
