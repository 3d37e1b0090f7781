"""`roadworthy cache …`: the options of its commands."""

from __future__ import annotations

from typing import Annotated

import typer

cache = typer.Typer(
    name="cache",
    help="Look after replies that are used again (`AgentService(cache=CachePolicy(...))`): "
    "`roadworthy cache clear` forgets those of an agent, a version, a tenant, or all.",
    no_args_is_help=True,
)

LOCAL = "http://127.0.0.1:8080"


@cache.callback()
def group() -> None:
    """So that `clear` stays a command of its own."""


@cache.command()
def clear(
    agent: Annotated[str | None, typer.Option(help="Only replies of this agent.")] = None,
    agent_version: Annotated[
        str | None, typer.Option("--agent-version", metavar="VERSION", help="Only of this version of the agent.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only what this tenant's users asked.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All replies of all agents and tenants.")] = False,
    note: Annotated[str | None, typer.Option(help="Why, in your words; kept with the action.")] = None,
    url: Annotated[str, typer.Option(help="Where the API is.")] = LOCAL,
    json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")] = False,
) -> None:
    """Forget kept replies that fit all that is given, at once and however many they are.

    Needed when what the agent knows has changed and its code has not: new prices, another handbook. A new version of
    an agent never gets replies of an older one.

    Of one agent: `roadworthy cache clear --agent support`

    What one customer asked it: `roadworthy cache clear --agent support --tenant acme`
    """
    from roadworthy.edges.cli.cache import clear_cache
    from roadworthy.edges.cli.operator_command import run

    chosen = {"agent": agent, "version": agent_version, "tenant": tenant, "note": note}
    order = {name: value for name, value in chosen.items() if value is not None} | ({"all": True} if everything else {})
    raise typer.Exit(run(url, lambda client: clear_cache(client, order, json), json))
