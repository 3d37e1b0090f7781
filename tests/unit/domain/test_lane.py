import pytest

from roadworthy.domain.lane import agent_and_version, way_out
from roadworthy.domain.task import lane_of


def test_a_lane_is_taken_apart_as_it_was_made():
    assert agent_and_version(lane_of("support", "1.0-b")) == ("support", "1.0-b")


@pytest.mark.parametrize("lane", ["", "support", "@1", "support@", "a@b@c", "a b@1", "support@" + "x" * 65])
def test_what_is_no_lane_is_refused(lane: str):
    with pytest.raises(ValueError, match="AGENT@VERSION, like support@1"):
        agent_and_version(lane)


def test_the_way_out_is_another_version_of_the_same_agent():
    assert way_out("support@1", ["billing@2", "support@1"]) == "start one"
    assert way_out("support@1", ["support@2", "support@3"]).endswith("roadworthy queue move support@1 --to 3")
