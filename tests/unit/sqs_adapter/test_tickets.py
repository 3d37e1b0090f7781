"""Which ticket wakes whom, and which is spent: the times are those of the service."""

from itertools import count

import pytest

from roadworthy.adapters.sqs.tickets import Ticket, Tickets
from roadworthy.domain.errors import BrokerUnavailable

_receipts = count()


def ticket(sent: int, received: int, lane: str = "support@1") -> Ticket:
    return Ticket(lane, str(next(_receipts)), sent, received)


@pytest.fixture
async def tickets() -> Tickets:
    return Tickets()


async def test_it_wakes_who_waited_longest_for_its_lane(tickets: Tickets):
    other, first, second = (tickets.wait([lane]) for lane in ("billing@1", "support@1", "support@1"))
    assert tickets.arrived([ticket(1, 2)]) == []
    assert [worker.woken.done() for worker in (other, first, second)] == [False, True, False]
    assert (tickets.waiting("support@1"), tickets.waiting("billing@1")) == (1, 1)


async def test_it_is_spent_once_the_worker_claims(tickets: Tickets):
    worker, one = tickets.wait(["support@1"]), ticket(1, 2)
    tickets.arrived([one])
    assert tickets.claimed_for(worker) == [one]
    assert not tickets.any_held


async def test_those_that_came_with_it_are_spent_too(tickets: Tickets):
    worker, batch = tickets.wait(["support@1"]), [ticket(sent, 10) for sent in (1, 5, 9)]
    assert tickets.arrived(batch) == []
    assert tickets.claimed_for(worker) == batch


async def test_one_that_was_sent_before_the_claim_is_spent_when_it_comes(tickets: Tickets):
    worker = tickets.wait(["support@1", "billing@1"])
    tickets.arrived([ticket(1, 10)])
    tickets.claimed_for(worker)
    again = tickets.wait(["support@1", "billing@1"])
    late = [ticket(10, 20), ticket(3, 20, "billing@1")]
    assert tickets.arrived(late) == late
    assert not again.woken.done()


async def test_one_that_was_sent_after_it_is_news(tickets: Tickets):
    worker = tickets.wait(["support@1"])
    tickets.arrived([ticket(1, 10)])
    tickets.claimed_for(worker)
    again = tickets.wait(["support@1"])
    assert tickets.arrived([ticket(11, 12)]) == []
    assert again.woken.done()


async def test_a_claim_of_some_lanes_says_nothing_of_others(tickets: Tickets):
    worker = tickets.wait(["billing@1"])
    tickets.arrived([ticket(1, 10, "billing@1")])
    tickets.claimed_for(worker)
    other = tickets.wait(["support@1"])
    assert tickets.arrived([ticket(1, 20)]) == []
    assert other.woken.done()


async def test_a_claim_of_one_worker_says_nothing_to_one_who_still_waits(tickets: Tickets):
    first, second = tickets.wait(["support@1"]), tickets.wait(["support@1"])
    tickets.arrived([ticket(1, 10)])
    tickets.claimed_for(first)
    assert tickets.arrived([ticket(2, 11)]) == []
    assert second.woken.done()


async def test_one_that_nobody_waits_for_is_held_for_the_next(tickets: Tickets):
    tickets.arrived([held := ticket(1, 2)])
    assert tickets.any_held
    assert tickets.wait(["support@1"]).woken.result() == held


async def test_one_that_nobody_comes_for_can_be_given_back(tickets: Tickets):
    tickets.arrived([held := ticket(1, 2)])
    assert tickets.take_held() == [held]
    assert not tickets.wait(["support@1"]).woken.done()


async def test_one_given_to_a_worker_that_left_is_for_somebody_else(tickets: Tickets):
    leaving, staying = tickets.wait(["support@1"]), tickets.wait(["support@1"])
    tickets.arrived([ticket(1, 2)])
    assert not staying.woken.done()
    assert tickets.leave(leaving) == []
    assert staying.woken.done()


async def test_who_waits_for_a_lane_that_works_is_not_told_of_others(tickets: Tickets):
    one, both = tickets.wait(["support@1"]), tickets.wait(["support@1", "billing@1"])
    tickets.fail(["support@1"], BrokerUnavailable())
    assert isinstance(one.woken.exception(), BrokerUnavailable)
    assert not both.woken.done()
    tickets.fail(["support@1", "billing@1"], BrokerUnavailable())
    assert isinstance(both.woken.exception(), BrokerUnavailable)
