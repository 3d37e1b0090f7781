"""The models that an agent calls by itself, as far as they can be seen before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel

from roadworthy.core.model_gateway.prices import IN_PROCESS
from roadworthy.domain.model_input import NamedModel


def models_in(model: Any) -> Iterator[NamedModel]:
    """Those that somebody bills: the one itself, the one in a wrapper, each of several fallbacks."""
    match model:
        case WrapperModel():
            yield from models_in(model.wrapped)
        case FallbackModel():
            for each in model.models:
                yield from models_in(each)
        case TestModel() | FunctionModel():
            return
        case Model():
            yield NamedModel(model.model_name, model.system, model.base_url)
        case _:
            return


def name_of(model: Model) -> str:
    """What the gateway calls a model that no service has named. One that runs in this process says so, whatever name
    its owner gave it, because it costs nothing."""
    name = model.model_name
    if not isinstance(innermost(model), FunctionModel) or name.startswith(IN_PROCESS):
        return name
    return f"{IN_PROCESS}{name}"


def runs_in_this_process(model: Model) -> bool:
    """Such a model calls nobody, and its answer can't be lost on the way."""
    return isinstance(innermost(model), FunctionModel | TestModel)


def innermost(model: Model) -> Model:
    """What wrappers are around."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return model
