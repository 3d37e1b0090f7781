import pytest
from pydantic_ai import exceptions as pai

from roadworthy.domain.errors import AgentFailed, LimitReached, ModelCallFailed
from roadworthy.domain.failure_class import FailureClass
from roadworthy.frameworks.pydantic_ai.errors import model_call_failure, run_failure

F = FailureClass


def http(category: type[pai.ModelAPIError] | None, status: int, **others: object) -> pai.ModelHTTPError:
    return pai.ModelHTTPError.for_category(category, status_code=status, model_name="m", **others)  # type: ignore[arg-type]


def damaged() -> pai.ModelAPIError:
    error = pai.ModelAPIError("m", "unreadable")
    error.__cause__ = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")
    return error


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (http(pai.ModelRateLimitError, 429), F.PROVIDER_RATE_LIMITED),
        (http(pai.ModelQuotaExceededError, 429), F.QUOTA_USED_UP),
        (http(pai.ModelOverloadedError, 529), F.PROVIDER_OVERLOADED),
        (http(pai.ModelUnavailableError, 503), F.PROVIDER_OVERLOADED),
        (http(pai.ModelServerError, 500), F.PROVIDER_FAILED),
        (http(pai.ModelAuthenticationError, 401), F.AUTHENTICATION_FAILED),
        (http(pai.ModelAuthenticationError, 403), F.PERMISSION_DENIED),
        (http(pai.ModelNotFoundError, 404), F.UNKNOWN_MODEL),
        (http(pai.ModelContextWindowExceededError, 400), F.CONTEXT_TOO_LONG),
        (http(pai.ModelRequestRejectedError, 400), F.INVALID_MODEL_REQUEST),
        (http(pai.ModelRequestRejectedError, 400, provider_error_code="content_filter"), F.CONTENT_REFUSED),
        (http(None, 409), F.PROVIDER_FAILED),
        (http(None, 418), F.INVALID_MODEL_REQUEST),
        (pai.ModelConnectionError("m", "broke"), F.CONNECTION_BROKEN),
        (pai.ModelTimeoutError("m", "slow"), F.MODEL_TIMED_OUT),
        (pai.ModelOverloadedError("m", "Overloaded", in_stream=True), F.PROVIDER_OVERLOADED),
        (pai.ModelAPIError("m", "something", in_stream=True), F.PROVIDER_FAILED),
        (pai.ModelAPIError("m", "something"), F.MODEL_CALL_FAILED),
        (damaged(), F.CONNECTION_BROKEN),
        (pai.ContentFilterError("filtered"), F.CONTENT_REFUSED),
        (pai.UnexpectedModelBehavior("an answer without choices"), F.PROVIDER_FAILED),
        (pai.ConcurrencyLimitExceeded("too many"), F.PROVIDER_RATE_LIMITED),
        (pai.FallbackExceptionGroup("all", [http(None, 400), pai.ModelConnectionError("m", "b")]), F.CONNECTION_BROKEN),
        (pai.FallbackExceptionGroup("all", [http(None, 400), http(None, 401)]), F.AUTHENTICATION_FAILED),
    ],
    ids=lambda value: value.value if isinstance(value, FailureClass) else f"{type(value).__name__}",
)
def test_errors_of_a_model_call_are_sorted(error: Exception, failure: FailureClass):
    failed = model_call_failure(error, "m")
    assert failed is not None
    assert failed.failure is failure
    assert "'m'" in failed.message


def test_the_headers_of_an_answer_say_when_to_come_back():
    failed = model_call_failure(http(pai.ModelRateLimitError, 429, headers={"Retry-After": "0.5"}), "m")
    assert failed is not None and failed.retry_after == 0.5
    failed = model_call_failure(pai.ModelRateLimitError("m", "wait", retry_after=4), "m")
    assert failed is not None and failed.retry_after == 4


@pytest.mark.parametrize("error", [ValueError("mine"), pai.UserError("set up wrongly")])
def test_an_error_of_the_code_around_the_model_is_left_as_it_is(error: Exception):
    assert model_call_failure(error, "m") is None


def test_a_run_that_ends_outside_its_calls_says_why():
    misbehaved = run_failure(pai.UnexpectedModelBehavior("Exceeded maximum retries (1) for output validation"))
    assert isinstance(misbehaved, ModelCallFailed) and misbehaved.failure is F.MODEL_MISBEHAVED
    assert "maximum retries" in misbehaved.message
    refused = run_failure(pai.ContentFilterError("filtered"))
    assert isinstance(refused, ModelCallFailed) and refused.failure is F.CONTENT_REFUSED
    assert isinstance(run_failure(pai.UsageLimitExceeded("the tool calls limit of 3")), LimitReached)
    assert isinstance(run_failure(pai.UserError("no model")), AgentFailed)
    own = run_failure(ConnectionResetError("gone"))
    assert own is not None and own.code == "connection_broken"


@pytest.mark.parametrize("error", [ValueError("mine"), LimitReached("used up"), ModelCallFailed("said before")])
def test_what_is_somebodys_own_or_sorted_before_stays(error: Exception):
    assert run_failure(error) is None
