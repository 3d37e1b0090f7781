"""What two requests must have in common for the reply to one to answer the other."""

from dataclasses import replace

import pytest

from roadworthy import AgentService, CachePolicy
from roadworthy.core.model_gateway.cache_place import CachePlace, cache_place, digest_of
from roadworthy.domain.cache_mark import mark_of, marks_of
from roadworthy.domain.model_input import ModelInput
from roadworthy.domain.principal import Principal

ALICE = Principal("acme", "alice")
SERVICE = AgentService(None, name="support", version="1")
INPUT = ModelInput("model", 10, None, "Where is it?", lambda: b"surroundings")
OWN, SHARED = CachePolicy(), CachePolicy(shared_by="tenant")


def place(
    policy: CachePolicy = OWN,
    service: AgentService = SERVICE,
    principal: Principal = ALICE,
    input: ModelInput = INPUT,
    model: str = "model",
) -> CachePlace:
    return cache_place(service, policy, principal, input, model, 3600)


def test_the_same_request_has_the_same_key():
    assert place().hard_key == place().hard_key
    assert place().key_of("a") == place().key_of("a") != place().key_of("b")


def test_every_part_of_a_request_makes_another_key():
    others = [
        place(principal=Principal("other", "alice")),
        place(principal=Principal("acme", "bob")),
        place(service=AgentService(None, name="sales", version="1")),
        place(service=AgentService(None, name="support", version="2")),
        place(model="another"),
        place(input=replace(INPUT, surroundings=lambda: b"others")),
        place(SHARED),
    ]
    assert len({place().hard_key, *(other.hard_key for other in others)}) == len(others) + 1


def test_users_of_a_tenant_have_one_place_where_they_share_and_other_tenants_another():
    bob, stranger = Principal("acme", "bob"), Principal("other", "alice")
    assert place(SHARED).hard_key == place(SHARED, principal=bob).hard_key
    assert place(SHARED).hard_key != place(SHARED, principal=stranger).hard_key


def test_a_user_can_not_take_a_name_that_is_like_sharing():
    assert place(principal=Principal("acme", "")).hard_key != place(SHARED, principal=Principal("acme", "")).hard_key


def test_parts_do_not_run_into_each_other():
    assert digest_of(b"ab", b"c") != digest_of(b"a", b"bc") != digest_of(b"abc") != digest_of(b"abc", b"")


def test_seconds_are_the_policys_where_it_has_some():
    assert (place().seconds, place(CachePolicy(seconds=5)).seconds) == (3600, 5)


def test_any_text_is_a_question():
    assert place().key_of("\ud800") != place().key_of("\ud801")


def test_every_mark_that_can_be_dropped_is_one_of_those_that_a_reply_carries():
    dropped = [
        mark_of(),
        mark_of("support"),
        mark_of("support", "1"),
        mark_of(tenant="acme"),
        mark_of("support", tenant="acme"),
        mark_of("support", "1", "acme"),
    ]
    assert sorted(dropped) == sorted(marks_of("support", "1", "acme")) == sorted(place().marks)
    assert len(set(dropped)) == 6


def test_a_version_needs_its_agent():
    with pytest.raises(ValueError, match="name the agent"):
        mark_of(version="1")
