"""What Cohere's answers say, in the core's shapes: what a whole answer and a stream's events have in common. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from rotor_core._outcome import Answer, Usage
from rotor_core.adapters.json_values import EMPTY, count, is_object, kind, name, rows, string, table
from rotor_core.adapters.openai_calls import tool_calls_of
from rotor_core.adapters.wire import WireError

_FINISHES: Final[Mapping[str, str]] = MappingProxyType(
    {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
)
_FAILED: Final = frozenset({"ERROR", "TIMEOUT"})


def answer_of(data: Any, headers: Mapping[str, str] = EMPTY) -> Answer:
    """An answer from a parsed body. Raises WireError where it is an error, or holds no message."""
    body = body_without_error(data)
    message = table(body.get("message"))
    if not message:
        raise WireError("JSON without a message in it")
    finish = finish_of(body)
    content = message.get("content")
    parts = [content] if isinstance(content, str) else rows(content)
    said = [spoken(part) for part in parts]
    return Answer(
        "".join(text for text, _ in said),
        tool_calls_of(message.get("tool_calls"), name(body.get("id"))),
        "".join(thought for _, thought in said) + string(message.get("tool_plan")),
        finish,
        usage_of(body),
        None,  # it does not say which model answered
        name(body.get("id")),
        headers,
    )


def body_without_error(data: Any) -> Mapping[str, Any]:
    """The body, if it is a JSON object and no error, for all that the status said. Raises WireError."""
    if not is_object(data):
        raise WireError(f"JSON that is a {kind(data)}, not an object")
    # An error's `message` is its text, an answer's is an object.
    if isinstance(data.get("message"), str) or data.get("error"):
        raise WireError("an error with a status of success", json.dumps(data))
    return data


def spoken(part: Any) -> tuple[str, str]:
    """Text and thoughts of one part of the content, of which one is empty."""
    if isinstance(part, str):
        return part, ""
    known = table(part)
    return string(known.get("text")), string(known.get("thinking"))


def finish_of(body: Mapping[str, Any]) -> str | None:
    """Why it ended, in OpenAI's words. Raises WireError where it failed: what was said before is then no answer."""
    finish = name(body.get("finish_reason"))
    problem = body.get("error")
    if finish in _FAILED or problem:
        said = json.dumps({"message": problem}) if isinstance(problem, str) and problem else None
        raise WireError(f"an answer that ended in {finish or 'an error'}", said)
    return None if finish is None else _FINISHES.get(finish, finish.lower())


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """What the model read and wrote, its hidden preamble included: `tokens`; or what is billed, where that is all there is.

    Images are counted beside the prompt.
    """
    usage = table(body.get("usage"))
    tokens = table(usage.get("tokens")) or table(usage.get("billed_units"))
    if tokens.keys().isdisjoint({"input_tokens", "output_tokens"}):
        return None
    return Usage(
        count(tokens.get("input_tokens")),
        count(tokens.get("output_tokens")),
        count(usage.get("cached_tokens")),
        count(tokens.get("reasoning_tokens")),
        beside_input=count(tokens.get("image_tokens")),
    )
