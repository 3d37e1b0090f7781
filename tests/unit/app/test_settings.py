import pytest

from roadworthy.adapters.redis import RedisServer
from roadworthy.app.settings import read_settings
from roadworthy.domain.budget import BudgetLimits
from roadworthy.domain.errors import SettingsInvalid


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LEASE_SECONDS", "soon"),
        ("WORKER_CONCURRENCY", "0"),
        ("AUTH", "none"),
        ("DATABASE_URL", "mysql://host/name"),
        ("DATABASE_URL", "postgresql://u:s3cr/etP@host/name"),
        ("REDIS_URL", "redis://:s3cr/etP@host"),
        ("QUEUE_URL", "redis://:s3cretP@host"),
        ("QUEUE_URL", "sqs://key:s3cr@eu-central-1/roadworthy"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(f"ROADWORTHY_{name}", value)
    with pytest.raises(SettingsInvalid) as raised:
        read_settings()
    assert f"ROADWORTHY_{name}" in raised.value.message
    assert "s3cr" not in raised.value.message


def test_a_redis_url_that_cannot_be_read_shows_no_password():
    with pytest.raises(SettingsInvalid) as raised:
        RedisServer("redis://:s3cr/etP@host")
    assert "s3cr" not in raised.value.message


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROADWORTHY_LEASE_SECOND", "5")
    monkeypatch.setenv("roadworthy_colour", "red")
    with pytest.raises(SettingsInvalid) as refused:
        read_settings()
    assert "ROADWORTHY_LEASE_SECOND: there is no such setting; did you mean ROADWORTHY_LEASE_SECONDS?" in str(
        refused.value
    )
    assert "roadworthy_colour: there is no such setting\n" in f"{refused.value}\n"


def test_a_misspelt_setting_in_the_file_is_refused_with_the_file_and_the_one_that_was_meant(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roadworthy.toml").write_text("lease_second = 5\n")
    with pytest.raises(SettingsInvalid) as refused:
        read_settings()
    assert "lease_second in roadworthy.toml: there is no such setting; did you mean lease_seconds?" in str(
        refused.value
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("lots", "is not an amount in dollars; write it like 25 or 0.50"),
        ("$5", "is not an amount in dollars"),
        ("5 USD", "is not an amount in dollars"),
        ("1,000", "is not an amount in dollars"),
        ("", "is not an amount in dollars"),
        ("nan", "is not an amount in dollars"),
        ("-1", "is not an amount in dollars; write it like 25 or 0.50, without a sign"),
        ("inf", "more than a billion dollars; leave the setting away"),
        ("1e999999999", "more than a billion dollars"),
        ("1000000000.01", "more than a billion dollars"),
        ("0", "would refuse every task; leave the setting away"),
        ("0.0000004", "would refuse every task"),
    ],
)
@pytest.mark.parametrize("name", ["BUDGET_PER_USER_DAY_USD", "BUDGET_PER_TENANT_MONTH_USD", "BUDGET_GLOBAL_MONTH_USD"])
def test_a_budget_that_is_no_amount_is_refused_with_what_can_be_written(monkeypatch, name, value, words):
    monkeypatch.setenv(f"ROADWORTHY_{name}", value)
    with pytest.raises(SettingsInvalid) as refused:
        read_settings()
    assert f"  ROADWORTHY_{name}: '{value}" in refused.value.message
    assert words in refused.value.message


def test_budgets_are_whole_micro_dollars_from_the_environment_and_the_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert read_settings().budget_limits == BudgetLimits()
    (tmp_path / "roadworthy.toml").write_text("budget_global_month_usd = 0.1\nbudget_per_tenant_month_usd = 250\n")
    monkeypatch.setenv("ROADWORTHY_BUDGET_PER_USER_DAY_USD", " 0.000001 ")
    assert read_settings().budget_limits == BudgetLimits(1, 250_000_000, 100_000)
