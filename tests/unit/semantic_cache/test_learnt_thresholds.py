from roadworthy.core.model_gateway.semantic.learnt_thresholds import NEVER, PLACES, Lessons, place_of

BUDGET = 0.01


def lessons(requests: int, **places: tuple[int, int, int]) -> Lessons:
    """`p20=(came, compared, differed)`."""
    learnt = Lessons(requests)
    for name, (came, compared, differed) in places.items():
        place = int(name[1:])
        learnt.came[place], learnt.compared[place], learnt.differed[place] = came, compared, differed
    return learnt


def test_nothing_learnt_is_never_near_enough() -> None:
    assert Lessons().threshold(BUDGET) == NEVER


def test_too_few_requests_are_never_enough() -> None:
    assert lessons(299, p31=(299, 299, 0)).threshold(BUDGET) == NEVER
    assert lessons(600, p31=(600, 600, 0)).threshold(BUDGET) <= 31


def test_the_threshold_is_as_low_as_the_budget_allows() -> None:
    learnt = lessons(10_000, p28=(2000, 2000, 0), p20=(2000, 2000, 40), p10=(2000, 2000, 400))
    assert 10 < learnt.threshold(BUDGET) <= 20
    assert 20 < learnt.threshold(0.004) <= 28
    assert learnt.threshold(0.1) <= 10


def test_where_hardly_anything_was_compared_is_not_trusted() -> None:
    assert lessons(10_000, p28=(2000, 2, 0)).threshold(BUDGET) == NEVER


def test_a_place_above_that_was_unlucky_borrows_from_those_below() -> None:
    learnt = lessons(10_000, p30=(20, 2, 1), p29=(2000, 2000, 4), p28=(2000, 2000, 8))
    assert learnt.threshold(BUDGET) <= 28


def test_what_always_differs_is_never_answered() -> None:
    assert lessons(100_000, p31=(50_000, 5000, 5000)).threshold(BUDGET) == NEVER


def test_the_threshold_is_never_where_nothing_was_compared() -> None:
    assert lessons(10_000, p28=(2000, 2000, 0)).threshold(BUDGET) == 28


def test_scores_have_places_in_their_order() -> None:
    scores = [0, 1e-6, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1]
    places = [place_of(score) for score in scores]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, PLACES - 1)
    assert len(set(places)) >= 6


def test_counts_add_up_and_come_back() -> None:
    one, other = lessons(10, p3=(5, 4, 1)), lessons(20, p3=(1, 1, 1), p9=(2, 2, 0))
    one.add(other)
    assert one == lessons(30, p3=(6, 5, 2), p9=(2, 2, 0))
    assert Lessons.of(one.counts()) == one
    assert Lessons.of([]) == Lessons.of([1, 2, 3]) == Lessons()
