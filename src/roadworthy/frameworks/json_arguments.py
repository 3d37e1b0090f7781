"""Arguments of tool calls as JSON: equal ones give equal bytes, in whichever process, and different ones never do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, cast

import orjson
from pydantic import BaseModel, RootModel
from pydantic_core import to_jsonable_python

from roadworthy.domain.errors import NotKeepable
from roadworthy.domain.keepable import foreign_words

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS


def given_by_code(tool: str, arguments: Mapping[str, Any]) -> bytes:
    """Of a call that a plain function makes. NotKeepable where they hold what is not data."""
    try:
        return _json(arguments)
    except TypeError as error:
        raise NotKeepable(
            f"the arguments of the tool {tool!r} can't be kept in the journal ({foreign_words(error)}), so nobody "
            "could tell later whether a call is the same: give it JSON types, dates, dataclasses or pydantic models, "
            "and have it get connections and the like by itself"
        ) from error


def given_by_model(arguments: Any, as_sent: Callable[[], Mapping[str, Any]] | None) -> bytes:
    """Of a call that a model asks for: as they were validated, or as the model sent them where that gives no data."""
    try:
        return _json(arguments)
    except TypeError:
        pass
    if as_sent is None:
        return _as_said(arguments)
    sent = as_sent()
    if not isinstance(arguments, dict):
        return _as_said(sent)
    validated = cast(dict[str, Any], arguments)
    return _as_said({name: _data(value, sent.get(name)) for name, value in validated.items()})


def _data(value: Any, sent: Any) -> Any:
    try:
        return orjson.Fragment(_json(value))
    except TypeError:
        return repr(value) if sent is None else sent


def _as_said(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=repr, option=_OPTIONS)
    except TypeError:
        return orjson.dumps(repr(value))


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    """Nothing is left out of it, whatever its class says of how it is shown."""
    match value:
        case set() | frozenset():
            return [orjson.Fragment(each) for each in sorted(map(_json, cast(set[Any], value)))]
        case RootModel():
            return cast(Any, value).root
        case BaseModel():
            return _fields_of(value) | (value.model_extra or {})
        case tuple():
            return list(cast(tuple[Any, ...], value))
        case Iterator():
            raise TypeError("it can be read only once")
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in fields(value)}
        case _ if hasattr(value, "get_secret_value"):
            raise TypeError("a secret does not say what it is")
        case _:
            return to_jsonable_python(value)


def _fields_of(model: BaseModel) -> dict[str, Any]:
    """By the names that a person may give them again."""
    named: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        alias = field.validation_alias
        named[alias if isinstance(alias, str) else name] = getattr(model, name)
    return named
