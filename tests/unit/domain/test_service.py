from typing import Any

import pytest

from roadworthy import RuleRouter
from roadworthy.domain.price import Price
from roadworthy.domain.service import AgentService, ModelTiers, ToolPolicy


async def reply(ctx: object, message: str) -> str:
    return message


def test_a_service_without_words_has_the_defaults():
    service = AgentService(reply)
    assert (service.name, service.version, service.lane, service.models) == ("agent", "1", "agent@1", None)
    assert service.fallback_answer is None


@pytest.mark.parametrize("field", ["name", "version"])
@pytest.mark.parametrize("value", ["", "a b", "a/b", "ü", "a@1", "x" * 65, 1, None])
def test_names_and_versions_are_letters_digits_and_few_signs(field: str, value: Any):
    with pytest.raises(ValueError, match=f"service {field} .*letters, digits"):
        AgentService(reply, **{field: value})


@pytest.mark.parametrize("name", ["support", "a.b-c_9", "x" * 64])
def test_the_allowed_signs_are_allowed(name: str):
    assert AgentService(reply, name=name, version="1.0").lane == f"{name}@1.0"


def test_limits_and_policies_of_another_type_are_refused():
    wrong: Any = {"steps": 3}
    with pytest.raises(TypeError, match="limits must be a Limits"):
        AgentService(reply, limits=wrong)
    with pytest.raises(TypeError, match=r"tools\['find'\] must be a ToolPolicy"):
        AgentService(reply, tools={"find": wrong})
    with pytest.raises(TypeError, match="router must be a function or have a method `route`"):
        AgentService(reply, router=wrong)
    with pytest.raises(TypeError, match=r"router must be made first: router=RuleRouter\(…\)"):
        AgentService(reply, router=RuleRouter)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ({"m": "2.50"}, r"prices\['m'\] must be a Price"),
        ({"m": {"input": "1"}}, r"prices\['m'\] must be a Price"),
        ({7: Price("1", "1")}, "by the names of models"),
        (Price("1", "1"), "prices must be like"),
    ],
)
def test_prices_of_another_type_are_refused(prices: Any, words: str):
    with pytest.raises(ValueError, match=words):
        AgentService(reply, prices=prices)


@pytest.mark.parametrize("amount", ["-1", "a lot", "nan", "1000001", None, True, [1]])
def test_a_price_is_an_amount_that_somebody_may_have_to_pay(amount: Any):
    with pytest.raises(ValueError, match="price output"):
        Price("1", amount)
    assert Price("0", "1000000", cache_read="0.0000001")


def test_a_tool_that_was_not_declared_happens_at_most_once():
    service = AgentService(reply, tools={"find": ToolPolicy(effect="read", retries=2)})
    assert service.policy("find").effect == "read"
    assert (service.policy("pay").effect, service.policy("pay").retries) == ("once", 0)


def test_tools_cannot_be_changed_afterwards():
    tools = {"find": ToolPolicy(effect="read")}
    service = AgentService(reply, tools=tools)
    tools.clear()
    assert service.policy("find").effect == "read"
    with pytest.raises(TypeError):
        service.tools["pay"] = ToolPolicy()  # pyright: ignore[reportIndexIssue]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"effect": "maybe"}, "tool effect must be one of read, idempotent, once"),
        ({"seconds": 0}, "tool seconds must be above zero"),
        ({"seconds": float("nan")}, "tool seconds must be above zero"),
        ({"effect": "read", "retries": -1}, "tool retries must be zero or more"),
        ({"effect": "once", "retries": 1}, "is never retried"),
        ({"fallback": "guess"}, "tool fallback must be"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ToolPolicy(**fields)


@pytest.mark.parametrize("fallback", ["cached", "skip", None, reply])
def test_a_fallback_is_a_word_a_function_or_none(fallback: Any):
    assert ToolPolicy(effect="read", fallback=fallback).fallback == fallback


def test_tiers_are_lists_of_names():
    assert ModelTiers(simple=["a", "b"]).simple == ("a", "b")
    with pytest.raises(ValueError, match=r'models\.simple must be a list of names, like \["a"\]'):
        ModelTiers(simple="a")
    with pytest.raises(ValueError, match="at least one tier"):
        ModelTiers()


def test_a_service_continues_no_version_unless_it_says_so():
    assert AgentService(reply).continues == ()
    service = AgentService(reply, name="support", version="3", continues=["1", "2", "1"])
    assert service.continues == ("1", "2")
    assert service.continued_lanes == ("support@1", "support@2")


@pytest.mark.parametrize(
    ("continues", "words"),
    [
        ("1", r'a list of versions, like \["1"\]'),
        (None, "a list of versions"),
        ({"1"}, "a list of versions"),
        (["2"], "can't continue itself"),
        (["a b"], "service continues 'a b'"),
        ([1], "service continues 1"),
        ([["1"]], "service continues"),
    ],
)
def test_what_can_not_be_continued_is_refused(continues: Any, words: str):
    with pytest.raises(ValueError, match=words):
        AgentService(reply, version="2", continues=continues)


@pytest.mark.parametrize("priority", [-1, 10, 1.0, True, "1", None])
def test_a_priority_is_a_whole_number_from_0_to_9(priority: Any):
    with pytest.raises(ValueError, match="whole number from 0 to 9"):
        AgentService(reply, priority=priority)
    assert [AgentService(reply, priority=value).priority for value in (0, 9)] == [0, 9]


def test_a_check_of_results_is_a_function():
    with pytest.raises(TypeError, match="check_result must be a function of tool and result, not 'strict'"):
        AgentService(reply, check_result="strict")  # pyright: ignore[reportArgumentType]
