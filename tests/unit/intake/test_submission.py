import pytest

from roadworthy.core.intake.submission import MOST_INPUT_BYTES, Submission, read_submission
from roadworthy.domain.errors import InputTooLarge, InvalidRequest
from roadworthy.domain.ids import new_id
from roadworthy.domain.task import OnBusy


def test_the_least_that_is_asked_for():
    assert read_submission({"input": "hi"}) == Submission("hi")


def test_everything():
    session = new_id()
    body = {
        "agent": "support",
        "input": "hi",
        "session_id": str(session),
        "metadata": {"order": 7},
        "limits": {"steps": 3},
        "on_busy": "interrupt",
    }
    assert read_submission(body, "key-1") == Submission(
        "hi", "support", session, b'{"order":7}', {"steps": 3}, OnBusy.INTERRUPT, "key-1"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "input is missing"),
        ({"input": None}, "input must be a string, not null"),
        ({"input": 5}, "input must be a string, not a number"),
        ({"input": ["a"]}, "input must be a string, not an array"),
        ({"input": {}}, "not an object"),
        ({"input": ""}, "input must not be empty"),
        ({"input": " \n"}, "input must not be empty"),
        ({"input": "a\0b"}, "NUL"),
        ({"input": "a", "agent": True}, "agent must be a string, not a boolean"),
        ({"input": "a", "session_id": "mine"}, "session_id must be"),
        ({"input": "a", "session_id": 4.5}, "session_id must be a string, not a number"),
        ({"input": "a", "metadata": "x"}, "metadata must be an object, not a string"),
        ({"input": "a", "metadata": {"x": "y" * 17_000}}, "metadata is larger than 16 KiB"),
        ({"input": "a", "metadata": {"x": [{"y\0": 1}]}}, "metadata has a NUL"),
        ({"input": "a", "limits": [1]}, "limits must be an object"),
        ({"input": "a", "on_busy": "wait"}, "on_busy must be one of queue, reject, interrupt"),
        ({"input": "a", "on_busy": ["queue"]}, "on_busy must be one of"),
        ({"input": "a", "sesion_id": "x"}, "unknown field 'sesion_id'"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, object], words: str):
    with pytest.raises(InvalidRequest, match=words.replace("+", r"\+")):
        read_submission(body)


def test_text_about_nul_is_no_nul():
    assert read_submission({"input": "a", "metadata": {"x": r"\u0000"}}).metadata == b'{"x":"\\\\u0000"}'


@pytest.mark.parametrize("letter", ["a", "é", "🙂"])
def test_the_size_of_input_counts_bytes(letter: str):
    most = MOST_INPUT_BYTES // len(letter.encode())
    read_submission({"input": letter * most})
    with pytest.raises(InputTooLarge):
        read_submission({"input": letter * most + letter})


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "schlüssel"])
def test_keys_that_are_none(key: str):
    with pytest.raises(InvalidRequest, match="Idempotency-Key"):
        read_submission({"input": "a"}, key)


def test_the_digest_is_of_the_whole_request():
    bodies = [
        {"input": "a"},
        {"input": "b"},
        {"input": "a", "agent": "x"},
        {"input": "a", "session_id": str(new_id())},
        {"input": "a", "metadata": {"a": 1}},
        {"input": "a", "limits": {"steps": 1}},
        {"input": "a", "on_busy": "reject"},
    ]
    digests = {read_submission(body).digest() for body in bodies}
    assert len(digests) == len(bodies)
    assert read_submission({"input": "a"}, "k").digest() == read_submission({"input": "a"}).digest()
