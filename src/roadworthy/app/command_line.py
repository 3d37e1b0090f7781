"""`roadworthy`: every command, with nothing heavy imported before it is known which one."""

from __future__ import annotations

from typing import Annotated

import typer

from roadworthy.app.route_commands import route
from roadworthy.domain.errors import RoadworthyError
from roadworthy.edges.cli.budget_commands import budget
from roadworthy.edges.cli.cache_commands import cache
from roadworthy.edges.cli.dead_commands import dead
from roadworthy.edges.cli.decide_commands import decide
from roadworthy.edges.cli.queue_commands import queue

DONE, FAILED, UNDECIDED = 0, 1, 2

cli = typer.Typer(
    name="roadworthy",
    help="Runs the LLM agent you already have for thousands of users.\n\n"
    "Start with `roadworthy serve shop.py:service`, then talk to it with `roadworthy chat`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Targets = Annotated[
    list[str],
    typer.Argument(
        metavar="TARGET...",
        help="What to serve: `module:attribute` or `path/to/file.py:attribute`; a service, an agent, an async "
        "function, or a list of them.",
    ),
]
Host = Annotated[str, typer.Option(help="Address to listen on; with AUTH=dev a loopback address.")]
Port = Annotated[int, typer.Option(help="Port of the API; 0 chooses a free one.", min=0, max=65535)]
HealthPort = Annotated[int, typer.Option(help="Port of /health, /ready and /metrics; 0 for none.", min=0, max=65535)]


@cli.command()
def serve(targets: Targets, host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Run everything in one process: API, worker and upkeep.

    Starts its own PostgreSQL and Valkey in ROADWORTHY_DATA_DIR (`.roadworthy`) unless ROADWORTHY_DATABASE_URL and
    ROADWORTHY_REDIS_URL name others.
    """
    from roadworthy.app.processes import run_serve

    run_serve(targets, host, port)


@cli.command()
def api(targets: Targets, host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Run an API server: takes tasks and streams their events. Several may run over the same stores."""
    from roadworthy.app.processes import run_api

    run_api(targets, host, port)


@cli.command()
def worker(
    targets: Targets,
    minimum: Annotated[
        int | None,
        typer.Option("--min", help="Never fewer worker processes; 0 for none while there is nothing to do.", min=0),
    ] = None,
    maximum: Annotated[int | None, typer.Option("--max", help="Never more worker processes.", min=1)] = None,
    health_port: HealthPort = 8081,
) -> None:
    """Run a worker: claims tasks and runs them, up to ROADWORTHY_WORKER_CONCURRENCY at once.

    With --min or --max a supervisor: it starts more worker processes while tasks wait, drains those that have nothing
    to do, and replaces those that end or stand still. A bound that is not given is ROADWORTHY_MIN_WORKERS or
    ROADWORTHY_MAX_WORKERS.

    SIGTERM drains: what runs is handed over at its next journal boundary.
    """
    if minimum is None and maximum is None:
        from roadworthy.app.worker import run_worker

        run_worker(targets, health_port)
    else:
        from roadworthy.app.supervise import run_supervisor

        run_supervisor(targets, minimum, maximum, health_port)


@cli.command()
def upkeep(targets: Annotated[list[str] | None, typer.Argument(metavar="[TARGET...]")] = None) -> None:
    """Run the duties: rescue tasks of dead workers, release retries, expire, refill. Several may run at once.

    Duties are the same for every agent: targets may be named as for the other commands, and are not loaded.
    """
    from roadworthy.app.processes import run_upkeep

    run_upkeep()


@cli.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on; others than loopback need a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 chooses a free one.", min=0, max=65535)] = 8082,
    places: Annotated[int | None, typer.Option(help="Runs at once; twice the processors if not given.", min=1)] = None,
) -> None:
    """Run a sandbox service: runs code of models for workers that have no sandbox of their own.

    ROADWORTHY_SANDBOX says in which sandbox, ROADWORTHY_SANDBOX_KEY what workers show. Workers reach it with
    ROADWORTHY_SANDBOX=http://HOST:PORT and the same key.
    """
    from roadworthy.app.sandbox import run_sandbox_service

    run_sandbox_service(host, port, places)


@cli.command()
def migrate() -> None:
    """Bring the database of ROADWORTHY_DATABASE_URL to this release."""
    from roadworthy.app.processes import run_migrate

    run_migrate()


@cli.command()
def chat(
    agent: Annotated[str | None, typer.Option(help="Which agent; not needed where there is only one.")] = None,
    url: Annotated[str, typer.Option(help="Where the API is.")] = "http://127.0.0.1:8080",
) -> None:
    """Talk to a running server, streaming. Ctrl-C cancels an answer, Ctrl-D ends."""
    from roadworthy.edges.cli.chat import run_chat

    raise typer.Exit(run_chat(url, agent))


cli.command("decide")(decide)
cli.add_typer(dead)
cli.add_typer(queue)
cli.add_typer(route)
cli.add_typer(cache)
cli.add_typer(budget)


@cli.command("simulate-provider")
def simulate_provider(
    port: Annotated[int, typer.Option(metavar="N", help="To listen on; 0 chooses a free one.", min=0, max=65535)] = 0,
    latency: Annotated[str, typer.Option(metavar="TIME", help="Before the first token; see above.")] = "0ms",
    tokens_per_second: Annotated[
        float, typer.Option(metavar="N", help="Speed of a stream; 0 sends all at once.", min=0)
    ] = 0,
    tokens: Annotated[int, typer.Option(metavar="N", help="Length of an answer.", min=1)] = 20,
    fail: Annotated[
        list[str] | None, typer.Option(metavar="FAULT", help="See above; may be given several times.")
    ] = None,
    script: Annotated[str | None, typer.Option(metavar="FILE", help="What the model says, in JSON; see above.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same answers and faults.")] = 0,
) -> None:
    """Run a provider that speaks the OpenAI and Anthropic wire on loopback, as slow and faulty as you like.

    \b
    TIME   200ms, 1.5s, or drawn anew for each answer:
           lognormal:median=400ms,sigma=0.6

    \b
    FAULT  KIND\\[:PROBABILITY]\\[@REQUEST]\\[/MODEL], like 429:0.1 or cut@2
           KIND: a status from 400 to 599, overloaded, refused, hang,
           cut, malformed, error-event

    \b
    FILE   a list of replies: the first is the answer to a message,
           the next the one after its tool calls came back, and so on
    \b
           ["Hello!"]
    \b
           [{"tools": [{"name": "find_order",
                        "arguments": {"order_id": "DC-2207"}}]},
            "It is on its way."]
    \b
           by what the message says:
           {"rules": [{"contains": "refund", "replies": \\["Done."]},
                      {"replies": \\["Hello!"]}]}
    \b
           Everything that a script can say:
           python -m roadworthy.testing.simulated_provider --help
    """
    from roadworthy.testing.simulated_provider.__main__ import main as simulate

    arguments = ["--port", str(port), "--latency", latency, "--tokens-per-second", str(tokens_per_second)]
    arguments += ["--tokens", str(tokens), "--seed", str(seed)]
    for one in fail or ():
        arguments += ["--fail", one]
    if script:
        arguments += ["--script", script]
    raise typer.Exit(simulate(arguments))


@cli.command()
def version() -> None:
    """Print this release's number."""
    from roadworthy import __version__

    typer.echo(__version__)


def main() -> None:
    """Exit codes: 0 done, 1 the command failed, 2 it could not be decided or the usage was wrong."""
    from roadworthy.domain.errors import SettingsInvalid, TargetNotLoadable

    try:
        cli()
    except (SettingsInvalid, TargetNotLoadable) as error:
        typer.echo(f"roadworthy: {error.message}", err=True)
        raise SystemExit(UNDECIDED) from None
    except RoadworthyError as error:
        typer.echo(f"roadworthy: {error.message}", err=True)
        raise SystemExit(FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
