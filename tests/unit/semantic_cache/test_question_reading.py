import pytest

from roadworthy.core.model_gateway.semantic.question_reading import (
    MOST_CHARACTERS,
    MOST_WORDS,
    facts_of,
    read_question,
)


@pytest.mark.parametrize(
    ("question", "facts"),
    [
        ("Where is my order A-1234?", ["A-1234", "no 0"]),
        ("Where is my order #77, please?", ["#77", "no 0"]),
        ("Is a.b@example.com the owner of http://example.com/x?", ["a.b@example.com", "http://example.com/x", "no 0"]),
        ("What is in the file orders.csv.", ["orders.csv", "no 0"]),
        ("What does 1,000.50 in numbers mean?", ["1000.50", "no 0"]),
        ("Is my room number 007?", ["007", "no 0"]),
        ("Is that twenty five or two hundred and six?", ["25", "206", "no 0"]),
        ("Is this the one that I want?", ["no 0"]),
        ("Is this twenty-one?", ["21", "no 0"]),
        ("Can I pay $5 with 5 euros?", ["dollar", "5", "5", "euro", "no 0"]),
        ("Is it 3 pm or am I wrong?", ["3", "pm", "no 0"]),
        ("Is it open on Monday, next week?", ["monday", "next", "week", "no 0"]),
        ("Is it from 5 to 10?", ["from 5", "to 10", "no 0"]),
        ("Why can't I log in, and why is it not there?", ["no 2"]),
        ("Why can’t I do that?", ["no 1"]),
        ("Which is the plan B?", ["b", "no 0"]),
        ("Is this sugar-free?", ["-free", "no 0"]),
        ("Is it –5 or - 5, and not 3–5?", ["-", "5", "-", "5", "3", "-", "5", "no 1"]),
        ("Wait - is it there - or here/there?", ["here/there", "no 0"]),
        ("Is it 8 / 2 or b != c?", ["8", "/", "2", "b", "!=", "c", "no 0"]),
        ("Is it $5.00 or 10²?", ["dollar", "5", "10", "^", "2", "no 0"]),
        ("Is it five five or two hundred six?", ["5", "5", "206", "no 0"]),
        ("Is it hundred hundred or million million?", ["100", "100", "1000000", "1000000", "no 0"]),
        ("Is it on 5 May or in may, which I may choose?", ["5", "may", "may", "no 0"]),
        ("Is this all but the red one, or have I one but not here?", ["no 2"]),
        ("Is it at least the second, or other than that?", ["least", "second", "no 1"]),
        ("Is the voucher qwertz or bcdfg or deadbeef?", ["qwertz", "bcdfg", "deadbeef", "no 0"]),
        ('Is it "Night  rate" or \'day\' or user_name?', ["night rate", "day", "user_name", "no 0"]),
        ("Is it 3 p.m. there, and what is on the form: ____?", ["3", "pm", "no 0"]),
    ],
)  # fmt: skip
def test_facts_are_read_in_their_order(question: str, facts: list[str]) -> None:
    reading = read_question(question)
    assert reading is not None
    assert list(reading.facts) == facts


def test_names_are_what_is_written_like_one() -> None:
    reading = read_question("Does Anna fly from Rome? Yes, she and Carla's ATM do.")
    assert reading is not None
    assert reading.names == ("anna", "rome", "carla", "atm")


@pytest.mark.parametrize("question", ["HOW DO I CANCEL MY CARD", "How Do I Cancel My Stolen Card"])
def test_where_everything_looks_like_a_name_nothing_is_one(question: str) -> None:
    reading = read_question(question)
    assert reading is not None
    assert reading.names == ()


@pytest.mark.parametrize(
    "question",
    [
        "",
        "?!",
        "Wo ist mein Paket, und wann kommt es an?",
        "¿Dónde está mi pedido de ayer?",
        "Où est ma commande d'hier ?",
        "Где мой заказ?",
        "What is 你好 in English?",
        "Is it " + "very " * MOST_WORDS + "far?",
        "Is it " + "x" * MOST_CHARACTERS,
    ],
)
def test_what_cannot_be_compared_safely_is_not_read(question: str) -> None:
    assert read_question(question) is None


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["_", "a_", "a.", "-", "a-", "a/", "a@", "1.", "ab.", "1:", "\\"])
def test_no_text_takes_forever(unit: str) -> None:
    text = "Is it " + unit * (MOST_CHARACTERS // len(unit) - 6)
    assert len(text) <= MOST_CHARACTERS
    read_question(text)
    assert facts_of(text * 10)


def test_facts_of_an_answer_are_read_however_long_it_is() -> None:
    text = "You have 30 days to return it. " * 40
    assert facts_of(text) == ("30", "day") * 40 + ("yes",)
    assert facts_of("It is not possible before May 3.") == ("3", "no")
