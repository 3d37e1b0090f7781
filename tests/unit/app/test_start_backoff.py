from roadworthy.app.start_backoff import StartBackoff


def test_pauses_grow_while_workers_go_on_crashing():
    backoff = StartBackoff()
    now, pauses = 1000.0, list[float]()
    for _ in range(10):
        assert backoff.may_start(now)
        pauses.append(backoff.crashed(now))
        assert backoff.may_start(now) == (pauses[-1] == 0)
        now += pauses[-1]
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_crash_long_after_the_last_one_is_the_first_again():
    backoff = StartBackoff()
    assert [backoff.crashed(now) for now in (1000, 1001, 1061, 1122)] == [0, 0.5, 1, 0]
