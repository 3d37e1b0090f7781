import inspect
import re

from roadworthy.domain import errors
from roadworthy.domain.errors import AttemptFailed, LimitReached, ModelCallFailed, RoadworthyError
from roadworthy.domain.failure_class import FailureClass

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


def test_a_failure_says_of_which_class_it_is():
    error = ModelCallFailed("overloaded", FailureClass.PROVIDER_OVERLOADED, retry_after=2.5)
    assert (error.message, error.code, error.retry_after) == ("overloaded", "provider_overloaded", 2.5)
    assert error.failure.is_retried
    assert (ModelCallFailed().code, ModelCallFailed().failure.is_retried) == ("model_call_failed", False)


def test_a_code_of_the_table_is_that_of_one_error():
    kinds = [kind for kind in ALL.values() if kind.code in set(FailureClass) and "code" in vars(kind)]
    named_alike = {kind.code for kind in kinds if not issubclass(kind, AttemptFailed)}
    assert named_alike <= {FailureClass.LEASE_LOST}
