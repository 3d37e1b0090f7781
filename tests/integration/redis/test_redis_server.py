import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_broker import REDIS_7, Broker
from redis_records import numbers, text_record

from roadworthy.adapters.redis import RedisEventLog, RedisServer
from roadworthy.domain.errors import BrokerUnavailable, SettingsInvalid
from roadworthy.domain.ids import new_id

pytestmark = pytest.mark.usefixtures("no_tasks_left")


async def carries_events(server: RedisServer) -> None:
    events, task = RedisEventLog(server), new_id()
    async with events.subscribe(task) as subscription:
        await events.publish([text_record(task, 1)])
        assert numbers(await subscription.next(5)) == [1]
    await events.close()


@pytest.mark.parametrize(
    "url", ["http://localhost", "unix://", "redis://localhost?db=x", "rediss://localhost?ssl_ca_certs=/nowhere", ""]
)
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="URL"):
        RedisServer(url)


def test_messages_never_show_the_password() -> None:
    assert RedisServer("redis://me:secret@broker.example:6380/2").where == "broker.example:6380"


async def test_user_password_and_database(mortal_broker: Broker) -> None:
    admin, socket = mortal_broker.admin, mortal_broker.socket
    admin.acl_setuser("worker", enabled=True, passwords=["+s3c/r@t"], keys=["*"], channels=["*"], categories=["+@all"])
    admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">other")
    await carries_events(RedisServer(f"unix://worker:s3c%2Fr%40t@{socket}?db=3"))
    await carries_events(RedisServer(f"unix://:other@{socket}?db=3"))
    for refused in ("", "worker:wrong@", "worker@", ":wrong@"):
        with pytest.raises(BrokerUnavailable, match=r"WRONGPASS|NOAUTH"):
            await RedisServer(f"unix://{refused}{socket}").ping()
    assert admin.info("keyspace").keys() == {"db3"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    if not REDIS_7.exists():
        pytest.skip(f"{REDIS_7} is not installed, and the embedded Valkey has no TLS")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    options = ["--bind", "127.0.0.1", "--tls-port", str(port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", str(certificate / "cert.pem"), "--tls-key-file", str(certificate / "key.pem")]
    broker = Broker(REDIS_7, options)
    broker.start()
    yield port
    broker.remove()


async def test_tls(tls_port: int, certificate: Path) -> None:
    await carries_events(RedisServer(f"rediss://localhost:{tls_port}?ssl_ca_certs={certificate / 'cert.pem'}"))
    await carries_events(RedisServer(f"rediss://127.0.0.1:{tls_port}?ssl_cert_reqs=none"))
    with pytest.raises(BrokerUnavailable, match="certificate"):
        await RedisServer(f"rediss://localhost:{tls_port}").ping()
    with pytest.raises(BrokerUnavailable):
        await RedisServer(f"redis://localhost:{tls_port}").ping()
