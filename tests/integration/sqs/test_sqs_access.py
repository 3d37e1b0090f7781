"""What is missing is named, before anything runs where it can be known then."""

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from roadworthy.adapters.sqs import open_work_queue
from roadworthy.adapters.sqs.work_queue import ACTIONS
from roadworthy.domain.errors import BrokerUnavailable, SettingsInvalid

from .conftest import URL
from .sqs_server import KEY, REGION, SECRET, SqsServer, aws_environment

LANE, OTHER = "support@1", "billing@1"
ALL = "test__*"
_users = count()


class User:
    """Of the guarded server, with a key of its own and no permissions."""

    def __init__(self, server: SqsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._iam = server.client("iam")
        self._monkeypatch = monkeypatch
        self._url = server.url
        self.name = f"user-{next(_users)}"
        self._iam.create_user(UserName=self.name)
        key = self._iam.create_access_key(UserName=self.name)["AccessKey"]
        self.key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        self.use()

    def use(self, key: str | None = None, secret: str | None = None) -> None:
        for name, value in aws_environment(self._url, key or self.key, secret or self.secret).items():
            self._monkeypatch.setenv(name, value)

    def allow(self, **resources: str) -> None:
        """These actions on these queues, and nothing else."""
        statements = [
            # The service itself has no permissions of their own for batches; this server has.
            {"Effect": "Allow", "Action": f"sqs:{action}*", "Resource": f"arn:aws:sqs:{REGION}:*:{queues}"}
            for action, queues in resources.items()
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        self._iam.put_user_policy(UserName=self.name, PolicyName="policy", PolicyDocument=document)


@pytest.fixture
def user(guarded_server: SqsServer, monkeypatch: pytest.MonkeyPatch) -> User:
    guarded_server.delete_queues()
    return User(guarded_server, monkeypatch)


async def test_the_permissions_that_are_asked_for_are_enough(user: User):
    user.allow(**dict.fromkeys(ACTIONS, ALL))
    queue = await open_work_queue(URL)
    with capture_logs() as logs:
        await queue.post([LANE])
        assert await queue.wait([LANE], 5)
        assert not await queue.wait([LANE], 0.1)
        await queue.post([LANE])  # comes while nobody waits, and is given back
        await queue.close()
    assert logs == []


async def test_credentials_without_permissions_stop_the_start(user: User):
    with pytest.raises(SettingsInvalid) as raised:
        await open_work_queue(URL)
    for named in (*ACTIONS, f"arn:aws:sqs:{REGION}:*:test__*", "AccessDenied", user.name):
        assert named in raised.value.message


@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [(None, "wrong", "SignatureDoesNotMatch"), ("AKIAIOSFODNN7EXAMPLE", "any", "InvalidClientTokenId")],
)
async def test_refused_credentials_stop_the_start(user: User, key: str | None, secret: str, code: str):
    user.use(key, secret)
    with pytest.raises(SettingsInvalid, match=f"does not accept the AWS credentials.*{code}") as raised:
        await open_work_queue(URL)
    assert user.secret not in raised.value.message


async def test_a_queue_that_is_missing_and_may_not_be_made_is_named(user: User):
    user.allow(GetQueueUrl=ALL, SendMessage=ALL)
    queue = await open_work_queue(URL)
    with pytest.raises(BrokerUnavailable, match=r"no queue test__support_v1: make it, or allow sqs:CreateQueue on arn"):
        await queue.post([LANE])
    await queue.close()


async def test_a_lane_that_may_not_be_polled_is_named_and_leaves_the_others_alone(user: User):
    user.allow(**{**dict.fromkeys(ACTIONS, ALL), "ReceiveMessage": "test__support_v1"})
    queue = await open_work_queue(URL)
    with capture_logs() as logs:
        assert not await queue.wait([LANE, OTHER], 0.5)
        for _ in range(3):
            await queue.post([LANE, OTHER])
            assert await queue.wait([LANE, OTHER], 5)
        with pytest.raises(BrokerUnavailable, match="AccessDenied"):
            await queue.wait([OTHER], 5)
    await queue.close()
    assert {(line["event"], line["lane"]) for line in logs} == {("lane_not_polled", OTHER)}


async def test_a_permission_that_was_taken_away_is_an_outage(user: User):
    user.allow(**dict.fromkeys(ACTIONS, ALL))
    queue = await open_work_queue(URL)
    await queue.post([LANE])
    user.allow(ReceiveMessage=ALL)
    with pytest.raises(BrokerUnavailable, match="SendMessage: AccessDenied"):
        await queue.post([LANE])
    await queue.close()


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that nobody checks; what would leave this machine meets a proxy that is not there."""
    for name, value in aws_environment("unused").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")


async def test_no_credentials_stop_the_start(no_server: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SettingsInvalid, match="no AWS credentials: set AWS_ACCESS_KEY_ID"):
        await open_work_queue(URL)


async def test_a_profile_that_is_not_there_stops_the_start(no_server: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SettingsInvalid, match="nobody"):
        await open_work_queue(URL)


async def test_an_unknown_region_that_does_not_answer_stops_the_start(no_server: None):
    with pytest.raises(SettingsInvalid, match=r"ROADWORTHY_QUEUE_URL names the region mars-north-1.*not known"):
        await open_work_queue("sqs://mars-north-1/test")


async def test_a_known_region_that_does_not_answer_is_an_outage(no_server: None):
    with capture_logs() as logs:
        queue = await open_work_queue(URL)
    await queue.close()
    assert [line["event"] for line in logs] == ["work_queue_away"]
    assert f"sqs.{REGION}.amazonaws.com" in logs[0]["reason"]


async def test_a_missing_library_is_named(no_server: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(SettingsInvalid, match=r"install roadworthy\[aws\]"):
        await open_work_queue(URL)


def test_nobody_loads_the_library_who_does_not_use_it():
    code = "import sys, roadworthy.app.stores, roadworthy.adapters.sqs; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PATH": os.environ["PATH"]}).returncode == 0


CREDENTIALS = """\
import datetime, json, pathlib, sys
calls, vault = pathlib.Path("CALLS"), pathlib.Path("VAULT")
calls.write_text(calls.read_text() + "call\\n")
if not vault.exists():
    sys.exit("the vault is sealed")
expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=60)
print(json.dumps({**json.loads(vault.read_text()), "Expiration": expires.isoformat()}))
"""


async def test_credentials_that_expire_are_renewed_and_without_new_ones_it_is_an_outage(
    guarded_server: SqsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program, calls, vault, config = (tmp_path / name for name in ("credentials.py", "calls", "vault", "config"))
    program.write_text(CREDENTIALS.replace("CALLS", str(calls)).replace("VAULT", str(vault)))
    calls.write_text("")
    vault.write_text(json.dumps({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET}))
    config.write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
    for name, value in {**aws_environment(guarded_server.url), "AWS_CONFIG_FILE": str(config)}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    guarded_server.delete_queues()
    queue = await open_work_queue(URL)
    before = len(calls.read_text().splitlines())
    await queue.post([LANE])  # they end within minutes, so each call has new ones
    assert len(calls.read_text().splitlines()) > before
    vault.unlink()
    with pytest.raises(BrokerUnavailable, match=r"could not be renewed.*vault is sealed"):
        await queue.post([LANE])
    await queue.close()
