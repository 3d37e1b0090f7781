"""`roadworthy queue …`: the options of its commands. What they do is in `queue.py`, imported when it is needed."""

from __future__ import annotations

from typing import Annotated

import typer

queue = typer.Typer(
    name="queue",
    help="Show what waits and runs in each lane (one version of one agent) and how many workers serve it; "
    "`roadworthy queue move` gives the tasks of a lane to another version.",
    invoke_without_command=True,
)

Url = Annotated[str, typer.Option(help="Where the API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]
LOCAL = "http://127.0.0.1:8080"


@queue.callback()
def show(context: typer.Context, url: Url = LOCAL, json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        from roadworthy.edges.cli.queue import show_queue

        raise typer.Exit(show_queue(url, json))


@queue.command()
def move(
    lane: Annotated[str, typer.Argument(metavar="LANE", help="Whose tasks, like support@1.")],
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="The version that they go to, of the same agent.")],
    parked: Annotated[
        bool,
        typer.Option(
            "--parked",
            help="Instead those that wait because the code did not match their journal; they are queued there.",
        ),
    ] = False,
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """Give the queued and blocked tasks of a lane to another version of its agent.

    One that has begun is replayed with that version's code; where the code does something else than the journal says,
    the task waits and can be moved back with --parked. The command may be repeated.

    When version 2 has replaced version 1: `roadworthy queue move support@1 --to 2`
    """
    from roadworthy.edges.cli.queue import move_tasks

    raise typer.Exit(move_tasks(url, lane, to, parked, json))
