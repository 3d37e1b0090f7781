"""Which bounds a supervisor keeps to."""

from __future__ import annotations

from typing import Any

import pytest

from roadworthy.app.settings import Settings
from roadworthy.app.supervise import scaling_rule
from roadworthy.domain.errors import SettingsInvalid


@pytest.mark.parametrize(
    ("given", "bounds"),
    [
        ((3, 7), (3, 7)),
        ((0, 1), (0, 1)),
        ((3, None), (3, 50)),
        ((60, None), (60, 60)),
        ((None, 7), (2, 7)),
        ((None, 1), (1, 1)),
    ],
)
def test_a_bound_that_is_not_given_is_the_settings_and_contradicts_no_other(
    given: tuple[int | None, int | None], bounds: tuple[int, int]
):
    rule = scaling_rule(Settings(), *given)
    assert (rule.minimum, rule.maximum) == bounds


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        ((3, 2), {}, "--min 3 is more than --max 2"),
        ((2, 3), {"scale_down_threshold": 10}, "ROADWORTHY_SCALE_DOWN_THRESHOLD must be less"),
    ],
)
def test_bounds_that_make_no_sense(given: tuple[int, int], settings: dict[str, Any], words: str):
    with pytest.raises(SettingsInvalid, match=words):
        scaling_rule(Settings(**settings), *given)
