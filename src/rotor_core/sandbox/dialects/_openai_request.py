"""A chat completions request as a provider reads it: strict, so that what it would refuse does not pass here. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, cast

from rotor_core._policy.content import fields, items
from rotor_core.sandbox.answers.schema import SchemaError, check
from rotor_core.sandbox.conversation import Asked, Malformed, Shape, Tool
from rotor_core.sandbox.tokens import texts_of

Effort = Literal["none", "low", "medium", "high"]
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
_PARTS: Final = frozenset({"text", "image_url", "input_audio", "file", "refusal"})
_EFFORTS: Final[Mapping[str, Effort]] = MappingProxyType(
    {
        "none": "none",
        "minimal": "low",
        "low": "low",
        "medium": "medium",
        "default": "medium",
        "high": "high",
        "xhigh": "high",
    }
)
_NO_TOOLS: Final = "'tool_choice' is only allowed when 'tools' are specified."
_MOST_STOPS: Final = 4


def read_chat(body: bytes) -> Asked:
    """What a body asks. Raises `Malformed`, and `ValueError` where it is not JSON."""
    data = json.loads(body.decode())
    if not isinstance(data, dict):
        raise Malformed("The body of a request must be a JSON object.")
    return asked_of(fields(data))  # pyright: ignore[reportUnknownArgumentType]


def asked_of(sent: Mapping[str, Any]) -> Asked:
    """What a parsed body asks. Raises `Malformed`."""
    model = sent.get("model")
    if not isinstance(model, str) or not model:
        raise Malformed("you must provide a model parameter", "model")
    messages = _messages(sent)
    tools = tuple(_tool(tool, n) for n, tool in enumerate(items(sent.get("tools"))))
    choice, forced = _choice(sent.get("tool_choice"), tools)
    shape, schema = _shape(sent.get("response_format"), messages)
    think, thoughts = _thinking(sent)
    if sent.get("n") not in (None, 1):
        raise Malformed("'n' : number must be at most 1", "n")
    return Asked(
        model=model,
        messages=messages,
        tools=tools,
        choice=choice,
        forced=forced,
        parallel=sent.get("parallel_tool_calls") is not False,
        shape=shape,
        schema=schema,
        max_tokens=_most(sent),
        stop=_stop(sent.get("stop")),
        stream=sent.get("stream") is True,
        include_usage=fields(sent.get("stream_options")).get("include_usage") is True,
        think=think,
        thoughts=thoughts,
    )


def _messages(sent: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if not isinstance(sent.get("messages"), list):
        raise Malformed("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    messages = [fields(message) for message in items(sent["messages"])]
    if not messages:
        raise Malformed("Invalid 'messages': empty array. Expected at least one message.", "messages", "empty_array")
    open_calls: set[str] = set()
    for n, message in enumerate(messages):
        _check_message(message, f"messages[{n}]")
        open_calls = _follow(message, open_calls, f"messages[{n}]")
    if open_calls:
        raise _unanswered(open_calls)
    return messages


def _check_message(message: Mapping[str, Any], place: str) -> None:
    role: object = message.get("role")
    content: object = message.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        raise Malformed(f"Invalid value: '{role}'. Supported values are: {', '.join(sorted(_ROLES))}.", f"{place}.role")
    if content is None and role != "assistant":
        raise Malformed(f"Invalid value for 'content': expected a string, got null. ({place})", f"{place}.content")
    if content is not None and not isinstance(content, str | list):
        raise Malformed(f"Invalid type for '{place}.content': expected a string or an array.", f"{place}.content")
    for part in items(cast("object", content)):
        kind = fields(part).get("type")
        if not isinstance(kind, str) or kind not in _PARTS:
            known = ", ".join(sorted(_PARTS))
            raise Malformed(f"Invalid value: '{kind}'. Supported values are: {known}.", f"{place}.content")


def _follow(message: Mapping[str, Any], open_calls: set[str], place: str) -> set[str]:
    """The calls that wait for an answer after this message. A conversation whose calls and answers do not match is refused."""
    if message.get("role") == "tool":
        ident = str(message.get("tool_call_id"))
        if ident not in open_calls:
            raise Malformed(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
                f"{place}.role",
            )
        return open_calls - {ident}
    if open_calls:
        raise _unanswered(open_calls)
    calls = [fields(call) for call in items(message.get("tool_calls"))]
    for call in calls:
        if not isinstance(fields(call.get("function")).get("arguments"), str) or not call.get("id"):
            raise Malformed("Missing or invalid part of a tool call: 'id' and 'function.arguments' are strings.", place)
    return {str(call["id"]) for call in calls}


def _unanswered(open_calls: set[str]) -> Malformed:
    return Malformed(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following tool_call_ids did not have response messages: {', '.join(sorted(open_calls))}",
        "messages",
    )


def _tool(tool: object, n: int) -> Tool:
    known = fields(tool)
    function = fields(known.get("function"))
    name = function.get("name")
    if known.get("type") != "function" or not isinstance(name, str) or not name:
        raise Malformed(f"Missing required parameter: 'tools[{n}].function.name'.", f"tools[{n}]")
    parameters = function.get("parameters")
    schema = fields(parameters)
    try:
        check(parameters if parameters is not None else {})
    except SchemaError as error:
        raise _bad_function(name, str(error), n) from None
    if parameters and schema.get("type") != "object" and "$ref" not in schema and "allOf" not in schema:
        raise _bad_function(name, f'schema must be of type "object", got type: "{schema.get("type")}"', n)
    return Tool(name, str(function.get("description") or ""), schema)


def _bad_function(name: str, problem: str, n: int) -> Malformed:
    return Malformed(
        f"Invalid schema for function '{name}': {problem}.",
        f"tools[{n}].function.parameters",
        "invalid_function_parameters",
    )


def _choice(choice: object, tools: tuple[Tool, ...]) -> tuple[Literal["auto", "none", "required"], str | None]:
    if choice is None:
        return "auto", None
    if not tools:
        raise Malformed(_NO_TOOLS, "tool_choice")
    if isinstance(choice, str) and choice in {"auto", "none", "required"}:
        return cast('Literal["auto", "none", "required"]', choice), None
    name = fields(fields(choice).get("function")).get("name")
    if not isinstance(name, str) or name not in {tool.name for tool in tools}:
        raise Malformed(f"Tool choice '{name or choice}' not found in 'tools' parameter.", "tool_choice")
    return "required", str(name)


def _shape(wanted: object, messages: list[Mapping[str, Any]]) -> tuple[Shape, Mapping[str, Any] | None]:
    match fields(wanted).get("type"):
        case None | "text":
            return "text", None
        case "json_object":
            if "json" not in texts_of(messages).lower():
                raise Malformed(
                    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                    "messages",
                )
            return "json", None
        case "json_schema":
            described = fields(fields(wanted).get("json_schema"))
            try:
                check(described.get("schema"), "response_format.json_schema.schema")
            except SchemaError as error:
                name = described.get("name")
                raise Malformed(f"Invalid schema for response_format '{name}': {error}.", "response_format") from None
            return "schema", fields(described.get("schema"))
        case other:
            raise Malformed(f"Invalid value: '{other}'.", "response_format.type")


def _most(sent: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        most = sent.get(name)
        if most is not None:
            if not isinstance(most, int) or isinstance(most, bool) or most < 1:
                raise Malformed(f"Invalid '{name}': integer below minimum value. Expected a value >= 1.", name)
            return most
    return None


def _stop(stop: object) -> tuple[str, ...]:
    if stop is None:
        return ()
    stops = (stop,) if isinstance(stop, str) else tuple(items(stop))
    if not all(isinstance(text, str) for text in stops) or len(stops) > _MOST_STOPS:
        raise Malformed(f"Invalid 'stop': a string, or an array of {_MOST_STOPS} strings at most.", "stop")
    return tuple(text for text in stops if isinstance(text, str))


def _thinking(
    sent: Mapping[str, Any],
) -> tuple[Effort | None, Literal["shown", "inline", "hidden"]]:
    """How hard to think, and what becomes of it: `include_reasoning`, or Groq's `reasoning_format`."""
    effort = sent.get("reasoning_effort")
    shown: Literal["shown", "inline", "hidden"] = "hidden"
    match sent.get("reasoning_format"):
        case "parsed":
            shown = "shown"
        case "raw":
            shown = "inline"
        case _:
            shown = "shown" if sent.get("include_reasoning") is True else "hidden"
    asked = shown != "hidden" and effort is None
    return ("medium" if asked else _EFFORTS.get(str(effort))), shown
