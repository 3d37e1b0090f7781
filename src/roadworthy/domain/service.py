"""An agent as its owner declares it: the agent itself, unmodified, and the rules that it runs under."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from roadworthy.domain.cache_policy import CachePolicy
from roadworthy.domain.effect import Done, NotDone, StartedCall
from roadworthy.domain.lane import NAME
from roadworthy.domain.limits import Limits
from roadworthy.domain.price import Price
from roadworthy.domain.route import RouteFunction, Router, Tier
from roadworthy.domain.task import lane_of

Effect = Literal["read", "idempotent", "once"]
Fallback = Literal["cached", "skip"] | Callable[..., Awaitable[Any]] | None
Approval = Literal["never", "always"] | Callable[..., bool | Awaitable[bool]]
Reconcile = Callable[[StartedCall], Awaitable[Done | NotDone | None]]


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """How the runtime may treat one tool.

    `effect`: `read` is run again after a crash, `idempotent` is run again with the same key, `once` never.
    `seconds` bounds one call. Raises ValueError for values that make no sense.
    """

    effect: Effect = "once"
    seconds: float = 30
    retries: int = 0
    fallback: Fallback = None
    """What answers when the tool fails, never in the place of a `once` call that was started: `"cached"` the last good
    result of the same arguments (of a `read`), `"skip"` a word to the model that it is not available, or a function of
    the tool's arguments."""
    approval: Approval = "never"
    """Whether a person must allow a call: a function of its arguments says so for each. Where that raises, one must."""
    reconcile: Reconcile | None = None
    """Asked whether a `once` call that was started and did not come back has happened. None: a person is."""
    sequential: bool = False
    """Whether its calls run alone, with no other call of the same task beside them."""
    concurrency: int | None = None
    """How many calls of it one worker makes at once, over all tasks; None: as many as come."""
    result_bytes: int = 100_000
    """What is longer is cut for the model, with a note; the journal keeps all of it."""
    repeatable: bool = False
    """Whether the model may have the same thing done again, with equal arguments, in a later step. Else it meets the
    first effect: the first result of a `once` tool, the same idempotency key of an `idempotent` one."""

    def __post_init__(self) -> None:
        if self.effect not in get_args(Effect):
            raise ValueError(f"tool effect must be one of {', '.join(get_args(Effect))}, not {self.effect!r}")
        if not 0 < self.seconds < 1e9:
            raise ValueError(f"tool seconds must be above zero, not {self.seconds!r}")
        if self.retries < 0:
            raise ValueError(f"tool retries must be zero or more, not {self.retries!r}")
        if self.effect == "once" and self.retries:
            raise ValueError('a tool with effect "once" is never retried: declare it "idempotent" or "read"')
        if not (self.fallback in ("cached", "skip", None) or callable(self.fallback)):
            raise ValueError(f'tool fallback must be "cached", "skip" or a function, not {self.fallback!r}')
        if self.fallback == "cached" and self.effect != "read":
            raise ValueError(
                'fallback "cached" is for tools with effect "read": else an older result would hide a failure'
            )
        if not (self.approval in ("never", "always") or callable(self.approval)):
            raise ValueError(f'tool approval must be "never", "always" or a function, not {self.approval!r}')
        if not (self.reconcile is None or callable(self.reconcile)):
            raise ValueError(f"tool reconcile must be a function, not {self.reconcile!r}")
        if self.reconcile is not None and self.effect != "once":
            raise ValueError('reconcile is for tools with effect "once": others are simply called again')
        if self.concurrency is not None and (type(self.concurrency) is not int or self.concurrency < 1):
            raise ValueError(f"tool concurrency must be a whole number above zero, not {self.concurrency!r}")
        if type(self.result_bytes) is not int or self.result_bytes < 1000:
            raise ValueError(f"tool result_bytes must be a whole number from 1000 on, not {self.result_bytes!r}")


@dataclass(frozen=True, slots=True)
class ModelTiers:
    """Models by how hard the request is; in each tier the first is used, the others are its fallbacks.

    A model is named with its provider, like `anthropic:claude-haiku-4-5`; without one it is another model of the
    agent's own provider. A tier without models uses those of the next one that has some: moderate, complex, simple.
    """

    simple: tuple[str, ...] = ()
    moderate: tuple[str, ...] = ()
    complex: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for tier in ("simple", "moderate", "complex"):
            names = getattr(self, tier)
            if isinstance(names, str):
                raise ValueError(f'models.{tier} must be a list of names, like ["{names}"]')
            if not all(isinstance(name, str) and name for name in names):
                raise ValueError(f"models.{tier} must be names of models, not {names!r}")
            object.__setattr__(self, tier, tuple(names))
        if not (self.simple or self.moderate or self.complex):
            raise ValueError("models needs at least one tier with at least one model")

    def chain(self, tier: Tier | None) -> tuple[str, ...]:
        """The models of a tier in the order in which they are asked; where it has none, those of the next one that has:
        moderate, complex, simple."""
        wanted: tuple[Tier, ...] = (
            ("moderate", "complex", "simple") if tier is None else (tier, "moderate", "complex", "simple")
        )
        return next(models for models in (getattr(self, one) for one in wanted) if models)

    @property
    def all(self) -> tuple[str, ...]:
        """The models of all tiers, each once."""
        return tuple(dict.fromkeys((*self.simple, *self.moderate, *self.complex)))


@dataclass(frozen=True, eq=False)
class AgentService:
    """One version of one agent, ready to be served.

    `agent` is a pydantic-ai Agent or a plain `async def reply(ctx, message)`; it is run as it is. Raises
    ValueError for a name with other characters than letters, digits, `-`, `_` and `.` and for values that make no
    sense, TypeError for limits or policies of another type.
    """

    agent: Any
    name: str = "agent"
    version: str = "1"
    limits: Limits = field(default_factory=Limits)
    models: ModelTiers | None = None
    tools: Mapping[str, ToolPolicy] = field(default_factory=dict[str, ToolPolicy])
    fallback_answer: str | None = None
    continues: Sequence[str] = ()
    """Older versions whose tasks this one takes over when no worker of theirs takes any. One that has begun is
    replayed with the new code; where that does something else than the journal says, the task waits."""
    priority: int = 0
    """Of its tasks, 0 to 9: a worker that serves several agents claims higher ones first."""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    """Of models that the price list does not know, or that you pay something else for, by their names."""
    router: Router | RouteFunction | None = None
    """Chooses a session's tier of `models`; None: by rules (length, code, form of the question, words)."""
    cache: CachePolicy | None = None
    """Which model replies may be used again; None: none."""
    simplify: Callable[[Sequence[Any]], Sequence[Any]] | None = None
    """Shortens the framework's messages for the last resort, when every model has failed with all of them; None: the
    instructions and the newest message of the user, and what tools have answered since."""

    check_result: Callable[[str, Any], Any] | None = None
    """Sees each tool's name and result before the model does, and returns what the model gets; where it raises, the
    model is told that the result was withheld. Plain or async."""

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_name("version", self.version)
        object.__setattr__(self, "continues", _older_versions(self.continues, self.version))
        if type(self.priority) is not int or not 0 <= self.priority <= 9:
            raise ValueError(f"priority must be a whole number from 0 to 9, not {self.priority!r}")
        if not isinstance(self.limits, Limits):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"limits must be a Limits(...), not {type(self.limits).__name__}")
        if not (self.router is None or callable(self.router) or hasattr(self.router, "route")):
            raise TypeError(f"router must be a function or have a method `route`, not {self.router!r}")
        if not (self.check_result is None or callable(self.check_result)):
            raise TypeError(f"check_result must be a function of tool and result, not {self.check_result!r}")
        if isinstance(self.router, type):
            raise TypeError(f"router must be made first: router={self.router.__name__}(…)")
        for tool, policy in self.tools.items():
            if not isinstance(policy, ToolPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"tools[{tool!r}] must be a ToolPolicy(...), not {type(policy).__name__}")
        object.__setattr__(self, "tools", MappingProxyType(dict(self.tools)))
        object.__setattr__(self, "prices", MappingProxyType(_checked_prices(self.prices)))

    @property
    def lane(self) -> str:
        return lane_of(self.name, self.version)

    @property
    def continued_lanes(self) -> tuple[str, ...]:
        """The lanes of the versions that it continues."""
        return tuple(lane_of(self.name, version) for version in self.continues)

    def policy(self, tool: str) -> ToolPolicy:
        """The tool's policy. A call of one that was not declared is never run again by itself; that the model may ask
        for it again is all that can be assumed."""
        return self.tools.get(tool, _DEFAULT_POLICY)


def check_name(label: str, value: object) -> None:
    """ValueError for what can't be an agent's name or version."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"service {label} {value!r}: use 1 to 64 letters, digits, '-', '_' or '.', nothing else")


def _checked_prices(given: object) -> dict[str, Price]:
    prices = cast(Mapping[object, object], given) if isinstance(given, Mapping) else None
    if prices is None:
        raise ValueError(f'prices must be like {{"model": Price(input="2.50", output="10")}}, not {given!r}')
    for model, price in prices.items():
        if not isinstance(model, str) or not model:
            raise ValueError(f"prices are given by the names of models, not by {model!r}")
        if not isinstance(price, Price):
            raise ValueError(f'prices[{model!r}] must be a Price(input="2.50", output="10"), not {price!r}')
    return cast(dict[str, Price], dict(prices))


def _older_versions(given: object, own: str) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValueError(f'continues must be a list of versions, like ["1"], not {given!r}')
    versions = cast(Sequence[str], given)
    for version in versions:
        check_name("continues", version)
        if version == own:
            raise ValueError(f"version {own!r} can't continue itself; name older versions in `continues`")
    return tuple(dict.fromkeys(versions))


_DEFAULT_POLICY = ToolPolicy(repeatable=True)
