"""`roadworthy decide`: its options. What it does is in `decide.py`, imported when it is needed."""

from __future__ import annotations

from typing import Annotated

import typer

LOCAL = "http://127.0.0.1:8080"


def given(url: str) -> str | None:
    """What the commands that are printed have to repeat."""
    return None if url == LOCAL else url


def decide(
    task: Annotated[str | None, typer.Argument(metavar="TASK", help="Whose calls; without it, all that wait.")] = None,
    call: Annotated[
        str | None, typer.Argument(metavar="CALL", help="Which call; not needed where only one waits.")
    ] = None,
    decision: Annotated[
        str | None, typer.Argument(metavar="DECISION", help="`approve`, `deny`, `done` or `not_done`.")
    ] = None,
    value: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help="With approve: the arguments to call it with instead, all of them. With done: what it returned.",
        ),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="Why, in your words: kept with the decision; the model reads that of a denial.")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only what waits in your own tasks.")] = False,
    limit: Annotated[int, typer.Option(help="How many tasks on a page.", min=1, max=200)] = 50,
    cursor: Annotated[str | None, typer.Option(help="The next page, as the page before says.")] = None,
    url: Annotated[str, typer.Option(help="Where the API is.")] = LOCAL,
    json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """Decide about tool calls that wait for a person: list them, look at one task's, then say what shall be.

    Without arguments it lists what waits, with all that is needed to decide and the commands to copy.

    \b
    A tool whose policy wants an approval asks: may it be called?
        approve    call it; --value takes the place of all its arguments
        deny       don't; the model is told so, with the note
    A call of a `once` tool that did not come back asks: did it happen?
        done       it did, and --value is what it returned
        not_done   it did not, and it won't; the model may ask again
    A tool that somebody else answers for asks for an input: done,
    with the answer as --value, or not_done
    Look at the service itself before you say whether it happened:
    whoever says not_done of a refund that was paid pays it twice.

    \b
    roadworthy decide
    roadworthy decide TASK
    roadworthy decide TASK approve
    roadworthy decide TASK t2:call_a approve --value '{"order_id": "DC-2207", "cents": 900}'
    roadworthy decide TASK t2:call_a deny --note 'we refund after 30 days'
    roadworthy decide TASK t3:call_b done --value '"paid, receipt 4711"'

    There is one decision for each call; the same one may be sent again. The task goes on within a moment.

    Exit codes: 0 done, 1 refused, 2 it can't be meant like that.
    """
    from roadworthy.edges.cli.decide import Asked, Page, carried_out

    asked = Asked(task, call, decision, value, note)
    raise typer.Exit(carried_out(url, asked, Page(mine, limit, cursor), json))
