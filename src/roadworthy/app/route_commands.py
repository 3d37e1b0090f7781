"""`roadworthy route …`: the options of its commands. What they do is in `edges/cli/route.py`, imported when needed.

They are here and not beside it because a report needs a service's prices, and only this floor loads targets.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from roadworthy.core.model_gateway.routing.report import Cost

route = typer.Typer(
    name="route",
    help="Teach Roadworthy which requests are hard, and see what that saves.\n\n"
    "A service with ModelTiers answers easy requests with cheap models. Rules decide which ones are easy, until there "
    "are graded answers to learn from: `roadworthy route train --from tasks`. `roadworthy route report FILE` prints "
    "cost against quality for requests that you have labelled.",
    no_args_is_help=True,
)


class TierName(StrEnum):
    SIMPLE = "simple"
    MODERATE = "moderate"
    COMPLEX = "complex"


TASKS = "tasks"
LOCAL = "http://127.0.0.1:8080"
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON object.")]
Keep = Annotated[
    float,
    typer.Option(
        metavar="PERCENT", min=1, max=100, help="How much of the hardest tier's quality is kept at the least cost."
    ),
]


@route.command()
def train(
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="tasks|FILE", help="`tasks`: the graded answers of a server. A CSV file: below."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the router is written.")] = Path("router.json"),
    agent: Annotated[str | None, typer.Option(help="Only sessions of this agent (with `tasks`).")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what was graded since then: `7d` ago, or 2026-05-04T12:00:00Z."),
    ] = None,
    keep: Keep = 95,
    url: Annotated[str, typer.Option(help="Where the API is (with `tasks`).")] = LOCAL,
    json: AsJson = False,
) -> None:
    """Train a router from graded answers, or from a file of labelled requests.

    Use it with AgentService(…, router=TrainedRouter.load("router.json")).

    With too few examples, or only of one kind, it says so, writes nothing and ends with 2.

    \b
    Grades come from users     POST /v1/tasks/ID/feedback  {"grade": "bad"}
    and from operators         roadworthy route label ID
                                              --tier complex

    \b
    A file has a header and one request a line, labelled with the
    cheapest tier that is enough, or with how good the answers of
    two models were (true, false, or from 0 to 1):
           text,tier
           text,weak,strong
    """
    from roadworthy.edges.cli.operator_command import run
    from roadworthy.edges.cli.route import train_from_file, train_from_tasks

    if source == TASKS:
        wanted = keep / 100
        code = run(url, lambda client: train_from_tasks(client, agent, since, out, wanted, json), json)
    elif agent or since:
        raise typer.BadParameter("--agent and --since choose among tasks: they go with --from tasks")
    else:
        code = train_from_file(Path(source), out, keep / 100, json)
    raise typer.Exit(code)


@route.command()
def label(
    task: Annotated[str, typer.Argument(metavar="ID", help="A task, of whomever.")],
    tier: Annotated[TierName, typer.Option(help="The cheapest tier that would have been enough.")],
    note: Annotated[str | None, typer.Option(help="Why, in your words; kept with the action.")] = None,
    url: Annotated[str, typer.Option(help="Where the API is.")] = LOCAL,
    json: AsJson = False,
) -> None:
    """Say which tier a task needed; a later label takes the place of an earlier one.

    \b
    roadworthy route label 01a2056d-fd52-7ae5-8004-0a436e7155b2 \\
        --tier complex --note "contract law"
    """
    from roadworthy.edges.cli.operator_command import run
    from roadworthy.edges.cli.route import label_task

    raise typer.Exit(run(url, lambda client: label_task(client, task, tier.value, note, json), json))


@route.command()
def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Labelled requests, as `train` reads them.")],
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="TARGET", help="Whose models' prices hold: `shop.py:service`. Else no costs."),
    ] = None,
    output_tokens: Annotated[int, typer.Option(metavar="N", min=0, help="Length of an answer, for the costs.")] = 300,
    router: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge this trained router, too.")] = None,
    keep: Keep = 95,
    json: AsJson = False,
) -> None:
    """Print cost against quality: of the rules, of a router trained on the file, and of one tier for everything.

    The trained one is cross-validated: each request is judged by a router that has not seen it.
    """
    from roadworthy.edges.cli.route import show_report

    cost = None if target is None else _cost(target, output_tokens)
    raise typer.Exit(show_report(file, keep / 100, cost, router, json))


def _cost(target: str, output_tokens: int) -> Cost:
    """What a request costs with the first model of a tier. TargetNotLoadable without exactly one service with tiers,
    or without prices for its models."""
    from roadworthy.app.prepare import prepared
    from roadworthy.app.price_file import price_book
    from roadworthy.app.targets import services_of
    from roadworthy.core.model_gateway.token_estimate import estimated_tokens
    from roadworthy.domain.errors import TargetNotLoadable
    from roadworthy.domain.route import Tier

    book = price_book(prepared(None).prices)
    with_tiers = [service for service in services_of(target) if service.models is not None]
    if len(with_tiers) != 1:
        raise TargetNotLoadable(f"{target} has {len(with_tiers)} services with `models`; name exactly one")
    service = with_tiers[0]
    prices, tiers = book.of(service), service.models
    assert tiers is not None  # noqa: S101
    if unknown := [model for model in tiers.all if not prices.is_known(model)]:
        raise TargetNotLoadable(
            f"nobody has a price for {', '.join(unknown)}: declare it with AgentService(prices=…), or in a price file"
        )

    def cost(tier: Tier, text: str) -> int:
        usage = {"input_tokens": estimated_tokens(len(text.encode())), "output_tokens": output_tokens}
        return prices.cost(tiers.chain(tier)[0], usage)

    return cost
