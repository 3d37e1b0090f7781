"""Which models somebody bills, and what they are called."""

from __future__ import annotations

import pytest
import structlog
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai import OpenAIProvider

from roadworthy.core.model_gateway.prices import Prices
from roadworthy.domain.model_input import NamedModel
from roadworthy.frameworks.pydantic_ai.own_models import models_in, name_of

URL = "http://127.0.0.1:9/v1/"


def gpt(name: str = "gpt-5") -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=URL, api_key="none"))


def answered(name: str | None = None) -> FunctionModel:
    return FunctionModel(lambda messages, info: None, model_name=name)  # type: ignore[arg-type, return-value]


def test_those_in_wrappers_and_fallbacks_are_seen_and_those_in_this_process_are_nobodys():
    model = FallbackModel(WrapperModel(gpt()), gpt("gpt-5-mini"), TestModel(), answered())
    assert list(models_in(model)) == [NamedModel("gpt-5", "openai", URL), NamedModel("gpt-5-mini", "openai", URL)]
    assert list(models_in(None)) == []


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (gpt(), "gpt-5"),
        (TestModel(), "test"),
        (answered("claude-of-my-tests"), "function:claude-of-my-tests"),
        (WrapperModel(answered("claude-of-my-tests")), "function:claude-of-my-tests"),
    ],
)
def test_a_model_in_this_process_costs_nothing_whatever_it_is_called(model: Model, name: str):
    assert name_of(model) == name
    with structlog.testing.capture_logs() as logs:
        free = Prices().cost("claude-of-my-tests", {"output_tokens": 1000}, asked=name_of(model)) == 0
        assert free is (name != "gpt-5")
    assert logs == []
