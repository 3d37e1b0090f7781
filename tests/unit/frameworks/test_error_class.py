import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aiohttp
import anthropic
import httpcore2
import httpx2
import openai
import orjson
import pytest

from roadworthy.domain.failure_class import FailureClass
from roadworthy.frameworks.error_class import agent_failure, class_of, model_failure, retry_after, said, tool_failure

F = FailureClass
REQUEST = httpx2.Request("POST", "http://provider/v1")


def answered(status: int, body: Any = None, headers: dict[str, str] | None = None, client: Any = openai) -> Exception:
    """What a provider's client raises for such an answer."""
    response = httpx2.Response(status, headers=headers, json=body, request=REQUEST)
    made = client.OpenAI if client is openai else client.Anthropic
    return made(api_key="k")._make_status_error_from_response(response)


def openai_body(code: str | None, message: str = "no", type: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, "type": type}}


def anthropic_body(type: str, message: str = "no") -> dict[str, Any]:
    return {"type": "error", "error": {"type": type, "message": message}}


class Plain(Exception):
    """Of somebody's own client."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"it said {status}")
        self.status = status
        self.headers = headers or {}


def content_type_error() -> Exception:
    info: Any = type("Info", (), {"real_url": "http://provider"})()
    return aiohttp.ContentTypeError(info, (), status=200, message="not JSON")


OPENAI = [
    (answered(400, openai_body(None)), F.INVALID_MODEL_REQUEST),
    (answered(400, openai_body("context_length_exceeded")), F.CONTEXT_TOO_LONG),
    (answered(400, openai_body(None, "This model's maximum context length is 8192 tokens.")), F.CONTEXT_TOO_LONG),
    (answered(400, openai_body("content_policy_violation")), F.CONTENT_REFUSED),
    (answered(400, openai_body("content_filter", "The response was filtered due to …")), F.CONTENT_REFUSED),
    (answered(400, openai_body("model_not_found")), F.UNKNOWN_MODEL),
    (answered(401, openai_body("invalid_api_key")), F.AUTHENTICATION_FAILED),
    (answered(403, openai_body(None)), F.PERMISSION_DENIED),
    (answered(404, openai_body("model_not_found")), F.UNKNOWN_MODEL),
    (answered(413, openai_body(None)), F.CONTEXT_TOO_LONG),
    (answered(422, openai_body(None)), F.INVALID_MODEL_REQUEST),
    (answered(429, openai_body("rate_limit_exceeded")), F.PROVIDER_RATE_LIMITED),
    (answered(429, openai_body("insufficient_quota")), F.QUOTA_USED_UP),
    (answered(500, openai_body("server_error")), F.PROVIDER_FAILED),
    (answered(502, "<html>Bad gateway</html>"), F.PROVIDER_FAILED),
    (answered(503, openai_body(None)), F.PROVIDER_FAILED),
    (answered(503, openai_body(None, "The server is overloaded")), F.PROVIDER_OVERLOADED),
    (answered(504, openai_body(None)), F.MODEL_TIMED_OUT),
    (openai.APIConnectionError(request=REQUEST), F.CONNECTION_BROKEN),
    (openai.APITimeoutError(request=REQUEST), F.MODEL_TIMED_OUT),
    (openai.APIError("in the stream", REQUEST, body={"code": "rate_limit_exceeded"}), F.PROVIDER_RATE_LIMITED),
    (openai.APIError("in the stream", REQUEST, body=None), F.PROVIDER_FAILED),
    (openai.OpenAIError("The api_key client option must be set"), None),
]
ANTHROPIC = [
    (answered(400, anthropic_body("invalid_request_error"), client=anthropic), F.INVALID_MODEL_REQUEST),
    (
        answered(400, anthropic_body("invalid_request_error", "prompt is too long: 210000 tokens"), client=anthropic),
        F.CONTEXT_TOO_LONG,
    ),
    (
        answered(400, anthropic_body("invalid_request_error", "Your credit balance is too low"), client=anthropic),
        F.QUOTA_USED_UP,
    ),
    (answered(401, anthropic_body("authentication_error"), client=anthropic), F.AUTHENTICATION_FAILED),
    (answered(403, anthropic_body("permission_error"), client=anthropic), F.PERMISSION_DENIED),
    (answered(404, anthropic_body("not_found_error"), client=anthropic), F.UNKNOWN_MODEL),
    (answered(413, anthropic_body("request_too_large"), client=anthropic), F.CONTEXT_TOO_LONG),
    (answered(429, anthropic_body("rate_limit_error"), client=anthropic), F.PROVIDER_RATE_LIMITED),
    (answered(500, anthropic_body("api_error"), client=anthropic), F.PROVIDER_FAILED),
    (answered(529, anthropic_body("overloaded_error"), client=anthropic), F.PROVIDER_OVERLOADED),
    (
        anthropic.APIError("overloaded", REQUEST, body=anthropic_body("overloaded_error")),  # type: ignore[arg-type]
        F.PROVIDER_OVERLOADED,
    ),
    (anthropic.APIConnectionError(request=REQUEST), F.CONNECTION_BROKEN),  # type: ignore[arg-type]
    (anthropic.APITimeoutError(request=REQUEST), F.MODEL_TIMED_OUT),  # type: ignore[arg-type]
]
CONNECTIONS = [
    (httpx2.ConnectError("refused"), F.CONNECTION_BROKEN),
    (httpx2.ReadError("broke"), F.CONNECTION_BROKEN),
    (httpx2.RemoteProtocolError("half an answer"), F.CONNECTION_BROKEN),
    (httpx2.ConnectTimeout("slow"), F.MODEL_TIMED_OUT),
    (httpx2.ReadTimeout("slow"), F.MODEL_TIMED_OUT),
    (httpcore2.ReadError("broke"), F.CONNECTION_BROKEN),
    (httpx2.InvalidURL("not a URL"), None),
    (httpx2.HTTPStatusError("no", request=REQUEST, response=httpx2.Response(503)), F.PROVIDER_FAILED),
    (aiohttp.ServerDisconnectedError(), F.CONNECTION_BROKEN),
    (aiohttp.ClientPayloadError("half"), F.CONNECTION_BROKEN),
    (aiohttp.ServerTimeoutError("slow"), F.MODEL_TIMED_OUT),
    (aiohttp.InvalidURL("not a URL"), None),
    (content_type_error(), F.CONNECTION_BROKEN),
    (ConnectionResetError("gone"), F.CONNECTION_BROKEN),
    (ConnectionRefusedError("nobody"), F.CONNECTION_BROKEN),
    (asyncio.IncompleteReadError(b"", 5), F.CONNECTION_BROKEN),
    (TimeoutError(), F.MODEL_TIMED_OUT),
    (Plain(429), F.PROVIDER_RATE_LIMITED),
    (Plain(529), F.PROVIDER_OVERLOADED),
    (Plain(400), F.INVALID_MODEL_REQUEST),
    (Plain(200), None),
]
OTHERS = [ValueError("mine"), KeyError("k"), FileNotFoundError("f"), ssl.SSLError("handshake"), RuntimeError("429")]


def named(value: object) -> str:
    return f"{type(value).__name__}-{str(value)[:40]}" if isinstance(value, Exception) else str(value)


@pytest.mark.parametrize(("error", "failure"), [*OPENAI, *ANTHROPIC, *CONNECTIONS], ids=named)
def test_errors_of_clients_and_connections_are_sorted(error: Exception, failure: FailureClass | None):
    assert class_of(error) is failure


@pytest.mark.parametrize("error", OTHERS, ids=named)
def test_an_error_of_somebodys_own_code_is_left_to_them(error: Exception):
    assert class_of(error) is None
    assert model_failure(error, "m") is tool_failure(error, "t") is agent_failure(error) is None


def test_an_answer_that_cant_be_read_is_the_connections_fault_in_a_model_call_only():
    try:
        orjson.loads(b"{")
    except json.JSONDecodeError as damaged:
        failed = model_failure(damaged, "m")
        assert failed is not None and failed.failure is F.CONNECTION_BROKEN
        assert agent_failure(damaged) is None


def test_a_tools_own_connection_has_classes_of_its_own():
    broken, slow = tool_failure(ConnectionResetError("gone"), "find"), tool_failure(httpx2.ReadTimeout("slow"), "find")
    assert broken is not None and (broken.failure, broken.tool) == (F.TOOL_UNREACHABLE, "find")
    assert slow is not None and slow.failure is F.TOOL_TIMED_OUT
    busy, refused = tool_failure(Plain(429), "find"), tool_failure(Plain(404), "find")
    assert busy is not None and busy.failure is F.TOOL_SERVICE_FAILED
    assert refused is not None and (refused.failure, refused.failure.is_retried) == (F.TOOL_CALL_FAILED, False)


def test_a_failed_call_tells_model_reason_status_and_the_providers_words():
    failed = model_failure(answered(529, anthropic_body("overloaded_error", "Overloaded"), client=anthropic), "haiku")
    assert failed is not None
    assert failed.message == "the call of the model 'haiku' failed: the provider is overloaded (529: Overloaded)"


def test_a_providers_words_are_short_and_without_markup():
    long = said(answered(400, openai_body(None, "x" * 5000)))
    assert len(long) < 320 and long.endswith("…")
    page = "<html><style>p {}</style><script>alert(1)</script><body>\n<h1>502</h1> Bad\n gateway</body></html>"
    error = answered(502)
    error.message = page  # type: ignore[attr-defined]
    assert said(error) == "502: 502 Bad gateway"
    assert said(ConnectionResetError()) == "ConnectionResetError: no message"


def test_a_date_to_come_back_at_is_understood():
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert retry_after(Plain(429, {"Retry-After": date})) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "60"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("client", [openai, anthropic, None], ids=["openai", "anthropic", "plain"])
def test_the_provider_is_given_the_time_that_it_asks_for(headers: dict[str, str], seconds: float | None, client: Any):
    error = Plain(429, headers) if client is None else answered(429, openai_body(None), headers, client)
    assert retry_after(error) == seconds
    failed = model_failure(error, "m")
    assert failed is not None and failed.retry_after == pytest.approx(seconds, abs=1)
