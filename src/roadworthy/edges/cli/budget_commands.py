"""`roadworthy budget …`: the options of its commands. What they do is in `budget.py`, imported when it is needed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

budget = typer.Typer(
    name="budget",
    help="Show how full each budget is: what each user may spend in a day, each tenant and everybody in a month, in "
    "UTC. Of a budget that is used up, new tasks are refused with 402 until its window ends.\n\n"
    "`roadworthy budget charges` lists the calls that were paid, `correct` puts one right that nobody is certain of.",
    invoke_without_command=True,
)


class State(StrEnum):
    OPEN = "open"
    SETTLED = "settled"
    UNCERTAIN = "uncertain"


Url = Annotated[str, typer.Option(help="Where the API is.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]
Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=200)]
LOCAL = "http://127.0.0.1:8080"


def given(url: str) -> str | None:
    """What the commands that are printed have to repeat."""
    return None if url == LOCAL else url


@budget.callback()
def show(context: typer.Context, limit: Limit = 20, url: Url = LOCAL, json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        from roadworthy.edges.cli.budget import show_standings
        from roadworthy.edges.cli.operator_command import run

        raise typer.Exit(run(url, lambda client: show_standings(client, limit, json, given(url)), json))


@budget.command()
def charges(
    state: Annotated[
        State | None, typer.Option(help="`open`: under way. `uncertain`: nobody knows whether it is billed.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this task.")] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, typer.Option(help="The next page, as the page before says.")] = None,
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """List calls of providers and what they cost, newest first.

    A call whose worker was lost is uncertain: it counts as spent at its estimate until somebody corrects it.
    """
    from roadworthy.edges.cli.budget import show_charges
    from roadworthy.edges.cli.operator_command import run

    wanted = None if state is None else state.value
    raise typer.Exit(run(url, lambda client: show_charges(client, wanted, task, limit, cursor, json, given(url)), json))


@budget.command()
def correct(
    charge: Annotated[str, typer.Argument(metavar="CHARGE", help="The id of an uncertain one.")],
    cost: Annotated[
        str, typer.Option(metavar="USD", help="What the provider's bill says, like 0.0123; 0 for nothing.")
    ],
    note: Annotated[str | None, typer.Option(help="Why, in your words; kept with the action.")] = None,
    url: Url = LOCAL,
    json: AsJson = False,
) -> None:
    """Give an uncertain charge its real cost; what it counted for too much may be spent again.

    Who did it is kept: `GET /v1/operator/actions`.

    \b
    roadworthy budget correct 01a2056d-fd52-7ae5-8004-0a436e7155b2 \\
        --cost 0 --note "not on the invoice of November"
    """
    from roadworthy.edges.cli.budget import correct_charge
    from roadworthy.edges.cli.operator_command import run

    raise typer.Exit(run(url, lambda client: correct_charge(client, charge, cost, note, json), json))


@budget.command()
def alerts(limit: Limit = 50, url: Url = LOCAL, json: AsJson = False) -> None:
    """List when half of a budget was spent, four fifths, and all of it, newest first."""
    from roadworthy.edges.cli.budget import show_alerts
    from roadworthy.edges.cli.operator_command import run

    raise typer.Exit(run(url, lambda client: show_alerts(client, limit, json), json))
