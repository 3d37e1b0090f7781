import inspect
import re

from roadworthy.domain import errors
from roadworthy.domain.errors import LimitReached, ModelCallFailed, RoadworthyError

ALL = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, RoadworthyError)}


def drawn_tree() -> dict[str, str | None]:
    """Each error of the drawing with the one that it hangs from."""
    tree: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if (match := re.match(r"[\s│├└─]*([A-Z]\w+)", line)) and match[1] in ALL:
            depth = match.start(1)
            above = [(at, name) for at, name in above if at < depth]
            tree[match[1]] = above[-1][1] if above else None
            above.append((depth, match[1]))
    return tree


def test_the_drawn_tree_is_the_real_one():
    real = {name: kind.__base__.__name__ for name, kind in ALL.items() if kind is not RoadworthyError}
    assert drawn_tree() == {"RoadworthyError": None, **real}


def test_every_error_says_what_it_is_without_being_told():
    for kind in ALL.values():
        assert kind().message == (kind.__doc__ or "").strip() != ""


def test_a_message_of_ones_own_replaces_the_usual_one():
    assert LimitReached("it used up its 3 steps").message == str(LimitReached("it used up its 3 steps"))


def test_codes_that_callers_see_are_not_shared():
    own = [kind.code for name, kind in ALL.items() if "code" in vars(kind)]
    assert len(own) == len(set(own))


def test_a_failed_model_call_says_whether_to_try_again():
    error = ModelCallFailed("overloaded", retryable=True, retry_after=2.5)
    assert (error.message, error.retryable, error.retry_after) == ("overloaded", True, 2.5)
    assert ModelCallFailed().retryable is False
