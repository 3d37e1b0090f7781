import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.adapters.sqs.queue_url import LONGEST_NAME, QueueUrl
from roadworthy.domain.errors import SettingsInvalid

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
PREFIXES = st.from_regex(r"[A-Za-z0-9_-]{0,31}[A-Za-z0-9-]", fullmatch=True)
REGION = "eu-central-1"


def test_a_url_names_region_and_prefix():
    assert QueueUrl.parse("sqs://us-gov-west-1/shop-test_2b") == QueueUrl("us-gov-west-1", "shop-test_2b")


@pytest.mark.parametrize(
    "url",
    [
        "sqs://",
        "sqs://eu-central-1",
        "sqs://eu-central-1/",
        "sqs:///roadworthy",
        "sqs://EU/roadworthy",
        "sqs://[/roadworthy",
        "sqs://key:s3cret@eu-central-1/roadworthy",
        "https://sqs.eu-central-1.amazonaws.com/1/roadworthy",
        "sqs://eu-central-1/road.worthy",
        "sqs://eu-central-1/a/b",
        "sqs://eu-central-1/roadworthy_",
        "sqs://eu-central-1/roadworthy?retention=5",
        f"sqs://eu-central-1/{'x' * 33}",
    ],
)
def test_another_url_is_refused_without_being_shown(url: str):
    with pytest.raises(SettingsInvalid, match="ROADWORTHY_QUEUE_URL can't be used") as raised:
        QueueUrl.parse(url)
    assert "s3cret" not in raised.value.message


def test_a_queue_is_named_like_its_lane():
    url = QueueUrl(REGION, "roadworthy")
    assert url.queue_of("support@1") == "roadworthy__support_v1"
    assert url.queue_of("shop.help_desk@1.2") == "roadworthy__shop_dhelp_udesk_v1_d2"


@given(PREFIXES, NAMES, NAMES)
def test_the_service_takes_every_name(prefix: str, agent: str, version: str):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", QueueUrl(REGION, prefix).queue_of(f"{agent}@{version}"))


@given(st.lists(st.tuples(PREFIXES, NAMES, NAMES), min_size=2, max_size=2, unique=True))
def test_no_two_lanes_share_a_queue(lanes: list[tuple[str, str, str]]):
    first, second = (QueueUrl(REGION, prefix).queue_of(f"{agent}@{version}") for prefix, agent, version in lanes)
    assert first != second


def test_lanes_that_look_alike_have_queues_of_their_own():
    names = ["".join(letters) for length in (1, 2, 3) for letters in product("_.-v", repeat=length)]
    prefixes = ["a", "a-", "a__v", "a_v"]
    queues = [QueueUrl(REGION, prefix).queue_of(f"{name}@1") for prefix in prefixes for name in names]
    assert len(set(queues)) == len(queues)


def test_long_names_that_differ_in_the_end_have_queues_of_their_own():
    url = QueueUrl(REGION, "roadworthy")
    queues = {url.queue_of(f"{'x' * 64}@{'y' * length}") for length in range(1, 65)}
    assert len(queues) == 64
    assert max(map(len, queues)) == LONGEST_NAME
