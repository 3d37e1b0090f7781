"""Brings a database to this release.

A schema change is a pair: `NNNN_name.before.sql` runs before processes of the new release start and leaves room for
the old ones; `NNNN_name.after.sql`, where there is one, runs when none of the old ones is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, Literal

from roadworthy.adapters.postgres.failures import translated
from roadworthy.adapters.postgres.pool import Pool, Transaction, open_pool
from roadworthy.domain.errors import SettingsInvalid

_LOCK: Final = 0x526F6164
"""Of a transaction, not of a session: poolers are allowed. ASCII "Road"."""

_BOOK: Final = """
create table if not exists schema_migrations (
    number integer not null,
    phase text not null check (phase in ('before', 'after')),
    applied_at timestamptz not null default now(),
    primary key (number, phase)
)"""


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    number: int
    phase: Literal["before", "after"]
    script: str


async def migrate(dsn: str, *, finish: bool = False, seconds: float = 300) -> Sequence[str]:
    """Run what has not run yet, all of it or nothing; returns the names, empty if there was nothing to do.

    `finish` also runs what must wait until no process of an older release runs. Safe to start several times at once.
    Raises SettingsInvalid for a server older than 15 or a schema newer than this release, StoreUnavailable.
    """
    pool = await open_pool(dsn, 1, seconds=seconds, application_name="roadworthy migrate")
    try:
        return await _migrate(pool, known_migrations(), finish)
    finally:
        await pool.close()


@translated
async def check_schema(pool: Pool) -> None:
    """SettingsInvalid unless the database has what this release needs and still has it."""
    known = known_migrations()
    newest = known[-1].number
    (there,) = await pool.fetch("select to_regclass('schema_migrations') is not null")
    applied = set(await _applied(pool)) if there[0] else set[tuple[int, str]]()
    if (newest, "before") not in applied:
        raise SettingsInvalid("The database has not been brought to this release; run `roadworthy migrate`.")
    if any(number > newest and phase == "after" for number, phase in applied):
        raise SettingsInvalid("The database has been brought to a newer release for good; upgrade this process.")


def known_migrations() -> Sequence[Migration]:
    """In the order in which they run."""
    found: list[Migration] = []
    for file in (files("roadworthy.adapters.postgres") / "migrations").iterdir():
        name, _, phase = file.name.removesuffix(".sql").rpartition(".")
        if phase == "before" or phase == "after":
            found.append(Migration(int(name.split("_")[0]), phase, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: (migration.number, migration.phase == "after"))


@translated
async def _migrate(pool: Pool, known: Sequence[Migration], finish: bool) -> Sequence[str]:
    async with pool.transaction() as transaction:
        await transaction.execute("set local lock_timeout = '60s'; set local statement_timeout = 0")
        await transaction.fetch("select pg_advisory_xact_lock($1)", _LOCK)
        await transaction.execute(_BOOK)
        applied = set(await _applied(transaction))
        newest = max((number for number, _ in applied), default=0)
        if newest > known[-1].number:
            raise SettingsInvalid(
                f"The database's schema ({newest}) is newer than this release ({known[-1].number}); "
                "upgrade this process, or set ROADWORTHY_DATABASE_URL to another database."
            )
        pending = [
            migration
            for migration in known
            if (migration.number, migration.phase) not in applied and (finish or migration.phase == "before")
        ]
        for migration in pending:
            await transaction.execute(migration.script)
            await transaction.fetch(
                "insert into schema_migrations (number, phase) values ($1, $2)", migration.number, migration.phase
            )
    return [f"{migration.number:04} {migration.phase}" for migration in pending]


async def _applied(connection: Pool | Transaction) -> list[tuple[int, str]]:
    return [(row[0], row[1]) for row in await connection.fetch("select number, phase from schema_migrations")]
