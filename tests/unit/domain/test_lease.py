from roadworthy.domain.lease import Lease


class Now:
    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def test_a_lease_that_was_never_granted_is_lost():
    assert Lease(30, Now()).remaining <= 0


def test_a_lease_counts_from_the_sending_of_the_heartbeat_and_not_from_its_answer():
    now = Now()
    lease = Lease(30, now)
    now.at = 110
    lease.renewed(sent_at=100)
    assert lease.remaining == 20
    now.at = 129.9
    assert lease.remaining > 0
    now.at = 130
    assert lease.remaining <= 0


def test_an_answer_that_was_overtaken_shortens_nothing():
    lease = Lease(30, Now())
    lease.renewed(sent_at=100)
    lease.renewed(sent_at=90)
    assert lease.remaining == 30


def test_a_lost_lease_has_nothing_left():
    lease = Lease(30, Now())
    lease.renewed(sent_at=100)
    lease.lose()
    assert lease.is_lost
    assert lease.remaining <= 0
