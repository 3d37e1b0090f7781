import pytest

from roadworthy.adapters.redis import RedisServer
from roadworthy.app.settings import read_settings
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
