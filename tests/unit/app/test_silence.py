from roadworthy.app.silence import Silence


def test_a_worker_is_silent_from_what_it_said_last():
    silence = Silence(30, now=100)
    for now in range(101, 141):
        silence.look(now)
        assert silence.seconds(now, heard_at=102) == now - 102 or now < 102


def test_a_supervisor_that_stood_still_takes_nobody_for_stuck():
    silence = Silence(30, now=0)
    for now in (10, 20, 500):
        silence.look(now)
    assert silence.seconds(500, heard_at=20) == 0
    silence.look(510)
    assert silence.seconds(510, heard_at=20) == 10
    assert silence.seconds(510, heard_at=505) == 5
