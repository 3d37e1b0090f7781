"""Which path does what.

| request | answer |
|---|---|
| `POST /v1/chat/completions` | the OpenAI wire |
| `POST /v1/messages`, `POST /v1/messages/count_tokens` | the Anthropic wire |
| `GET /v1/models` | a list of models that both clients can read |
| `GET /stats` | the counters; with `requests_at_least`, `held_at_least`, `ended_at_least`, `tokens_at_least` or `inflight_at_most` it waits up to `seconds` (20) until they are so, and `reached` says whether they are |
| `GET /requests` | the latest requests, oldest first |
| `POST /control` | changes the setup; see `SimulatedProvider.control` |
| `POST /reset` | all counters to 0, the setup stays |
"""  # noqa: E501

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

import orjson

from roadworthy.testing.simulated_provider.answer import compose_answer
from roadworthy.testing.simulated_provider.anthropic_wire import AnthropicWire
from roadworthy.testing.simulated_provider.errors import BadRequest, InvalidSetting
from roadworthy.testing.simulated_provider.exchange import Exchange
from roadworthy.testing.simulated_provider.http_connection import Connection, HttpRequest
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_object
from roadworthy.testing.simulated_provider.openai_wire import CREATED, OpenAIWire
from roadworthy.testing.simulated_provider.state import ProviderState
from roadworthy.testing.simulated_provider.statistics import WANTED_NAMES, RequestRecord, Wanted
from roadworthy.testing.simulated_provider.wire import Wire

_KEY_LENGTH = 120
_LONGEST_WAIT_SECONDS = 600.0
_MODELS = ("sim-small", "sim-large")


class Routes:
    """Answers the requests of all connections of one provider."""

    def __init__(self, state: ProviderState) -> None:
        self._state = state
        self._openai = OpenAIWire()
        self._anthropic = AnthropicWire()
        self._waits: set[asyncio.Task[None]] = set()

    def answer(self, connection: Connection, request: HttpRequest) -> None:
        """Answer one request, now or later; whatever is wrong with it becomes an error in the provider's shape."""
        path, _, query = request.target.decode("latin-1").partition("?")
        wire: Wire = self._anthropic if path.startswith("/v1/messages") else self._openai
        try:
            self._route(connection, request, path, query, wire)
        except BadRequest as error:
            self._refuse(connection, wire, error.status, str(error))
        except InvalidSetting as error:
            self._refuse(connection, wire, 400, str(error))

    async def stop(self) -> None:
        """End the long polls."""
        waits = list(self._waits)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    def _route(self, connection: Connection, request: HttpRequest, path: str, query: str, wire: Wire) -> None:
        match request.method, path:
            case b"POST", "/v1/chat/completions" | "/v1/messages":
                self._model_call(connection, request.body, wire)
            case b"POST", "/v1/messages/count_tokens":
                read_body(request.body)
                self._send(connection, {"input_tokens": max(1, len(request.body) // 4)})
            case b"GET", "/v1/models":
                self._send(connection, _models())
            case b"GET", "/stats":
                self._show_statistics(connection, query)
            case b"GET", "/requests":
                self._send(connection, list(self._state.statistics.records))
            case b"POST", "/control":
                released = self._state.control(read_body(request.body))
                self._send(connection, {"released": released, "held": self._state.statistics.held})
            case b"POST", "/reset":
                self._state.reset()
                self._send(connection, {})
            case (
                _,
                "/v1/chat/completions" | "/v1/messages" | "/v1/models" | "/stats" | "/requests" | "/control" | "/reset",
            ):
                raise BadRequest(f"{request.method.decode('latin-1')} is not allowed for {path}", 405)
            case _:
                raise BadRequest(
                    f"unknown path {path}; this provider speaks /v1/chat/completions and /v1/messages", 404
                )

    def _model_call(self, connection: Connection, body: bytes, wire: Wire) -> None:
        state = self._state
        request = wire.read(read_body(body), len(body))
        behaviour = state.behaviour(request.model)
        number = state.statistics.number = state.statistics.number + 1
        record = RequestRecord(
            number=number,
            wire=request.wire,
            model=request.model,
            key=request.key[:_KEY_LENGTH],
            message=request.message[:_KEY_LENGTH],
            turn=request.turn,
            depth=request.depth,
            stream=request.stream,
            cache_read_tokens=request.cached.read,
            cache_write_tokens=request.cached.write,
        )
        state.statistics.begin(record)
        fault = state.fault(number, request.model)
        answer = compose_answer(request, number, behaviour, state.settings)
        Exchange(state, connection, wire, answer, record, fault).begin()

    def _show_statistics(self, connection: Connection, query: str) -> None:
        fields = dict(parse_qsl(query, keep_blank_values=True))
        unknown = set(fields) - WANTED_NAMES - {"seconds"}
        if unknown:
            known = ", ".join(sorted(WANTED_NAMES))
            raise InvalidSetting(f"/stats has no {', '.join(sorted(unknown))}; it has {known} and seconds")
        if not fields:
            self._send(connection, self._state.statistics.snapshot())
            return
        try:
            seconds = min(float(fields.pop("seconds", "20")), _LONGEST_WAIT_SECONDS)
            wanted = Wanted(**{name: int(value) for name, value in fields.items()})
        except ValueError:
            raise InvalidSetting("the parameters of /stats must be numbers") from None
        wait = asyncio.create_task(self._send_when(connection, wanted, seconds), name="simulated provider long poll")
        self._waits.add(wait)
        wait.add_done_callback(self._waits.discard)

    async def _send_when(self, connection: Connection, wanted: Wanted, seconds: float) -> None:
        reached = await self._state.statistics.wait_for(wanted, seconds)
        if not connection.closed:
            self._send(connection, {**self._state.statistics.snapshot(), "reached": reached})

    def _refuse(self, connection: Connection, wire: Wire, status: int, message: str) -> None:
        self._state.statistics.bad_requests += 1
        connection.send(status, wire.error(status, message))

    def _send(self, connection: Connection, value: object) -> None:
        connection.send(200, orjson.dumps(value))


def read_body(body: bytes) -> JsonObject:
    """The JSON object of a request. Raises BadRequest."""
    try:
        value = as_object(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if value is None:
        raise BadRequest("the body must be a JSON object")
    return value


def _models() -> JsonObject:
    data = [
        {
            "id": model,
            "object": "model",
            "created": CREATED,
            "owned_by": "roadworthy",
            "type": "model",
            "display_name": model,
            "created_at": "2023-11-14T22:13:20Z",
        }
        for model in _MODELS
    ]
    return {"object": "list", "data": data, "has_more": False, "first_id": _MODELS[0], "last_id": _MODELS[-1]}
