"""Scripted answers: what the model says at which turn of a conversation.

A script in JSON is one of

* a list of replies: the k-th is the answer at turn k, for every model
* an object from model name (or shell pattern, `*` for the rest) to such a list
* `{"rules": [{"model": "sim-*", "contains": "refund", "replies": [...]}], "turns": "message"}`: the first rule whose
  pattern matches the model and whose text occurs in the latest user message wins

A reply is

* `"text"` or `{"text": "..."}`; `{"tokens": 50}` for generated text of that length
* `{"tools": [{"name": "book", "arguments": {"seat": 4}}, "lookup"]}`: parallel tool calls; arguments that are not
  given are generated from the tool's JSON schema in the request; may be combined with `text`
* `"nonsense"`: a call of the first tool with broken arguments; `{"nonsense": "tool"}`: a call of a tool that nobody has

After the last reply of a list the answers are generated text. A turn is a model call that came back before: `turns`
says since when they are counted, `message` (the latest user message, so that each task of a session starts again at the
first reply) or `conversation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from roadworthy.testing.simulated_provider.errors import InvalidSetting
from roadworthy.testing.simulated_provider.json_values import JsonObject, as_count, as_list, as_object

MOST_TOKENS = 1_000_000
"""The longest answer."""


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One tool call of a reply; `arguments` None means: make them from the tool's schema."""

    name: str
    arguments: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer of the model: text, tool calls, both, or nonsense."""

    text: str | None = None
    tokens: int | None = None
    calls: tuple[ScriptedCall, ...] = ()
    nonsense: Literal["arguments", "tool"] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """The replies for the models and messages that match."""

    replies: tuple[Reply, ...]
    model: str = "*"
    contains: str = ""


@dataclass(frozen=True, slots=True)
class Script:
    """Rules in the order in which they are tried."""

    rules: tuple[Rule, ...] = ()
    turns: Literal["message", "conversation"] = "message"

    def reply(self, model: str, message: str, turn: int, depth: int) -> Reply | None:
        """The reply for a request: `turn` model calls since the latest user `message`, `depth` in the conversation."""
        for rule in self.rules:
            if fnmatchcase(model, rule.model) and rule.contains in message:
                position = turn if self.turns == "message" else depth
                return rule.replies[position] if position < len(rule.replies) else None
        return None


def parse_script(value: object) -> Script:
    """Read a script from decoded JSON, or from the same shapes in Python. Raises InvalidSetting."""
    if value is None:
        return Script()
    if isinstance(value, Script):
        return value
    if (replies := as_list(value)) is not None:
        return Script((Rule(_replies(replies, "script")),))
    fields = as_object(value)
    if fields is None:
        raise InvalidSetting(f"a script is a list of replies or an object, not {value!r}")
    if "rules" not in fields:
        # `*` is what is left over, wherever it is written.
        named = sorted(fields.items(), key=lambda item: item[0] == "*")
        return Script(tuple(Rule(_replies(replies, model), model) for model, replies in named))
    _only(fields, {"rules", "turns"}, "a script with rules")
    turns = fields.get("turns", "message")
    if turns not in ("message", "conversation"):
        raise InvalidSetting(f"turns of a script must be message or conversation, not {turns!r}")
    rules = as_list(fields["rules"])
    if rules is None:
        raise InvalidSetting("rules of a script must be a list")
    return Script(tuple(_rule(rule) for rule in rules), turns)


def _rule(value: object) -> Rule:
    fields = as_object(value)
    if fields is None or "replies" not in fields:
        raise InvalidSetting(f"a rule of a script is an object with replies, not {value!r}")
    _only(fields, {"model", "contains", "replies"}, "a rule of a script")
    model = str(fields.get("model", "*"))
    return Rule(_replies(fields["replies"], model), model, str(fields.get("contains", "")))


def _replies(value: object, where: str) -> tuple[Reply, ...]:
    replies = as_list(value)
    if replies is None:
        raise InvalidSetting(f"the replies of {where} must be a list, not {value!r}")
    return tuple(parse_reply(reply) for reply in replies)


def parse_reply(value: object) -> Reply:
    """Read one reply of a script. Raises InvalidSetting."""
    if isinstance(value, Reply):
        return value
    if isinstance(value, str):
        return Reply(nonsense="arguments") if value == "nonsense" else Reply(text=value)
    fields = as_object(value)
    if not fields:
        raise InvalidSetting(f"a reply is a text or an object with text, tokens, tools or nonsense; got {value!r}")
    _only(fields, {"text", "tokens", "tools", "nonsense"}, "a reply")
    text, tokens, nonsense = fields.get("text"), fields.get("tokens"), fields.get("nonsense")
    if text is not None and not isinstance(text, str):
        raise InvalidSetting(f"text of a reply must be a string, not {text!r}")
    if tokens is not None and ((count := as_count(tokens)) is None or count > MOST_TOKENS):
        raise InvalidSetting(f"tokens of a reply must be a whole number up to {MOST_TOKENS}, not {tokens!r}")
    if nonsense not in (None, "arguments", "tool"):
        raise InvalidSetting(f"nonsense must be arguments or tool, not {nonsense!r}")
    return Reply(text, tokens, _calls(fields.get("tools", [])), nonsense)


def _calls(value: object) -> tuple[ScriptedCall, ...]:
    calls = as_list(value)
    if calls is None:
        raise InvalidSetting(f"tools of a reply must be a list, not {value!r}")
    return tuple(_call(call) for call in calls)


def _call(value: Any) -> ScriptedCall:
    if isinstance(value, str):
        return ScriptedCall(value)
    fields = as_object(value)
    if fields is None or not isinstance(fields.get("name"), str):
        raise InvalidSetting(f"a tool call of a reply is a name or an object with name and arguments, not {value!r}")
    _only(fields, {"name", "arguments"}, "a tool call of a reply")
    arguments = fields.get("arguments")
    if arguments is not None and as_object(arguments) is None:
        raise InvalidSetting(f"arguments of tool {fields['name']} must be an object, not {arguments!r}")
    return ScriptedCall(fields["name"], as_object(arguments))


def _only(fields: JsonObject, known: set[str], what: str) -> None:
    unknown = set(fields) - known
    if unknown:
        raise InvalidSetting(f"{what} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
