"""Which lanes a process serves."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from roadworthy import Price
from roadworthy.app.targets import load_targets
from roadworthy.core.model_gateway.prices import PriceBook
from roadworthy.domain.errors import TargetNotLoadable

SERVICES = """
from roadworthy import AgentService

async def reply(message):
    return message

def service(version, *continues):
    return AgentService(reply, name="support", version=version, continues=continues)

"""


def lanes(folder: Path, *services: str) -> dict[str, str]:
    """Lane → version of the service that serves it."""
    file = folder / f"shop_{len(list(folder.iterdir()))}_{folder.name}.py".replace("[", "_").replace("]", "_")
    file.write_text(f"{SERVICES}services = [{', '.join(services)}]")
    return {lane: one.service.version for lane, one in load_targets([f"{file}:services"], PriceBook()).items()}


def test_a_service_serves_the_lanes_that_it_continues(tmp_path: Path):
    assert lanes(tmp_path, 'service("3", "1", "2")') == {"support@3": "3", "support@1": "3", "support@2": "3"}


def test_a_version_that_is_served_itself_is_continued_by_nobody(tmp_path: Path):
    assert lanes(tmp_path, 'service("2", "1")', 'service("1")') == {"support@2": "2", "support@1": "1"}


def test_two_can_not_continue_the_same(tmp_path: Path):
    with pytest.raises(TargetNotLoadable, match="two services say that they continue support@1"):
        lanes(tmp_path, 'service("2", "1")', 'service("3", "1")')


MODELS = """
from pydantic_ai import Agent
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai import OpenAIProvider
from roadworthy import AgentService, ModelTiers, Price

async def reply(message):
    return message

def at(name, url="http://127.0.0.1:9/v1"):
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=url, api_key="none"))

"""


def load(folder: Path, service: str) -> None:
    (file := folder / f"models_{folder.name}.py".replace("[", "_").replace("]", "_")).write_text(
        f"{MODELS}service = {service}"
    )
    load_targets([f"{file}:service"], PriceBook({"in-the-file": Price("1", "2")}))


@pytest.mark.parametrize(
    ("service", "model"),
    [
        ('Agent(at("house-model"))', "house-model"),
        ('AgentService(Agent(FallbackModel(at("gpt-5-mini"), at("house-model"))))', "house-model"),
        ('AgentService(Agent(WrapperModel(at("house-model"))))', "house-model"),
        (
            'AgentService(Agent(at("gpt-5")), models=ModelTiers(simple=["gpt-5-mini"], complex=["house-model"]))',
            "house-model",
        ),
    ],
)
def test_a_model_that_nobody_has_a_price_for_is_refused_at_the_start(tmp_path: Path, service: str, model: str):
    with pytest.raises(TargetNotLoadable, match=rf"nobody knows what '{model}' costs.*prices=.*Price\.free\(\)"):
        load(tmp_path, service)


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (
            'complex=["openai:gpt-5", "nobody:knows"]',
            "the model 'nobody:knows' of service 'desk' can't be used: Unknown provider",
        ),
        ('simple=["anthropic:claude-haiku-4-5"]', "'anthropic:claude-haiku-4-5' of service 'desk'.*ANTHROPIC_API_KEY"),
        ('moderate=["openai:gpt-5"]', "the model 'openai:gpt-5' of service 'desk' can't be used.*OPENAI_API_KEY"),
        ('simple=["gpt-5"]', "the model 'gpt-5' of service 'desk' can't be used: Unknown model"),
        ('simple=[""]', "models.simple must be names of models"),
        ("", "models needs at least one tier with at least one model"),
        ('simple="openai:gpt-5"', "models.simple must be a list of names"),
    ],
)
def test_a_model_that_can_not_be_used_is_named_at_the_start(
    tmp_path: Path, models: str, words: str, monkeypatch: pytest.MonkeyPatch
):
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    if "nobody" in models:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
    with pytest.raises(TargetNotLoadable, match=words):
        load(tmp_path, f'AgentService(Agent(TestModel()), name="desk", models=ModelTiers({models}))')


@pytest.mark.parametrize(
    "service",
    [
        "Agent(TestModel())",
        'Agent(at("gpt-5-mini"))',
        'Agent(at("in-the-file"))',
        'AgentService(Agent(at("house-model")), prices={"house-model": Price.free()})',
        'AgentService(Agent(at("house-model")), prices={"openai:house-model": Price("1", "2")})',
        'AgentService(Agent(at("house-model")), models=ModelTiers(simple=["openai:gpt-5-mini"]))',
        'AgentService(Agent(at("house-model")), models=ModelTiers(simple=["gpt-5-mini", "test"]))',
        "Agent(FunctionModel(lambda messages, info: None, model_name='made-up'))",
        'AgentService(reply, models=ModelTiers(simple=["gpt-5-mini"]))',
    ],
)
def test_a_price_may_be_listed_declared_in_the_file_or_needless(
    tmp_path: Path, service: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    load(tmp_path, service)


def test_a_fallback_is_no_reason_for_a_warning(tmp_path: Path):
    file = tmp_path / "shop_with_a_fallback.py"
    policy = 'tools={"find_order": ToolPolicy(effect="read", fallback="cached")}'
    file.write_text(
        f"from roadworthy import AgentService, ToolPolicy\n\nasync def reply(message):\n    return message\n\n"
        f'service = AgentService(reply, name="support", {policy})\n'
    )
    with capture_logs() as told:
        load_targets([f"{file}:service"], PriceBook())
    assert told == []
