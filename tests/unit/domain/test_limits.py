import dataclasses

import pytest

from roadworthy.domain.limits import Limits

FIELDS = [field.name for field in dataclasses.fields(Limits)]


def test_the_defaults_are_the_documented_ones():
    assert dataclasses.asdict(Limits()) == {
        "steps": 15,
        "step_seconds": 30,
        "total_seconds": 180,
        "cost_usd": "0.25",
        "queue_seconds": 600,
        "waiting_seconds": 604_800,
        "first_token_seconds": 20,
        "parallel_tools": 16,
    }


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "cost_usd"])
@pytest.mark.parametrize("value", [0, -1, 1e9, float("nan"), float("inf"), True, "5", None])
def test_what_makes_no_sense_is_refused_by_name(name: str, value: object):
    with pytest.raises(ValueError, match=rf"limits\.{name} "):
        Limits(**{name: value})


def test_steps_are_a_whole_number():
    with pytest.raises(ValueError, match=r"limits\.steps must be a whole number"):
        Limits(steps=1.5)


@pytest.mark.parametrize("cost", ["cheap", "-1", "nan", None, [1]])
def test_a_cost_that_is_no_amount_is_refused(cost: object):
    with pytest.raises(ValueError, match=r"limits\.cost_usd"):
        Limits(cost_usd=cost)


def test_a_cost_is_exact_however_it_is_written():
    assert [Limits(cost_usd=cost).cost for cost in ("0.10", 0.1, "1e-1")] == [100_000] * 3
    assert Limits(cost_usd=1).cost_usd == "1"


def test_limits_can_be_lowered_for_a_task():
    limits = Limits().lowered({"steps": 3, "cost_usd": "0.10"})
    assert (limits.steps, limits.cost_usd, limits.total_seconds) == (3, "0.10", 180)
    assert Limits().lowered({}) == Limits()


@pytest.mark.parametrize("name", FIELDS)
def test_no_limit_can_be_raised_for_a_task(name: str):
    limits = Limits()
    higher = "0.26" if name == "cost_usd" else getattr(limits, name) + 1
    with pytest.raises(ValueError, match=rf"limits\.{name} can be lowered for a task, not raised"):
        limits.lowered({name: higher})


def test_costs_are_compared_as_amounts_and_not_as_text():
    assert Limits(cost_usd="10").lowered({"cost_usd": "9"}).cost_usd == "9"
    with pytest.raises(ValueError, match="not raised"):
        Limits(cost_usd="9").lowered({"cost_usd": "10"})


def test_where_costs_have_no_limit_a_task_can_set_any():
    assert Limits(cost_usd="0").lowered({"cost_usd": "0.10"}).cost_usd == "0.10"
    assert Limits(cost_usd="0").lowered({"cost_usd": "0"}).cost == 0
    with pytest.raises(ValueError, match=r"not raised above 0\.25$"):
        Limits().lowered({"cost_usd": "0.26"})


def test_an_unknown_limit_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"limits\.speed is not known; there are cost_usd, .*waiting_seconds"):
        Limits().lowered({"speed": 1})


def test_a_lowered_limit_is_checked_too():
    with pytest.raises(ValueError, match=r"limits\.steps"):
        Limits().lowered({"steps": 0})
    with pytest.raises(ValueError, match=r"limits\.steps"):
        Limits().lowered({"steps": "3"})


def test_limits_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().steps = 3
