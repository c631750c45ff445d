"""A request to Cohere's chat API v2 as Cohere reads it, turned into OpenAI's shapes. Pure.

Known fields, ranges and wordings are those of its API reference and of its list of errors (read 2026-11-21), and of its
refusal of `strict` as reported by others (2026-03-23).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers.schema import SchemaError, check
from rotor_core.sandbox.conversation import Asked, Malformed
from rotor_core.sandbox.dialects._openai_request import asked_of
from rotor_core.sandbox.dialects._strict import object_of, objects, only, within

UNKNOWN_FIELD: Final = "unknown_field"
"""The code of a `Malformed` that is a 422 here."""

_BODY: Final = frozenset(
    {
        "model", "messages", "stream", "tools", "strict_tools", "documents", "citation_options", "response_format", "safety_mode",
        "max_tokens", "stop_sequences", "temperature", "seed", "frequency_penalty", "presence_penalty", "k", "p", "logprobs",
        "tool_choice", "thinking", "priority", "raw_prompting",
    }
)  # fmt: skip
_MESSAGES: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "tool_plan", "citations"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
}
_PARTS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "system": {"text": frozenset({"type", "text"})},
    "user": {"text": frozenset({"type", "text"}), "image_url": frozenset({"type", "image_url"})},
    "assistant": {"text": frozenset({"type", "text"}), "thinking": frozenset({"type", "thinking"})},
    "tool": {"text": frozenset({"type", "text"}), "document": frozenset({"type", "document"})},
}
_MOST_STOPS: Final = 5


def read(body: bytes) -> Asked:
    """What a body asks. Raises `Malformed`, and `ValueError` where it is not JSON."""
    sent = only(object_of(body, "invalid request: the body must be a JSON object."), _BODY, _unknown)
    if not sent.get("model"):
        raise Malformed("invalid request: a model parameter is required for this endpoint.", "model")
    if not items(sent.get("messages")):
        raise Malformed("invalid request: list of messages must not be empty.", "messages")
    _check_figures(sent)
    asked = asked_of(
        {
            "model": sent["model"],
            "messages": [_message(message, n) for n, message in enumerate(objects(sent["messages"]))],
            "tools": [_tool(tool) for tool in objects(sent.get("tools"))],
            "tool_choice": _choice(sent),
            "max_tokens": sent.get("max_tokens"),
            "stream": sent.get("stream"),
        }
    )
    think = _thinking(sent.get("thinking"))
    asked = replace(asked, stop=_stops(sent.get("stop_sequences")), include_usage=True, think=think, thoughts="shown")
    return _shaped(asked, sent)


def _unknown(name: str) -> Malformed:
    text = f"unknown field: parameter '{name}' is not a valid field. For proper usage, please refer to https://docs.cohere.com/reference/chat"
    return Malformed(text, name, UNKNOWN_FIELD)


def _check_figures(sent: Mapping[str, Any]) -> None:
    within(sent, "temperature", 0, 1, "invalid request: temperature must be between 0 and 1.0 inclusive.")
    within(sent, "p", 0.01, 0.99, "invalid request: p must be between 0.01 and 0.99 inclusive.")
    within(sent, "k", 0, 500, "invalid request: k must be between 0 and 500 inclusive.")
    penalties = ("frequency_penalty", "presence_penalty")
    for name in penalties:
        within(sent, name, 0, 1, f"invalid request: {name} must be between 0 and 1.0 inclusive.")
    if all(sent.get(name) for name in penalties):
        raise Malformed("invalid request: cannot specify both frequency_penalty and presence_penalty.", penalties[0])


def _message(sent: Mapping[str, Any], n: int) -> dict[str, Any]:
    role = sent.get("role")
    if not isinstance(role, str) or role not in _MESSAGES:
        raise Malformed(f"invalid request: message {n} has an invalid role '{role}'.", "messages")
    message = only(sent, _MESSAGES[role], _unknown)
    content = _content(message.get("content"), role)
    if role == "assistant":
        calls = [_call(call) for call in objects(message.get("tool_calls"))]
        if not content and not calls:
            raise Malformed("message must not be empty in a turn", "messages")
        return {"role": role, "content": content, **({"tool_calls": calls} if calls else {})}
    if not content and role != "tool":
        raise Malformed("message must not be empty in a turn", "messages")
    if role != "tool":
        return {"role": role, "content": content}
    if not message.get("tool_call_id"):
        raise Malformed("invalid request: tool message must have a tool_call_id.", "messages")
    return {"role": role, "content": content, "tool_call_id": message["tool_call_id"]}


def _content(content: object, role: str) -> str | list[Mapping[str, Any]]:
    if content is None or isinstance(content, str):
        return content or ""
    return [_part(part, role) for part in objects(content)]


def _part(sent: Mapping[str, Any], role: str) -> dict[str, Any]:
    kind = sent.get("type")
    if not isinstance(kind, str) or kind not in _PARTS[role]:
        raise Malformed(f"invalid request: content of type '{kind}' is not valid in a {role} message.", "messages")
    part = only(sent, _PARTS[role][kind], _unknown)
    match kind:
        case "image_url":
            image = only(part["image_url"], {"url", "detail"}, _unknown)
            if not isinstance(image.get("url"), str):
                raise Malformed("invalid request: image_url must have a url.", "messages")
            return {"type": "image_url", "image_url": image}
        case "document":
            document = only(part["document"], {"id", "data"}, _unknown)
            data = document.get("data")
            told = data if isinstance(data, str) else " ".join(str(value) for value in fields(data).values())
            return {"type": "text", "text": told}
        case _:
            return {"type": "text", "text": str(part.get(kind) or "")}


def _call(sent: Mapping[str, Any]) -> dict[str, Any]:
    call = only(sent, {"id", "type", "function"}, _unknown)
    function = only(call.get("function"), {"name", "arguments"}, _unknown)
    return {"id": call.get("id"), "type": "function", "function": dict(function)}


def _tool(sent: Mapping[str, Any]) -> dict[str, Any]:
    tool = only(sent, {"type", "function"}, _unknown)
    function = only(tool.get("function"), {"name", "description", "parameters"}, _unknown)
    if not isinstance(function.get("parameters"), Mapping):
        raise Malformed("invalid request: all tools must have parameters.", "tools")
    return {"type": tool.get("type"), "function": function}


def _choice(sent: Mapping[str, Any]) -> str | None:
    choice = sent.get("tool_choice")
    if choice is None:
        return None
    if choice not in ("REQUIRED", "NONE"):
        raise Malformed("invalid request: tool_choice must be one of REQUIRED or NONE.", "tool_choice")
    if not items(sent.get("tools")):
        raise Malformed("invalid request: tool_choice can only be specified with tools.", "tool_choice")
    return str(choice).lower()


def _stops(sent: object) -> tuple[str, ...]:
    stops = tuple(stop for stop in items(sent) if isinstance(stop, str))
    if sent is not None and (not stops or len(stops) > _MOST_STOPS or len(stops) < len(items(sent))):
        raise Malformed(
            f"invalid request: stop_sequences must be a list of 1 to {_MOST_STOPS} strings.", "stop_sequences"
        )
    return stops


def _thinking(sent: object) -> Literal["none", "medium"] | None:
    """Reasoning is on where a model can, unless it is turned off."""
    if sent is None:
        return None
    thinking = only(sent, {"type", "token_budget"}, _unknown)
    match thinking.get("type"):
        case "enabled":
            return "medium"
        case "disabled":
            return "none"
        case other:
            raise Malformed(f"invalid request: thinking.type must be enabled or disabled, not '{other}'.", "thinking")


def _shaped(asked: Asked, sent: Mapping[str, Any]) -> Asked:
    wanted = sent.get("response_format")
    if wanted is None:
        return asked
    form = only(wanted, {"type", "json_schema", "schema"}, _unknown)
    if form.get("type") == "text":
        return asked
    if form.get("type") != "json_object":
        raise Malformed("invalid request: response_format.type must be text or json_object.", "response_format")
    for other, spoken in (("tools", "tools"), ("documents", "RAG")):
        if items(sent.get(other)):
            raise Malformed(f"invalid request: response_format is not supported with {spoken}.", "response_format")
    schema = form.get("json_schema", form.get("schema"))
    if schema is None:
        return replace(asked, shape="json")
    try:
        check(schema, "response_format.json_schema")
    except SchemaError as error:
        raise Malformed(f"invalid request: invalid schema: {error}.", "response_format") from None
    return replace(asked, shape="schema", schema=fields(schema))
