"""A local SQS server that can be killed, frozen and started again on the same port."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import botocore.config
import botocore.exceptions
import botocore.session

REGION = "eu-central-1"
ACCOUNT = "000000000000"
KEY, SECRET = "test", "test"
START_SECONDS = 30
_ARGUMENTS: dict[str, Callable[[int], list[str]]] = {
    "ministack": lambda port: ["-m", "ministack"],  # takes the port from its environment
    "moto": lambda port: ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
}


class SqsServer:
    """One server on a free loopback port; nothing is kept over a restart.

    `checks_access` makes ministack verify signatures and policies, as the real service does; `KEY` is then the root
    of its account.
    """

    def __init__(self, program: Literal["ministack", "moto"] = "ministack", *, checks_access: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rw-", dir="/tmp"))
        self.port = _free_port()
        self._command = [sys.executable, *_ARGUMENTS[program](self.port)]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "SERVICES": "sqs,iam,sts",
            "LOG_LEVEL": "WARNING",
            "AUTH": str(checks_access).lower(),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.admin = self.client("sqs")
        """Of botocore: another client than ours, to look behind it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For a process that shall use this server for what Amazon has elsewhere, and nothing of this machine's own."""
        return aws_environment(self.url)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self, service: str) -> Any:
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(
                retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=25, proxies={}
            ),
        )

    def start(self) -> None:
        """Returns when it answers."""
        self._process = subprocess.Popen(
            self._command, cwd=self.folder, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """As it is asked to end."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(START_SECONDS)

    def kill(self) -> None:
        """kill -9"""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.admin.list_queues()
                return
            except botocore.exceptions.BotoCoreError:
                assert process.poll() is None, "the server ended right after its start"
                assert time.monotonic() < deadline, "the server does not answer"
                time.sleep(0.02)

    def queues(self) -> dict[str, str]:
        """The URL of each queue by its name."""
        urls: list[str] = self.admin.list_queues().get("QueueUrls", [])
        return {url.rpartition("/")[2]: url for url in urls}

    def tickets(self, queue: str) -> tuple[int, int]:
        """How many messages a queue has: to be received, and received but not deleted."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.admin.get_queue_attributes(QueueUrl=self.queues()[queue], AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def delete_queues(self) -> None:
        for url in self.queues().values():
            self.admin.delete_queue(QueueUrl=url)

    def remove(self) -> None:
        self.admin.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder)


def aws_environment(endpoint: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """The standard variables that lead to this endpoint with this key."""
    return {
        "AWS_ENDPOINT_URL_SQS": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
