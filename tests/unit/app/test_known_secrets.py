"""Which values count as secrets."""

import pytest

from roadworthy.app.known_secrets import known_secrets, looks_secret
from roadworthy.app.settings import Settings


def test_passwords_of_servers_are_known_as_they_stand_in_the_url_and_as_they_are_meant():
    settings = Settings(
        database_url="postgresql://app:p%2Fss-w0rd%21@db:5432/app", redis_url="redis://:r3dis-pass@cache:6379/0"
    )
    assert known_secrets(settings, {}) == {"p%2Fss-w0rd%21", "p/ss-w0rd!", "r3dis-pass"}


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GITHUB_TOKEN",
        "SHOP_PASSWORD",
        "CLIENT_SECRET",
        "ROADWORTHY_SANDBOX_KEY",
        "DJANGO_SECRET_KEY",
        "shop_password",
        "PGPASSWORD",
    ],
)
def test_what_the_environment_calls_a_secret_is_one(name: str):
    assert known_secrets(Settings(), {name: "Ab12Cd34Ef56"}) == {"Ab12Cd34Ef56"}


@pytest.mark.parametrize(
    "name", ["PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "MAX_TOKENS", "GOOGLE_APPLICATION_CREDENTIALS", "PWD"]
)
def test_other_variables_are_none(name: str):
    assert known_secrets(Settings(), {name: "/usr/lib/4711/x"}) == set()


def test_passwords_in_urls_of_the_environment_are_known():
    assert known_secrets(Settings(), {"SHOP_DB": "mysql://shop:Sh0p-Pass@db/shop", "SITE": "https://x@[::"}) == {
        "Sh0p-Pass"
    }


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        ("short-1", False),
        ("postgres", False),
        ("not-needed", False),
        ("12345678", False),
        ("********", False),
        ("/run/secrets/key1", False),
        ("Tr0ub4dor&3", True),
        ("sk-4f7a9c1b", True),
        ("correct horse battery staple", True),
        ("123456789012345678901", True),
    ],
)
def test_ordinary_words_are_no_secrets(value: str, is_secret: bool):
    assert looks_secret(value) is is_secret
