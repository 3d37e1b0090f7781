"""Who we are to Amazon, and where its service is: found as every AWS program finds it, by botocore."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from roadworthy.adapters.sqs.errors import CredentialsNotRenewed
from roadworthy.domain.errors import SettingsInvalid


class AwsAccount:
    """Endpoint and credentials for SQS in one region: environment, profiles, roles of container or machine,
    `AWS_ENDPOINT_URL`, `AWS_CA_BUNDLE` and the like.

    Opening it may ask the network, so `open` does it in a thread. Raises SettingsInvalid where something is missing.
    """

    def __init__(self, region: str) -> None:
        self.region = region
        session = _botocore("session").get_session()
        errors = _botocore("exceptions")
        try:
            self.endpoint: str = session.create_client("sqs", region_name=region).meta.endpoint_url
            self._credentials: Any = session.get_credentials()
            self.known_region = self.endpoint_is_set or region in _regions(session)
            self._ca_bundle: str | None = session.get_config_variable("ca_bundle")
        except (errors.BotoCoreError, ValueError) as error:
            raise SettingsInvalid(f"AWS can't be used as it is configured: {error}") from error
        if self._credentials is None:
            raise SettingsInvalid(
                "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or give "
                "the container or machine a role that may use SQS"
            )
        self._request: Any = _botocore("awsrequest").AWSRequest
        self._signature: Any = _botocore("auth").SigV4Auth
        self._renewing = asyncio.Lock()
        self._errors: tuple[type[Exception], ...] = (errors.BotoCoreError, OSError)

    @classmethod
    async def open(cls, region: str) -> AwsAccount:
        return await asyncio.to_thread(cls, region)

    @property
    def endpoint_is_set(self) -> bool:
        """Somebody named an endpoint, so it need not be Amazon's own."""
        return ".amazonaws.com" not in self.endpoint

    @property
    def where(self) -> str:
        """For messages."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2]

    @property
    def proxy(self) -> str | None:
        """The proxy that the environment wants for the endpoint."""
        proxies: dict[str, str] = _botocore("utils").get_environ_proxies(self.endpoint)
        return proxies.get(urlsplit(self.endpoint).scheme)

    def tls(self) -> ssl.SSLContext | bool:
        """Takes the certificates that other AWS programs in Python take."""
        if not self.endpoint.startswith("https:"):
            return True
        return ssl.create_default_context(cafile=self._ca_bundle or _botocore("httpsession").get_cert_path(True))

    async def signed(self, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The headers of a POST of this body to the endpoint. Raises CredentialsNotRenewed."""
        if self._must_renew():
            await self._renew()
        request = self._request("POST", self.endpoint, data=body, headers=dict(headers))
        self._signature(self._credentials.get_frozen_credentials(), "sqs", self.region).add_auth(request)
        return dict(request.headers.items())

    def _must_renew(self) -> bool:
        """Only credentials of a role expire."""
        refresh_needed = getattr(self._credentials, "refresh_needed", None)
        return refresh_needed is not None and bool(refresh_needed())

    async def _renew(self) -> None:
        async with self._renewing:
            if self._must_renew():
                try:
                    await asyncio.to_thread(self._credentials.get_frozen_credentials)
                except self._errors as error:
                    raise CredentialsNotRenewed(f"its credentials could not be renewed: {error}") from error


def _botocore(module: str) -> Any:
    """Imported late: it takes half a second, and only those who use SQS have it."""
    try:
        return importlib.import_module(f"botocore.{module}")
    except ImportError as error:
        raise SettingsInvalid(
            "ROADWORTHY_QUEUE_URL asks for SQS, which needs botocore: install roadworthy[aws]"
        ) from error


def _regions(session: Any) -> set[str]:
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("sqs", partition)
    }
