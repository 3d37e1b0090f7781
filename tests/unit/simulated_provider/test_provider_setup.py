"""Flags, scripts and model names are read, and what is wrong with them is said."""

from __future__ import annotations

from collections import Counter

import pytest

from roadworthy.testing.simulated_provider import (
    Fault,
    InvalidSetting,
    Latency,
    ProviderSettings,
    Reply,
    ScriptedCall,
    parse_faults,
    parse_latency,
    parse_script,
)
from roadworthy.testing.simulated_provider.errors import BadRequest
from roadworthy.testing.simulated_provider.faults import FaultSchedule
from roadworthy.testing.simulated_provider.hold import Hold, parse_hold
from roadworthy.testing.simulated_provider.model_name import behaviour_of
from roadworthy.testing.simulated_provider.settings import change_settings


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("200ms", Latency(0.2)),
        ("0.2s", Latency(0.2)),
        ("0.2", Latency(0.2)),
        ("0", Latency(0.0)),
        ("1m", Latency(60.0)),
        ("250us", Latency(0.00025)),
        ("lognormal:median=400ms,sigma=0.6", Latency(0.4, 0.6)),
        ("lognormal:sigma=0.6, median=400ms", Latency(0.4, 0.6)),
    ],
)
def test_latency_is_read(text: str, latency: Latency) -> None:
    read = parse_latency(text)
    assert read.median_seconds == pytest.approx(latency.median_seconds)
    assert read.sigma == latency.sigma
    assert parse_latency(str(read)) == read


@pytest.mark.parametrize(
    "text",
    ["", "fast", "-1ms", "5 days", "normal:1ms", "lognormal:median=1ms", "lognormal:median=1ms,sigma=x", "2000m"],
)
def test_wrong_latency_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"latency|duration|lognormal|sigma"):
        parse_latency(text)


def test_lognormal_latency_has_its_median_and_depends_on_the_seed_alone() -> None:
    latency = Latency(0.4, 0.6)
    drawn = sorted(latency.seconds(7, number) for number in range(2001))
    assert drawn[1000] == pytest.approx(0.4, rel=0.1)
    assert drawn[-1] > 1.2
    assert [latency.seconds(7, n) for n in range(20)] == [latency.seconds(7, n) for n in range(20)]
    assert [latency.seconds(7, n) for n in range(20)] != [latency.seconds(8, n) for n in range(20)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429", Fault("429")),
        ("429:0.1", Fault("429", 0.1)),
        ("cut@2", Fault("cut", at=2)),
        ("500@+1", Fault("500", at=1, counted_from_now=True)),
        ("error-event:0.5", Fault("error-event", 0.5)),
        ("503/sim-a", Fault("503", model="sim-a")),
        ("overloaded:0.2/openai/*", Fault("overloaded", 0.2, model="openai/*")),
    ],
)
def test_fault_is_read(text: str, fault: Fault) -> None:
    assert parse_faults([text]) == (fault,)
    assert parse_faults([str(fault)]) == (fault,)


@pytest.mark.parametrize(
    "text", ["", "boom", "200", "600", "429:2", "429:x", "cut@0", "cut@x", "429:0.1@3", "429:.1.1"]
)
def test_wrong_fault_is_refused(text: str) -> None:
    with pytest.raises(InvalidSetting):
        parse_faults([text])


def test_fault_object_is_read() -> None:
    assert parse_faults([{"kind": "429", "at": 3, "model": "sim-*"}]) == (Fault("429", at=3, model="sim-*"),)
    for wrong in ({}, {"kind": "429", "when": 1}, {"kind": "429", "at": "x"}, {"kind": "429", "probability": "x"}, 7):
        with pytest.raises(InvalidSetting):
            parse_faults([wrong])


def draw_all(
    faults: list[str], models: list[str], seed: int = 0, before: Counter[str] | None = None
) -> list[str | None]:
    counts = before or Counter[str]()
    schedule = FaultSchedule(parse_faults(faults), seed, counts)
    drawn: list[str | None] = []
    for model in models:
        counts[model] += 1
        drawn.append(schedule.draw(counts.total(), model, counts))
    return drawn


def test_faults_happen_at_exact_requests() -> None:
    assert draw_all(["429@2", "cut@4"], ["m"] * 5) == [None, "429", None, "cut", None]
    assert draw_all(["429@2/b"], ["b", "a", "a", "b", "b"]) == [None, None, None, "429", None]
    assert draw_all(["429@+2"], ["m"] * 3, before=Counter({"m": 5})) == [None, "429", None]
    assert draw_all(["429@+1/b"], ["a", "b", "b"], before=Counter({"b": 5})) == [None, "429", None]
    assert draw_all(["500/a"], ["a", "b", "a"]) == ["500", None, "500"]


def test_faults_with_a_probability_depend_on_the_seed_alone() -> None:
    first = draw_all(["429:0.1", "cut:0.05"], ["m"] * 2000, seed=3)
    assert first == draw_all(["429:0.1", "cut:0.05"], ["m"] * 2000, seed=3)
    assert first != draw_all(["429:0.1", "cut:0.05"], ["m"] * 2000, seed=4)
    counts = Counter(first)
    assert 150 < counts["429"] < 250
    assert 60 < counts["cut"] < 130


def test_model_name_says_what_the_model_does() -> None:
    settings = ProviderSettings(tokens=7, latency=Latency(0.1))
    plain = behaviour_of("sim-primary", settings)
    assert (plain.tokens, plain.latency, plain.rounds, plain.calls, plain.fail) == (7, Latency(0.1), 0, 1, None)
    full = behaviour_of("sim-tools2-calls3-tokens50-rate40-latency200-stamp", settings)
    assert (full.rounds, full.calls, full.tokens, full.tokens_per_second) == (2, 3, 50, 40)
    assert full.latency == Latency(0.2)
    assert full.stamp_tokens
    assert behaviour_of("other-tokens50", settings).tokens == 7
    assert behaviour_of("sim-fail429", settings).fail == "429"
    assert behaviour_of("sim-tokens3-failerror-event", settings).fail == "error-event"
    assert behaviour_of("sim-failover", settings).fail is None
    with pytest.raises(BadRequest, match="fault"):
        behaviour_of("sim-fail200", settings)


def test_script_is_read() -> None:
    script = parse_script(
        [
            {"tools": [{"name": "a", "arguments": {"x": 1}}, "b"], "text": "let me look"},
            {"tokens": 3},
            "nonsense",
            {"nonsense": "tool"},
            "done",
        ]
    )
    assert script.rules[0].replies == (
        Reply("let me look", calls=(ScriptedCall("a", {"x": 1}), ScriptedCall("b"))),
        Reply(tokens=3),
        Reply(nonsense="arguments"),
        Reply(nonsense="tool"),
        Reply("done"),
    )


def test_script_chooses_by_model_message_and_turn() -> None:
    by_model = parse_script({"*": ["rest"], "sim-a": ["a0", "a1"], "sim-b*": ["b"]})
    assert by_model.reply("sim-a", "hi", 1, 5) == Reply("a1")
    assert by_model.reply("sim-a", "hi", 2, 2) is None
    assert by_model.reply("sim-bb", "hi", 0, 0) == Reply("b")
    assert by_model.reply("sim-c", "hi", 0, 0) == Reply("rest")
    rules = parse_script(
        {"rules": [{"contains": "refund", "replies": ["r"]}, {"replies": ["x", "y"]}], "turns": "conversation"}
    )
    assert rules.reply("m", "my refund", 0, 0) == Reply("r")
    assert rules.reply("m", "hello", 0, 1) == Reply("y")


@pytest.mark.parametrize(
    "script",
    [
        7,
        "text",
        {"sim": "text"},
        [7],
        [{}],
        [{"texts": "x"}],
        [{"text": 7}],
        [{"tokens": -1}],
        [{"tokens": 1_000_001}],
        [{"tools": "a"}],
        [{"tools": [7]}],
        [{"tools": [{"name": "a", "args": {}}]}],
        [{"tools": [{"name": "a", "arguments": "{}"}]}],
        [{"nonsense": "other"}],
        {"rules": {}},
        {"rules": [{}]},
        {"rules": [], "turns": "task"},
        {"rules": [], "more": 1},
    ],
)
def test_wrong_script_is_refused(script: object) -> None:
    with pytest.raises(InvalidSetting):
        parse_script(script)


def test_hold_is_read() -> None:
    assert parse_hold(True) == Hold()
    assert parse_hold(False) is None
    assert parse_hold({"turn": 1, "after_tokens": 3, "model": "m"}) == Hold(3, "m", 1)
    for wrong in (1, {"turns": 1}, {"turn": "x"}, {"model": 1}):
        with pytest.raises(InvalidSetting):
            parse_hold(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tokens": -1},
        {"tokens_per_second": -1},
        {"retry_after_seconds": -1},
        {"hang_seconds": 0},
        {"text_by": "mood"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidSetting, match=next(iter(wrong)).removesuffix("_seconds")):
        ProviderSettings(**wrong)  # type: ignore[arg-type]


def test_settings_are_changed_as_json() -> None:
    changed = change_settings(
        ProviderSettings(tokens=3), {"latency": "5ms", "faults": ["429@1"], "script": ["x"], "retry_after": 0.5}
    )
    assert changed == ProviderSettings(
        tokens=3,
        latency=parse_latency("5ms"),
        faults=parse_faults(["429@1"]),
        script=parse_script(["x"]),
        retry_after_seconds=0.5,
    )
    for wrong in ({"tokens": "x"}, {"faults": "429"}, {"stamp_tokens": 1}, {"retry_after": "soon"}, {"latency": []}):
        with pytest.raises(InvalidSetting):
            change_settings(ProviderSettings(), wrong)
