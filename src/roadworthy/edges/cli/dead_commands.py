"""`roadworthy dead …`: the options of its commands. What they do is in `dead.py`, imported when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

dead = typer.Typer(
    name="dead",
    help="Look after dead tasks: list them, see why they died, resume or discard them.\n\n"
    "A task is dead when every retry failed or its agent raised an error. Its journal is kept, so it can go on from "
    "the failed step. Begin with `roadworthy dead list`, then `roadworthy dead show ID`.",
    no_args_is_help=True,
)

Url = Annotated[str, typer.Option(help="Where the API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Tasks; without one, all that match.")]
Agent = Annotated[str | None, typer.Option(help="Only tasks of this agent.")]
OfVersion = Annotated[str | None, typer.Option("--of-version", help="Only tasks of this version.")]
Code = Annotated[str | None, typer.Option(help="Only those that died of this error, like `authentication_failed`.")]
Tenant = Annotated[str | None, typer.Option(help="Only tasks of this tenant.")]
User = Annotated[str | None, typer.Option(help="Only tasks of this user.")]
_MOMENT = "`90s`, `30m`, `2h` or `7d` ago, or a moment like 2026-05-04T12:00:00Z."
Since = Annotated[str | None, typer.Option(help=f"Only those that died since then: {_MOMENT}", metavar="WHEN")]
Until = Annotated[str | None, typer.Option(help=f"Only those that died before: {_MOMENT}", metavar="WHEN")]
All = Annotated[bool, typer.Option("--all", help="Every dead task: needed where nothing else says which.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; say how many would be meant, and which.")]
Note = Annotated[str | None, typer.Option(help="Why, in your words; kept with the action.")]
LOCAL = "http://127.0.0.1:8080"


def given(url: str) -> str | None:
    """What the commands that are printed have to repeat."""
    return None if url == LOCAL else url


@dead.command("list")
def list_(
    agent: Agent = None,
    of_version: OfVersion = None,
    code: Code = None,
    tenant: Tenant = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many on a page.", min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="The next page, as the page before says.")] = None,
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """List dead tasks, newest first, and count what they died of."""
    from roadworthy.edges.cli.dead import Chosen, run, show_list

    chosen = Chosen(agent, of_version, code, tenant, user, since, until)
    raise typer.Exit(run(url, lambda client: show_list(client, chosen, limit, cursor, json, given(url)), json))


@dead.command()
def show(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="A task that is dead or was.")],
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """Show all that led to a task's death: what was said, every step, what its tools did, and what to do next."""
    from roadworthy.edges.cli.dead import run, show_one

    raise typer.Exit(run(url, lambda client: show_one(client, task_id, json, given(url)), json))


@dead.command()
def resume(
    ids: Ids = None,
    input: Annotated[str | None, typer.Option(help="Another message instead of the one that was sent.")] = None,
    input_file: Annotated[
        Path | None, typer.Option(help="The same, from a file; - for standard input.", allow_dash=True)
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Another limit, like `cost_usd=1` or `steps=40`, also above the service's; several may be given.",
        ),
    ] = None,
    version: Annotated[str | None, typer.Option(help="Go on with this version of the agent.")] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Run everything again instead of going on from the failed step.")
    ] = False,
    repeat_effects: Annotated[
        bool,
        typer.Option("--repeat-effects", help="With --from-start: what tools have done may be done once more."),
    ] = False,
    note: Note = None,
    agent: Agent = None,
    of_version: OfVersion = None,
    code: Code = None,
    tenant: Tenant = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    dry_run: DryRun = False,
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """Let dead tasks go on, from the failed step: no finished call is made again.

    A task behind others of its session waits for them. Many are taken oldest first, each for itself. The command may
    be repeated: what was resumed is dead no longer.

    Once the cause is mended: `roadworthy dead resume ID`

    With more money: `roadworthy dead resume ID --limit cost_usd=1`

    On code that was mended: `roadworthy dead resume ID --version 2`

    All of two hours: `roadworthy dead resume --code authentication_failed --since 2h`
    """
    from roadworthy.edges.cli.dead import Chosen, Ordered, resume_many, resume_these, run

    chosen = Chosen(agent, of_version, code, tenant, user, since, until, everything)
    order = Ordered(input, input_file, limit or [], version, from_start, repeat_effects, note)
    if ids:
        raise typer.Exit(run(url, lambda client: resume_these(client, ids, chosen, order, dry_run, json), json))
    raise typer.Exit(run(url, lambda client: resume_many(client, chosen, order, dry_run, json), json))


@dead.command()
def discard(
    ids: Ids = None,
    note: Note = None,
    agent: Agent = None,
    of_version: OfVersion = None,
    code: Code = None,
    tenant: Tenant = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    dry_run: DryRun = False,
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """Give dead tasks up, for good: they can't be resumed any more. What they did stays readable."""
    from roadworthy.edges.cli.dead import Chosen, discard_many, discard_these, run

    chosen = Chosen(agent, of_version, code, tenant, user, since, until, everything)
    if ids:
        raise typer.Exit(run(url, lambda client: discard_these(client, ids, chosen, note, dry_run, json), json))
    raise typer.Exit(run(url, lambda client: discard_many(client, chosen, note, dry_run, json), json))
