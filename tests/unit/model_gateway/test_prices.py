"""What a call costs, may cost at most, and how much output money is enough for."""

from __future__ import annotations

import random
import timeit
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider

from roadworthy import AgentService, Price
from roadworthy.core.model_gateway.prices import (
    DEFAULT_OUTPUT_TOKENS,
    NO_OUTPUT_LIMIT,
    PriceBook,
    Prices,
)
from roadworthy.domain.money import micro_dollars

SONNET = "anthropic:claude-sonnet-4-5"
SONNET_COST = {"input_tokens": 1_000_000, "output_tokens": 100_000}
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


async def reply(message: str) -> str:
    return message


def service(**prices: Price) -> AgentService:
    return AgentService(reply, prices={name.replace("__", ":"): price for name, price in prices.items()})


def every_model() -> Iterator[tuple[Provider, ModelInfo]]:
    for provider in get_snapshot().providers:
        for model in provider.models:
            yield provider, model


def test_costs_what_genai_prices_says_for_every_model_that_it_knows() -> None:
    chance = random.Random(7)
    compared = 0
    prices = Prices(now=lambda: NOW)
    for provider, model in every_model():
        if not prices.is_known(model.id, provider.id):
            continue
        of_input = chance.choice((0, 17, 1_999, 150_000, 300_000, 1_200_000))
        read, written = int(of_input * chance.random() / 2), int(of_input * chance.random() / 2)
        usage = {
            "input_tokens": of_input,
            "output_tokens": chance.choice((0, 3, 8_000)),
            "cache_read_tokens": read,
            "cache_write_tokens": written,
            "cache_write_1h_tokens": written // 3,
        }
        its_provider, found = get_snapshot().find_provider_model(model.id, None, provider.id, None)
        theirs = found.calc_price(Usage(**usage), its_provider, genai_request_timestamp=NOW)
        assert prices.cost(model.id, usage, provider.id) == micro_dollars(theirs.total_price), model.id
        compared += 1
    assert compared > 1_500


@pytest.mark.parametrize("name", [SONNET, "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"])
def test_a_model_is_known_by_its_name_with_and_without_a_provider(name: str) -> None:
    assert Prices().cost(name, {"input_tokens": 1_000, "output_tokens": 100}) == 3 * 1_000 + 15 * 100


def test_a_long_context_costs_more_from_the_first_token_on() -> None:
    prices = Prices()
    assert prices.cost(SONNET, {"input_tokens": 200_000}) == 3 * 200_000
    assert prices.cost(SONNET, {"input_tokens": 200_001}) == 6 * 200_001
    assert prices.worst(SONNET, 300_000, 1_000) > prices.cost(SONNET, {"input_tokens": 300_000, "output_tokens": 1_000})


def test_a_price_changes_on_its_day() -> None:
    model, day = "gpt-5.6", datetime(2026, 8, 21, tzinfo=UTC)
    before, after = (Prices(now=lambda at=at: at) for at in (day - timedelta(seconds=1), day))
    assert before.cost(model, {"output_tokens": 1_000}) == 30_000
    assert after.cost(model, {"output_tokens": 1_000}) == 20_000


def test_half_a_micro_dollar_is_rounded_up_once_for_the_whole_call_and_an_estimate_always() -> None:
    prices = Prices({"tiny": Price(input="0.25", output="0.25")})
    assert prices.cost("tiny", {"input_tokens": 1}) == 0
    assert prices.cost("tiny", {"input_tokens": 1, "output_tokens": 1}) == 1
    assert prices.cost("tiny", {"input_tokens": 2, "output_tokens": 3}) == 1
    assert (prices.worst("tiny", 1, 0), prices.worst("tiny", 2, 3)) == (1, 2)


def test_more_cached_tokens_than_tokens_cost_something_and_raise_nothing() -> None:
    assert Prices().cost(SONNET, {"input_tokens": 10, "cache_read_tokens": 1_000}) == 300


def test_a_declared_price_wins_over_the_file_and_the_file_over_the_list() -> None:
    book = PriceBook({SONNET: Price("2", "2"), "own": Price("7", "7")})
    declared = service(**{"claude-sonnet-4-5": Price("1", "1")})
    assert book.of(service()).cost(SONNET, {"input_tokens": 10}) == 20
    assert book.of(declared).cost(SONNET, {"input_tokens": 10}) == 10
    assert book.of(declared).cost("own", {"input_tokens": 10}) == 70
    assert book.of(declared) is book.of(declared)


def test_a_declared_price_holds_for_whatever_the_provider_calls_the_model() -> None:
    prices = PriceBook().of(service(anthropic__claude_x=Price("1", "2"), sim=Price.free()))
    usage = {"input_tokens": 10, "output_tokens": 10}
    assert prices.cost("claude_x", usage, "anthropic") == 30
    assert prices.cost("claude_x-20261101", usage, "anthropic", asked="anthropic:claude_x") == 30
    assert prices.cost("weights.gguf", usage, "openai", "http://127.0.0.1:1/v1", asked="sim") == 0


def test_the_price_of_another_provider_is_no_price() -> None:
    assert Prices().is_known("gpt-4o", "openai")
    assert not Prices().is_known("gpt-4o", "ollama")
    assert not Prices().is_known("claude-sonnet-4-5", "openai", "http://127.0.0.1:8000/v1")


def test_models_that_run_in_this_process_are_free() -> None:
    assert Prices().is_known("test")
    assert Prices().cost("function:answer:", {"input_tokens": 1_000_000}) == 0
    assert Prices().cost("of-its-own", {"input_tokens": 1_000_000}, asked="function:answer:") == 0


def test_a_model_without_a_price_costs_what_the_dearest_do_and_is_reported_once() -> None:
    prices = Prices()
    with structlog.testing.capture_logs() as logs:
        assert [prices.cost("nobody-knows", SONNET_COST) for _ in range(3)] == [22_500_000] * 3
        assert prices.worst("nobody-knows", 0, 1_000) == 75_000
    (line,) = logs
    assert (line["event"], line["log_level"], line["model"]) == ("price_unknown", "error", "nobody-knows")
    assert 'prices={"nobody-knows": Price(' in line["todo"]
    assert not prices.is_known("nobody-knows")


def test_the_worst_case_writes_all_input_to_the_cache_and_uses_all_output() -> None:
    prices = Prices()
    assert prices.worst(SONNET, 1_000, 200) == 3_750 + 15 * 200
    assert prices.worst(SONNET, 0, None) == 15 * DEFAULT_OUTPUT_TOKENS
    for read, written in ((0, 0), (1_000, 0), (0, 1_000), (400, 600)):
        usage = {
            "input_tokens": 1_000,
            "output_tokens": 200,
            "cache_read_tokens": read,
            "cache_write_tokens": written,
        }
        assert prices.cost(SONNET, usage) <= prices.worst(SONNET, 1_000, 200)


def test_the_output_within_some_money_is_the_most_that_it_pays() -> None:
    prices = Prices()
    for money in (3_750, 3_765, 10_000, 99_999):
        tokens = prices.output_within(SONNET, 1_000, money)
        assert prices.worst(SONNET, 1_000, tokens) <= money < prices.worst(SONNET, 1_000, tokens + 1)
    assert prices.output_within(SONNET, 1_000, 3_749) == 0
    assert Prices({"own": Price.free()}).output_within("own", 1_000, 0) == NO_OUTPUT_LIMIT


def test_saved_is_what_the_call_would_have_cost_more_without_the_cache() -> None:
    prices = Prices()
    assert prices.saved(SONNET, {"input_tokens": 1_000}) == 0
    assert prices.saved(SONNET, {"input_tokens": 1_000, "cache_read_tokens": 900}) == int(900 * Decimal("2.7"))
    assert prices.saved(SONNET, {"input_tokens": 1_000, "cache_write_tokens": 1_000}) == -750


def test_several_models_of_which_one_answers_cost_at_most_what_the_dearest_does() -> None:
    prices = Prices({"house-model": Price("1", "2")})
    several = "fallback:gpt-5-mini,claude-sonnet-4-5,house-model"
    assert prices.worst(several, 1_000, 1_000) == prices.worst(SONNET, 1_000, 1_000)
    usage = {"input_tokens": 10, "output_tokens": 10}
    assert prices.cost("house-model-2026", usage, "local", asked=several) == prices.cost(SONNET, usage)
    assert prices.is_known(several) and not prices.is_known("fallback:gpt-5-mini,nobody-knows")


@pytest.mark.parametrize("model", [SONNET, "gpt-5.6"])
def test_pricing_a_call_takes_microseconds(model: str) -> None:
    prices, usage = Prices(), {"input_tokens": 3_000, "output_tokens": 400, "cache_read_tokens": 1_000}
    cost = min(timeit.repeat(lambda: prices.cost(model, usage, "anthropic"), number=200, repeat=20)) / 200
    worst = min(timeit.repeat(lambda: prices.worst(model, 3_000, None), number=200, repeat=20)) / 200
    assert (cost < 30e-6, worst < 5e-6) == (True, True), (cost, worst)


def test_what_is_kept_for_an_hour_may_cost_more_to_write():
    prices = Prices()
    usage = {"input_tokens": 1_000, "output_tokens": 200, "cache_write_tokens": 1_000, "cache_write_1h_tokens": 1_000}
    worst = prices.worst(SONNET, 1_000, 200, is_kept_for_an_hour=True)
    assert prices.worst(SONNET, 1_000, 200) < prices.cost(SONNET, usage) <= worst
    assert prices.output_within(SONNET, 1_000, worst, is_kept_for_an_hour=True) == 200


@pytest.mark.parametrize("claims", ["function:free", "test", "fallback:test", "fallback:function:a,test"])
def test_a_provider_can_not_claim_to_run_in_this_process(claims: str):
    usage = {"input_tokens": 1_000_000}
    assert Prices().cost(claims, usage, "openai", asked="gpt-4o-mini") == Prices().cost("gpt-4o-mini", usage) > 0
    assert Prices().cost(claims, usage, asked="nobody-knows-it") == 15_000_000
