"""Pairs of questions that look alike and ask for different things: said in other words, with one thing changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["identifier", "number", "sign", "negation", "order", "word"]
KINDS: tuple[Kind, ...] = ("identifier", "number", "sign", "negation", "order", "word")


@dataclass(frozen=True, slots=True)
class DifferentQuestions:
    kind: Kind
    one: str
    other: str


def different_questions(count: int, seed: int) -> Iterator[DifferentQuestions]:
    """As many of each kind. Half of the pairs are said in the same words, half in others."""
    draw = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield DifferentQuestions(kind, *_noisy(draw, _PAIRS[kind](draw)))


def _noisy(draw: random.Random, pair: tuple[str, str]) -> tuple[str, str]:
    """As people write: a greeting, no question mark, curly apostrophes, small letters or capitals in both."""
    one, other = pair
    if draw.random() < 0.2:
        one = draw.choice(("Hi, ", "Hello! ", "Please help: ", "Quick question - ")) + one
    if draw.random() < 0.2:
        other = draw.choice(("Hey, ", "Sorry, one more thing. ", "Thanks. ")) + other
    if draw.random() < 0.2:
        one, other = one.rstrip("?."), other.rstrip("?.")
    if draw.random() < 0.2:
        one, other = one.replace("'", "’"), other.replace("'", "’")
    case = draw.random()
    if case < 0.25:
        one, other = one.lower(), other.lower()
    elif case < 0.35:
        one, other = one.upper(), other.upper()
    return one, other


def _phrased(
    draw: random.Random, phrases: tuple[str, ...], one: dict[str, str], other: dict[str, str]
) -> tuple[str, str]:
    first, second = draw.choice(phrases), draw.choice(phrases)
    if draw.random() < 0.5:
        second = first
    return first.format(**one), second.format(**other)


def _identifier(draw: random.Random) -> tuple[str, str]:
    phrases, make = draw.choice(_IDENTIFIED)
    one = make(draw)
    other = _one_character_changed(draw, one) if draw.random() < 0.6 else make(draw)
    while other == one:
        other = make(draw)
    return _phrased(draw, phrases, {"x": one}, {"x": other})


def _one_character_changed(draw: random.Random, text: str) -> str:
    place = draw.choice([at for at, letter in enumerate(text) if letter.isalnum()])
    alphabet = "0123456789" if text[place].isdigit() else "abcdefghkmnprstwxz"
    letter = draw.choice([each for each in alphabet if each != text[place].lower()])
    return text[:place] + (letter.upper() if text[place].isupper() else letter) + text[place + 1 :]


def _digits(count: int) -> Callable[[random.Random], str]:
    return lambda draw: str(draw.randrange(10 ** (count - 1), 10**count))


def _code(pattern: str) -> Callable[[random.Random], str]:
    """9 stands for a digit, A for a capital letter, a for a small one, h for a hexadecimal digit."""
    alphabets = {
        "9": "0123456789",
        "A": "ABCDEFGHKLMNPRSTUVWXYZ",
        "a": "abcdefghklmnprstuvwxyz",
        "h": "0123456789abcdef",
    }
    return lambda draw: "".join(draw.choice(alphabets.get(sign, sign)) for sign in pattern)


def _one_of(*texts: str) -> Callable[[random.Random], str]:
    return lambda draw: draw.choice(texts)


_NAMES = ("anna", "ben", "carla", "dmitri", "elena", "farid", "grace", "hugo", "ivan", "jun")


def _email(draw: random.Random) -> str:
    first, second = draw.choice(_NAMES), draw.choice(_NAMES)
    return f"{first}.{second}@{draw.choice(('example', 'mail', 'shop'))}.{draw.choice(('com', 'org', 'de'))}"


def _url(draw: random.Random) -> str:
    host, page = draw.choice(("shop", "docs", "api")), draw.choice(("a", "b", "c"))
    return f"https://{host}.example.com/{draw.choice(_NAMES)}/{page}{draw.randrange(100)}"


_IDENTIFIED: tuple[tuple[tuple[str, ...], Callable[[random.Random], str]], ...] = (
    (
        ("Where is my order {x}?", "Can you tell me what happened to order {x}?", "What is the status of order {x}?"),
        _code("A99999"),
    ),
    (("Where is my parcel {x}?", "I am waiting for parcel {x}, where is it?"), _digits(8)),
    (("Please cancel my order #{x}.", "I would like to cancel order #{x}."), _digits(5)),
    (("Is the invoice {x} paid?", "Has invoice {x} been paid?"), _code("INV-2024-9999")),
    (("When does the flight {x} leave?", "What is the departure time of the flight {x}?"), _code("AA999")),
    (("Is {x} registered with you?", "Do you have an account for {x}?"), _email),
    (("What does the page {x} say?", "Can you sum up what is on {x}?"), _url),
    (("Why is the host {x} down?", "What is wrong with the host {x}?"), _code("10.9.99.9")),
    (("What does the error {x} mean?", "How do I fix the error {x}?"), _code("E-9999")),
    (("Can you open ticket {x}?", "What does the ticket {x} say?"), _code("AAA-999")),
    (("What is the balance of account {x}?", "How much is in the account {x}?"), _code("DE99 9999 9999")),
    (
        ("Call me at {x}, please, when it is there.", "Can you call me at {x} once it is there?"),
        _code("+49 99 9999999"),
    ),
    (("Has the deployment {x} finished?", "Is the deployment {x} done?"), _code("hhhhhhhh-hhhh")),
    (("What changed in the release {x}?", "What is new in the release {x}?"), _code("v9.9.9")),
    (("Who is @{x}?", "What do you know of @{x}?"), _code("aaaaa99")),
    (("Is the part {x} in stock?", "Do you have the part {x} in stock?"), _code("aa99-AA")),
    (("What is the file {x}.csv for?", "Do I need the file {x}.csv?"), _one_of("orders", "users", "prices", "stock")),
    (
        ("Is the voucher {x} valid for my order?", "Can I use the voucher {x} for my order?"),
        _one_of("qwertz", "asdfgh", "zxcvb", "xkcd", "bvrtkz", "hjklm"),
    ),
    (
        ("What is the status of the commit {x}?", "Who wrote the commit {x}?"),
        _one_of("deadbeef", "cafebabe", "abadcafe", "deadcede"),
    ),
    (
        ('What does "{x}" mean on my bill?', "What does '{x}' stand for on the bill?", "What is “{x}” on the bill?"),
        _one_of("alpha", "omega", "night rate", "day rate", "pending", "on hold"),
    ),
    (
        ("What does the function {x} do?", "Why does {x} fail?"),
        _one_of("get_user", "set_user", "user.name", "user.id", "get_user_name"),
    ),
    (
        ("Is there a gate at {x} for this flight?", "Which gate does the flight have at {x}?"),
        _one_of("JFK1", "SEA2", "LAX3"),
    ),
)


def _number(draw: random.Random) -> tuple[str, str]:
    phrases, make = draw.choice(_NUMBERED)
    value, text = make(draw)
    other_value, other_text = value, text
    while other_value == value:
        other_value, other_text = make(draw)
    return _phrased(draw, phrases, {"x": text}, {"x": other_text})


Valued = tuple[object, str]
"""What it means, and how it is written."""
_WRITTEN = {
    2: "two", 3: "three", 4: "four", 5: "five", 7: "seven", 11: "eleven", 12: "twelve", 20: "twenty", 25: "twenty five",
    99: "ninety-nine", 200: "two hundred", 250: "two hundred and fifty", 1000: "a thousand",
}  # fmt: skip


def _amount(draw: random.Random) -> Valued:
    number = draw.choice(("5", "50", "500", "1,000", "1.5", "15", "250", "0.99", "99"))
    currency, sign, name = draw.choice((("EUR", "€", "euros"), ("USD", "$", "dollars"), ("GBP", "£", "pounds")))
    text = draw.choice((f"{sign}{number}", f"{number} {name}", f"{number} {currency}"))
    return (number, currency), text


def _count(draw: random.Random) -> Valued:
    if draw.random() < 0.5:
        return draw.choice(list(_WRITTEN.items()))
    number = draw.randrange(2, 300)
    return number, str(number)


def _duration(draw: random.Random) -> Valued:
    number, text = _count(draw)
    unit = draw.choice(("minutes", "hours", "days", "weeks", "months", "years"))
    return (number, unit), f"{text} {unit}"


def _date(draw: random.Random) -> Valued:
    day, month = draw.randrange(1, 29), draw.randrange(1, 13)
    name = ("January", "February", "March", "April", "May", "June", "July", "August", "Sept", "October", "Nov", "Dec")
    numbers = draw.choice((f"{day}/{month}/2025", f"2025-{month:02}-{day:02}", f"{day}.{month}."))
    names = draw.choice((f"{name[month - 1]} {day}", f"{day} {name[month - 1]}"))
    return (day, month), draw.choice((numbers, names))


def _time(draw: random.Random) -> Valued:
    hour, half = draw.randrange(1, 13), draw.choice(("am", "pm"))
    return (hour, half), draw.choice((f"{hour} {half}", f"{hour}{half}", f"{hour}:00 {half}"))


def _any_of(*texts: str) -> Callable[[random.Random], Valued]:
    """Each of them means something else."""

    def make(draw: random.Random) -> Valued:
        text = draw.choice(texts)
        return text, text

    return make


_NUMBERED: tuple[tuple[tuple[str, ...], Callable[[random.Random], Valued]], ...] = (
    (("Can I send {x} to a friend?", "Is it possible to send {x} to a friend?"), _amount),
    (("What is the fee for a transfer of {x}?", "How much does it cost to transfer {x}?"), _amount),
    (("I want to order {x} chairs, what do they cost?", "How much are {x} of the chairs?"), _count),
    (("Is there a table for {x} people?", "Can you seat {x} people?"), _count),
    (("Can I return it after {x}?", "Is it possible to send it back after {x}?"), _duration),
    (("How do I set the timeout to {x}?", "I need the timeout to be {x}, how?"), _duration),
    (
        ("Are you open on {x}?", "Is the shop open on {x}?"),
        _any_of("Monday", "Tuesday", "Saturday", "Sunday", "Friday"),
    ),
    (
        ("What is the weather {x}?", "Will it rain {x}?"),
        _any_of("today", "tomorrow", "on Sunday", "this weekend", "next week"),
    ),
    (("Is there a flight on {x}?", "Can I get a flight on {x}?"), _date),
    (("Please move the meeting to {x}.", "Can you put the meeting at {x}?"), _time),
    (("Does it weigh {x}?", "Is {x} what it weighs?"), _any_of("5 kg", "5 lb", "50 kg", "5 g", "15 kg", "5.5 kg")),
    (
        ("Who was the {x} president?", "What was the name of the {x} president?"),
        _any_of("1st", "2nd", "third", "first", "fourth", "21st"),
    ),
    (
        ("What is {x} of the price?", "How much is {x} of the price?"),
        _any_of("10%", "20%", "15 percent", "half", "a quarter", "12.5%"),
    ),
    (
        ("How do I restart it {x}?", "Is it possible to restart it {x}?"),
        _any_of("twice", "once", "thrice", "3 times", "ten times"),
    ),
    (
        ("Which phone has {x} of memory?", "Is there a phone with {x} of memory?"),
        _any_of("8 GB", "16 GB", "8 MB", "32 GB", "1 TB"),
    ),
    (("What is 12 {x} 4?", "How much is 12 {x} 4?"), _any_of("+", "*", "/ 2 +", "^", "%")),
    (
        ("What is the {x} step of the setup?", "How do I do the {x} step of the setup?"),
        _any_of("second", "final", "last", "first", "next", "previous", "only", "third", "initial"),
    ),
    (
        ("What did I pay in {x}?", "How much did I pay in {x}?"),
        _any_of("May", "June", "March", "the last month", "the next month", "total", "dollars", "lira", "baht"),
    ),
    (
        ("Is the price {x} or is it more?", "Is it more than the price of {x}?"),
        _any_of("1.000", "1", "10", "1½", "1²", "1,5", "15", "1²3", "one two three", "three two one", "two five"),
    ),
    (
        ("Is {x} the number of the account?", "Is the number of the account {x}?"),
        _any_of(
            "11111111111111111111111111111111112",
            "11111111111111111111111111111111113",
            "11111111111111111111111111111111110",
        ),
    ),
    (("Is the limit {x}?", "Is {x} the limit?"), _any_of("at least 5", "at most 5", "below 5", "above 5", "5")),
    (
        ("How far is it in {x}?", "What is the distance in {x}?"),
        _any_of("miles", "kilometers", "meters", "yards", "feet", "hectares"),
    ),
)


def _sign(draw: random.Random) -> tuple[str, str]:
    phrases, texts = draw.choice(_SIGNED)
    one, other = draw.sample(texts, 2)
    return _phrased(draw, phrases, {"x": one}, {"x": other})


_SIGNED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("How should I dress for {x} degrees in the city?", "What do I wear in the city at {x} degrees?"),
        ("–5", "5", "-7", "7", "−9", "9", "+3", "—2"),
    ),
    (("What is {x} in the table?", "How much is {x}?"), ("8 / 2", "8 - 2", "8 – 3", "8 * 2", "8 + 2", "8 2", "8^2")),
    (("What is {x} in the table?", "How much is {x}?"), ("8/2", "8-2", "8*2", "8+2", "8%2", "8²")),
    (
        ("Is it true if {x} in the code?", "Does the code run if {x}?"),
        ("b != c", "b = c", "b == c", "b < c", "b > c", "b <= c", "b >= c", "b <> c", "!b = c", "b -> c"),
    ),
    (("Is {x} what I have to write?", "Do I have to write {x}?"), ("b & c", "b | c", "b / c", "b - c", "b + c")),
    (
        ("Is the answer {x} in the table?", "Does the table say {x}?"),
        ("2 * (3 + 4)", "(2 * 3) + 4", "2 * 3 + 4", "(2 * 3 + 4)"),
    ),
    (("What is in {x} of the list?", "What does {x} of the list hold?"), ("b[k]", "b(k)", "b{k}", "b k")),
    (("Does it take {x} days?", "Is it there in {x} days?"), ("5 - 7", "5, 7", "57", "-5 7", "5 / 7", "5 < 7", "5.7")),
    (("Is my balance {x}?", "Does my balance say {x}?"), ("-$5", "$5", "€5", "-€5", "$ -6", "$ 6", "–£7", "£7")),
)


def _negation(draw: random.Random) -> tuple[str, str]:
    yes, no = draw.choice(_NEGATED)
    pair = draw.choice(yes), draw.choice(no)
    return pair if draw.random() < 0.5 else (pair[1], pair[0])


_NEGATED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("Which cards work abroad?", "Which of the cards work abroad?"),
        ("Which cards don't work abroad?", "Which cards do not work abroad?"),
    ),
    (
        ("Can I fly with a passport?", "May I fly with my passport?"),
        ("Can I fly without a passport?", "May I fly without my passport?"),
    ),
    (
        ("Why can I log in?", "How come I can log in?"),
        ("Why can't I log in?", "How come I cannot log in?", "Why cant I log in?"),
    ),
    (
        ("Is the ticket refundable?", "Are the tickets refundable?"),
        ("Is the ticket non-refundable?", "Are the tickets not refundable?"),
    ),
    (
        ("What happens if I pay on time?", "What if I pay in time?"),
        ("What happens if I never pay on time?", "What if I don't pay in time?"),
    ),
    (
        ("May I return it if it is opened?", "Can I return it when it is opened?"),
        ("May I return it if it is unopened?", "Can I return it when it is unopened?"),
    ),
    (
        ("Is this food safe to eat?", "Is it safe to eat this food?"),
        ("Is this food unsafe to eat?", "Isn't it safe to eat this food?"),
    ),
    (
        ("Who is allowed to see my data?", "Who may see my data?"),
        ("Who is not allowed to see my data?", "Who may not see my data?"),
    ),
    (
        ("How do I enable the alarm?", "How can I enable alarms?"),
        ("How do I disable the alarm?", "How can I disable alarms?"),
    ),
    (
        ("How do I lock my card?", "I want to lock my card, how?"),
        ("How do I unlock my card?", "I want to unlock my card, how?"),
    ),
    (
        ("Which rooms have a window?", "Which of the rooms have windows?"),
        ("Which rooms have no window?", "Which of the rooms lack windows?"),
    ),
    (
        ("Is breakfast included?", "Does it include the breakfast?"),
        ("Is breakfast excluded?", "Does it not include the breakfast?"),
    ),
    (
        ("Did my payment go through?", "Has my payment gone through?"),
        ("Did my payment not go through?", "Hasn't my payment gone through?"),
    ),
    (
        ("Can I drink alcohol with this medicine?", "Should I take alcohol with this medicine?"),
        ("Can I never drink alcohol with this medicine?", "Should I avoid alcohol with this medicine?"),
    ),
    (
        ("Is the account active?", "Are the accounts active?"),
        ("Is the account inactive?", "Are the accounts inactive?"),
    ),
    (
        ("I want the one that is available, which is it?", "Which one is available?"),
        ("I want the one that isn't available, which is it?", "Which one is unavailable?"),
    ),
    (
        ("Is it possible to change the name?", "Is changing the name possible?"),
        ("Is it impossible to change the name?", "Is changing the name not possible?"),
    ),
    (
        ("How do I subscribe to the letter?", "I want to subscribe to the letter."),
        ("How do I unsubscribe from the letter?", "I want to unsubscribe from the letter."),
    ),
    (
        ("Does my plan cover the theft of a phone?", "Is theft of a phone covered by the plan?"),
        ("Does my plan no longer cover the theft of a phone?", "Is theft of a phone never covered by the plan?"),
    ),
    (
        ("Can I return all the items and shoes?", "May I send back the items and the shoes?"),
        (
            "Can I return all the items but shoes?",
            "May I send back everything but the shoes?",
            "Can I return all the items except shoes?",
            "Can I return all the items other than shoes?",
            "Can I return all the items apart from shoes?",
            "May I send back the items without the shoes?",
        ),
    ),
    (
        ("Who may come with a child?", "Are guests with children allowed?"),
        ("Who may come without a child?", "Are guests without children allowed?", "Who may not come with a child?"),
    ),
    (
        ("How do I get the fee?", "How can I get the fees?"),
        ("How do I get rid of the fee?", "How can I get rid of the fees?"),
    ),
    (
        ("Kann ich the card auch use with my phone, is it ok?", "Is it ok if ich the card mit my phone use?"),
        (
            "Kann ich the card nicht use with my phone, is it ok?",
            "Is it ok if ich the card ohne my phone use?",
            "Is it ok if ich keine card mit my phone use?",
        ),
    ),
    (
        ("Is the card fonctionne with my phone?", "Is it ok, the card fonctionne with my phone?"),
        (
            "Is the card ne fonctionne pas with my phone?",
            "Is it ok, the card n'est pas with my phone?",
            "Is the card jamais fonctionne with my phone?",
            "Is the card fonctionne sans my phone?",
        ),
    ),
    (
        ("Is it ok que si funciona the card with my phone?", "Is the card ok with my phone, si funciona?"),
        ("Is it ok que no funciona the card with my phone?", "Is the card ok with my phone, nunca funciona?"),
    ),
    (
        ("Is the fee ever taken?", "Is the fee taken at all?"),
        ("Is the fee hardly ever taken?", "Is the fee not taken at all?", "Is the fee rarely taken at all?"),
    ),
    (
        ("Should I keep the box if the fan is working?", "Do I keep the box when the fan is working?"),
        ("Should I keep the box if the fan isn't working?", "Do I keep the box when the fan is not working?"),
    ),
)


def _order(draw: random.Random) -> tuple[str, str]:
    things, phrases = draw.choice(_ORDERED)
    first, second = draw.sample(things, 2)
    return _phrased(draw, phrases, {"x": first, "y": second}, {"x": second, "y": first})


_AIRPORTS = ("JFK", "SEA", "LAX", "FRA", "CDG", "HND")
_CITIES = ("Berlin", "Paris", "New York", "Tokyo", "San Francisco", "Rome")
_PEOPLE = ("Anna", "Ben", "Carla Diaz", "Dmitri", "Elena", "Farid")
_MONEY = ("euros", "dollars", "yen", "pounds", "bitcoin")
_ACCOUNTS = ("savings", "checking", "business", "pension")
_TONGUES = ("python", "java", "rust", "kotlin", "swift")
_ROLES = ("manager", "customer", "driver", "lawyer", "tenant", "landlord")
_FOODS = ("butter", "margarine", "oil", "yoghurt", "cream")

_ORDERED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        _AIRPORTS,
        (
            "Is there a flight from {x} to {y}?",
            "How long is the flight from {x} to {y}?",
            "When can I fly to {y} from {x}?",
        ),
    ),
    (_AIRPORTS, ("What does {x} -> {y} cost?", "How much is {x} -> {y}?")),
    (
        _CITIES,
        ("How do I get from {x} to {y}?", "What is the best way to {y} from {x}?", "Is there a train from {x} to {y}?"),
    ),
    (_CITIES, ("Is {x} larger than {y}?", "Compared to {y}, is {x} larger?", "Does {x} have more people than {y}?")),
    (_CITIES, ("We go to {x} first and then to {y}, is that far?", "Is it far if we go to {x} and then to {y}?")),
    (_PEOPLE, ("How much does {x} owe {y}?", "What is it that {x} owes {y}?", "How much is {y} owed by {x}?")),
    (
        _PEOPLE,
        ("Did {x} send the letter to {y}?", "Was the letter sent to {y} by {x}?", "Did {y} get the letter from {x}?"),
    ),
    (_PEOPLE, ("Is {x} older than {y}?", "Was {x} born before {y}?")),
    (_PEOPLE, ("Did {x} hit {y}?", "Was {y} hit by {x}?")),
    (_PEOPLE, ("Is {x} the mother of {y}?", "Is {y} the child of {x}?")),
    (_PEOPLE, ("Should {x} be put in front of {y}?", "Shall I put {x} in front of {y}?")),
    (
        _MONEY,
        (
            "How do I change {x} into {y}?",
            "I have {x} and want {y}, what is the rate?",
            "What is the rate from {x} to {y}?",
        ),
    ),
    (
        _ACCOUNTS,
        (
            "Move my money from {x} to {y}, please.",
            "Can you move what is in {x} to {y}?",
            "Please take money out of {x} and put it into {y}.",
        ),
    ),
    (_TONGUES, ("Is {x} faster than {y}?", "Should I learn {x} before {y}?", "Would you take {x} over {y}?")),
    (_TONGUES, ("How do I port code from {x} to {y}?", "Can you rewrite this {x} program in {y}?")),
    (_ROLES, ("Did the {x} call the {y}?", "Was the {y} called by the {x}?")),
    (_ROLES, ("Can the {x} sue the {y}?", "Is it possible for the {x} to sue the {y}?")),
    (_FOODS, ("Can I use {x} instead of {y}?", "Is it fine to replace {y} with {x}?")),
    (_FOODS, ("Is {x} better for me than {y}?", "Should I eat {x} rather than {y}?")),
    (
        ("the red pill", "the blue pill", "the syrup"),
        ("Do I take {x} before {y}?", "Should I take {x} and after that {y}?"),
    ),
)


def _word(draw: random.Random) -> tuple[str, str]:
    phrases, texts = draw.choice(_WORDED)
    one, other = draw.sample(texts, 2)
    return _phrased(draw, phrases, {"x": one}, {"x": other})


_WORDED: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("Do I pay {x} the trip?", "Is it paid {x} the trip?"), ("before", "after")),
    (("How do I turn the alarm {x}?", "How can I turn {x} the alarm?"), ("on", "off")),
    (("Why do I pay {x} this month?", "Why is it that I pay {x} this month?"), ("more", "less", "the same")),
    (("How do I opt {x} the letter?", "I want to opt {x} the letter, how?"), ("in to", "out of")),
    (("Can I see {x} account?", "How do I see {x} account?"), ("my", "his", "her", "their", "your")),
    (("Can {x} read my messages?", "Is it so that {x} can read my messages?"), ("you", "they", "he", "she")),
    (("{x} I pay the fee?", "Tell me, {x} I pay the fee?"), ("must", "may")),
    (("{x} I charged the fee?", "Tell me, {x} I charged the fee?"), ("will", "was", "have")),
    (("Do I need a passport {x} a visa for it?", "Is it a passport {x} a visa that I need?"), ("and", "or")),
    (("Can I pay with visa{x}?", "Is it possible to pay with visa{x}?"), ("", " only", " without a fee", " twice")),
    (("What is the email of {x}?",), ("alice", "bob", "carol", "dave")),
    (("Where is the shop in {x}?",), ("berlin", "hamburg", "munich", "bonn")),
    (("What is the balance of the account {x}?",), ("alpha", "omega", "delta", "main")),
    (("Is my card {x} at the shop?",), ("denied", "honoured", "welcome", "sold")),
    (("Who {x}?", "Tell me who {x}."), ("did alice pay", "paid alice")),
    (("Is the shop open on {x}?", "Does it open on {x}?"), ("monday", "sunday", "weekdays", "holidays", "easter")),
    (("Who pays for the {x}?", "Is there a fee for the {x}?"), ("import", "export")),
    (("Who pays for the {x}?", "Is there a fee for the {x}?"), ("upload", "download")),
    (("Is it {x} for me?", "Do you think it is {x} for me?"), ("legal", "illegal")),
    (("Is it {x} for me?", "Do you think it is {x} for me?"), ("best", "worst")),
    (("{x} did it open?", "Do you know {x} it did open?"), ("when", "where", "why")),
    (("Is the water {x}?", "Do you think the water is {x}?"), ("hot", "cold", "too hot to drink", "not hot")),
)

_PAIRS: dict[Kind, Callable[[random.Random], tuple[str, str]]] = {
    "identifier": _identifier,
    "number": _number,
    "sign": _sign,
    "negation": _negation,
    "order": _order,
    "word": _word,
}
