"""Loads what the user wants served: `module:attribute` or `path/to/file.py:attribute`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from roadworthy.app.caches import check_embedder
from roadworthy.core.execution.run_attempt import Served
from roadworthy.core.model_gateway.prices import PriceBook, how_to_declare
from roadworthy.domain.errors import TargetNotLoadable
from roadworthy.domain.service import AgentService
from roadworthy.frameworks import runner_for


def load_targets(targets: Sequence[str], price_book: PriceBook) -> dict[str, Served]:
    """Lane → service with its runner, also for the lanes that a service continues and that no other one serves.

    TargetNotLoadable says what is wrong with which target, and of a model that nobody has a price for how to give one,
    of an embedder that is not there how to get it.
    """
    served: dict[str, Served] = {}
    for target in targets:
        for service in services_of(target):
            if service.lane in served:
                raise TargetNotLoadable(
                    f"two agents are called {service.name!r} in version {service.version!r}; give one another name"
                )
            one = served[service.lane] = Served(service, runner_for(service))
            _check_prices(one, price_book)
            check_embedder(service)
    return served | _continued(served)


def _continued(served: Mapping[str, Served]) -> dict[str, Served]:
    continued: dict[str, Served] = {}
    for one in served.values():
        for lane in one.service.continued_lanes:
            if lane in continued:
                raise TargetNotLoadable(f"two services say that they continue {lane}; only one of them can")
            if lane not in served:
                continued[lane] = one
    return continued


def _check_prices(served: Served, price_book: PriceBook) -> None:
    """Of all models that can be seen now. What a plain function or an agent within a tool calls shows only then."""
    service, models = served.service, served.runner.own_models
    prices = price_book.of(service)
    for model in models:
        if not prices.is_known(*model):
            raise TargetNotLoadable(
                f"nobody knows what {model.name!r} costs, a model of service {service.name!r}: "
                f"{how_to_declare(model.name)} (or in the file that ROADWORTHY_PRICES names, for all services)"
            )


def services_of(target: str) -> list[AgentService]:
    """The services of a target: one, or those of a list; a bare agent or function gets the defaults."""
    place, colon, attribute = target.rpartition(":")
    if not colon or not place or not attribute:
        raise TargetNotLoadable(
            f"{target!r} is not a target; write `module:attribute` or `path/to/file.py:attribute`, like shop.py:service"
        )
    module = _module(place, target)
    try:
        found = getattr(module, attribute)
    except AttributeError:
        public = sorted(name for name, value in vars(module).items() if _is_servable(value))
        hint = f"; it has {', '.join(public)}" if public else ""
        raise TargetNotLoadable(f"{place} has nothing called {attribute!r}{hint}") from None
    several: list[Any] = list(cast(list[Any], found)) if isinstance(found, list | tuple) else [found]
    if not several:
        raise TargetNotLoadable(f"{target} is an empty list; put at least one service into it")
    return [_service(one, attribute, target) for one in several]


def _service(found: Any, attribute: str, target: str) -> AgentService:
    if isinstance(found, AgentService):
        return found
    if not _is_servable(found):
        raise TargetNotLoadable(
            f"{target} is a {type(found).__name__}; it must be an AgentService, a pydantic-ai Agent or an `async def`"
        )
    name = getattr(found, "name", None) or getattr(found, "__name__", None) or attribute
    try:
        return AgentService(found, name=name)
    except ValueError as error:
        raise TargetNotLoadable(f"{target}: {error}") from None


def _is_servable(value: Any) -> bool:
    if isinstance(value, AgentService) or inspect.iscoroutinefunction(value):
        return True
    return type(value).__module__.startswith("pydantic_ai.agent")


def _module(place: str, target: str) -> ModuleType:
    try:
        return _file(Path(place)) if place.endswith(".py") else _importable(place)
    except TargetNotLoadable:
        raise
    except ModuleNotFoundError as error:
        advice = f"; `{place}.py:…` names a file" if Path(f"{place}.py").exists() else ""
        raise TargetNotLoadable(f"{target} can't be imported: {error}{advice}") from error
    except (Exception, SystemExit) as error:
        raise TargetNotLoadable(f"importing {target} raised {type(error).__name__}: {error}") from error


def _importable(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise TargetNotLoadable(f"there is no file {path}")
    name = path.stem
    if (loaded := sys.modules.get(name)) is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    # Imports of its neighbours work as they do for `python file.py`.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    package = _package_of(path)
    if package:
        return importlib.import_module(package)
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise TargetNotLoadable(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _package_of(path: Path) -> str | None:
    """`a.b.c` for a file inside packages, so that its relative imports work; its top folder goes on the path."""
    parts = [path.stem]
    folder = path.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) == 1:
        return None
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ".".join(parts)
