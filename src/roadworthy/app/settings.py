"""Settings, read once: from the environment (prefix `ROADWORTHY_`), then from `roadworthy.toml`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from roadworthy.app.budget_setting import budget_setting
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import SettingsInvalid
from roadworthy.domain.money import MicroDollars, micro_dollars

EMBEDDED = "embedded"
THROUGH_REDIS = "redis"
SANDBOXES_HERE = ("auto", "process", "interpreter")

BudgetInDollars = Annotated[Decimal | None, BeforeValidator(budget_setting)]


class Settings(BaseSettings):
    """Everything that can be set from outside. Unknown names are refused."""

    model_config = SettingsConfigDict(env_prefix="ROADWORTHY_", toml_file="roadworthy.toml", extra="forbid")

    data_dir: Path = Path(".roadworthy")
    """Where the embedded servers keep their data."""
    database_url: str = EMBEDDED
    redis_url: str = EMBEDDED
    queue_url: str = THROUGH_REDIS
    """Where tickets go: with everything else through Redis, or to `sqs://REGION/QUEUE_PREFIX`."""
    database_connections: Annotated[int, Field(ge=2, le=500)] = 8
    """Of each process."""
    worker_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 50
    min_workers: Annotated[int, Field(ge=0, le=1000)] = 2
    """Of one supervisor: `roadworthy worker` with --min or --max."""
    max_workers: Annotated[int, Field(ge=1, le=1000)] = 50
    scale_up_threshold: Annotated[float, Field(gt=0, le=10_000)] = 10
    scale_down_threshold: Annotated[float, Field(gt=0, le=10_000)] = 2
    scale_down_seconds: Annotated[float, Field(ge=0.5, le=86_400)] = 30
    lease_seconds: Annotated[float, Field(ge=0.5, le=3600)] = 30
    drain_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60
    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    circuit_breaker_threshold: Annotated[int, Field(ge=1, le=1000)] = 5
    """Failures in a row after which a model comes last in its chain, for all workers."""
    circuit_breaker_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    response_cache_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 3600
    """How long a model's reply is kept for requests to come, where a service's cache policy does not say."""
    embedding_cache_seconds: Annotated[float, Field(gt=0, le=31_536_000)] = 86_400
    prices: Path | None = None
    """A TOML file with prices of models, which win over the list that comes with this release (`app/price_file.py`)."""
    budget_per_user_day_usd: BudgetInDollars = None
    """What each user may spend in a day, in UTC."""
    budget_per_tenant_month_usd: BudgetInDollars = None
    budget_global_month_usd: BudgetInDollars = None
    sandbox: str = "auto"
    """Where code of a model runs: `process`, `interpreter`, the address of a sandbox service; with `auto` the first of
    these two that works here (`app/sandbox.py`)."""
    sandbox_key: Annotated[str | None, Field(min_length=16, repr=False)] = None
    """What workers and a sandbox service know each other by."""
    auth: Literal["dev", "jwt"] = "dev"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] | None = None

    @property
    def budget_limits(self) -> BudgetLimits:
        return BudgetLimits(
            user_day=_micro_dollars(self.budget_per_user_day_usd),
            tenant_month=_micro_dollars(self.budget_per_tenant_month_usd),
            global_month=_micro_dollars(self.budget_global_month_usd),
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings() -> Settings:
    """SettingsInvalid, naming each setting that can't be used and why."""
    _check_names(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        problems = [f"  {_problem(problem['loc'], problem['type'], problem['msg'])}" for problem in error.errors()]
        raise SettingsInvalid("settings that can't be used:\n" + "\n".join(problems)) from None
    except ValueError as error:
        raise SettingsInvalid(f"roadworthy.toml can't be read: {error}") from None
    for name, schemes in (("database_url", ("postgresql", "postgres")), ("redis_url", ("redis", "rediss", "unix"))):
        value = getattr(settings, name)
        if value != EMBEDDED and value.partition("://")[0] not in schemes:
            raise SettingsInvalid(f"{_name((name,))} must be `embedded` or begin with {schemes[0]}://")
        if not _is_url(value):
            raise SettingsInvalid(
                f"{_name((name,))} is not a URL; percent-encode special characters of the password, like %2F for /"
            )
    _check_queue_url(settings.queue_url)
    _check_sandbox(settings.sandbox)
    return settings


def _micro_dollars(amount: Decimal | None) -> MicroDollars | None:
    return None if amount is None else micro_dollars(amount)


def _check_queue_url(value: str) -> None:
    if value == THROUGH_REDIS:
        return
    if not value.startswith("sqs://"):
        raise SettingsInvalid(
            f"{_name(('queue_url',))} must be `{THROUGH_REDIS}`, for the one of ROADWORTHY_REDIS_URL, or "
            "sqs://REGION/QUEUE_PREFIX"
        )
    from roadworthy.adapters.sqs.queue_url import QueueUrl

    QueueUrl.parse(value)


def _check_sandbox(value: str) -> None:
    if value in SANDBOXES_HERE or (value.startswith(("http://", "https://")) and _is_url(value)):
        return
    kinds = ", ".join(f"`{kind}`" for kind in SANDBOXES_HERE)
    raise SettingsInvalid(
        f"{_name(('sandbox',))} must be {kinds} or the address of a sandbox service, http://HOST:PORT"
    )


def _check_names(environment: Mapping[str, str]) -> None:
    """A misspelt setting would otherwise be its default, silently."""
    known = {_name((field,)) for field in Settings.model_fields}
    unknown = [name for name in environment if name.upper().startswith("ROADWORTHY_") and name.upper() not in known]
    if unknown:
        problems = [f"  {name}: there is no such setting{_meant(name.upper(), known)}" for name in sorted(unknown)]
        raise SettingsInvalid("settings in the environment that can't be used:\n" + "\n".join(problems))


def _problem(location: tuple[int | str, ...], kind: str, message: str) -> str:
    if kind != "extra_forbidden":
        return f"{_name(location)}: {message.removeprefix('Value error, ')}"
    name = str(location[0])
    return f"{name} in roadworthy.toml: there is no such setting{_meant(name, Settings.model_fields)}"


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""


def _is_url(value: str) -> bool:
    try:
        urlsplit(value).port  # noqa: B018
    except ValueError:
        return False
    return True


def _name(location: tuple[int | str, ...]) -> str:
    return "ROADWORTHY_" + ".".join(str(part) for part in location).upper()
