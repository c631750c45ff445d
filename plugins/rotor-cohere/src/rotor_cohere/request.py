"""A request in OpenAI's shapes as Cohere's chat API v2 wants it. Pure; nothing of the request is changed.

Cohere refuses every field that it does not know, wherever it stands, so that the history is made plain (`history`) and
tools are written anew from what it knows. Where OpenAI's scale is wider than Cohere's, the nearest that Cohere takes is
sent; what has no counterpart and changes nothing of the answer is left out; what would be lost in silence is refused
(`UnfitError`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.history import Manner, neutral
from rotor_core.adapters.media import mapping
from rotor_core.adapters.parameters import fitted
from rotor_core.adapters.wire import UnfitError

_OURS: Final = frozenset({"model", "messages", "stream", "tools", "tool_choice", "response_format"})
"""What `params` may not set: it is decided before the wire."""
_TAKEN: Final = frozenset({"logprobs"})
"""Of OpenAI's parameters that not everybody has (its SDK 7.3.1, 2026-11). Beside the tokens of an answer it tells no likelier ones."""
_RENAMED: Final[Mapping[str, str]] = MappingProxyType(
    {"max_completion_tokens": "max_tokens", "top_p": "p", "top_k": "k", "stop": "stop_sequences"}
)
_SCALES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "temperature": (0.0, 1.0),
        "p": (0.01, 0.99),
        "k": (0, 500),
        "frequency_penalty": (0.0, 1.0),
        "presence_penalty": (0.0, 1.0),
    }
)
"""The least and the most that Cohere takes (its API reference, 2026-11-21)."""
_PENALTIES: Final = ("frequency_penalty", "presence_penalty")
_MOST_STOPS: Final = 5
_NO_THOUGHT: Final = frozenset({"none", "minimal"})
_IMAGE: Final = ("url", "detail")
_MANNER: Final = Manner(
    own_fields=frozenset({"tool_plan", "reasoning_content"}), takes=frozenset({"image_url"}), names=False
)


def body_of(model: Model, request: Request, *, stream: bool) -> dict[str, Any]:
    """The body as a dict. Raises `UnfitError` for what Cohere cannot be told."""
    body: dict[str, Any] = {
        "model": model.name,
        "messages": [message for plain in neutral(request.messages, _MANNER) for message in _message(plain)],
        "stream": stream,
    }
    body.update(_params(model, request.params))
    form = _response_format(request.response_format)
    if form is None:
        _add_tools(body, request)
        return body
    # Tools that may not be called are no loss; others are what the answer would be made with.
    if request.tools and request.tool_choice != "none":
        raise UnfitError(
            "Cohere takes no response_format together with tools; leave one of them out, "
            "or let a tool's arguments be the structured answer"
        )
    body["response_format"] = form
    return body


# ---- messages -----------------------------------------------------------------------------------------------------


def _message(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A plain message in Cohere's shape; none for one that says nothing, since Cohere refuses an empty turn."""
    content = message.get("content")
    match message.get("role"):
        case "tool":
            yield {"role": "tool", "tool_call_id": message["tool_call_id"], "content": content}
        case "assistant":
            said = _said(message)
            if any(said.values()):
                yield {"role": "assistant", **said}
        case "user" if content:
            yield {"role": "user", "content": content if isinstance(content, str) else [_part(p) for p in content]}
        case "system" if content:
            if not isinstance(content, str):
                raise UnfitError("Cohere takes nothing but text in a system message")
            yield {"role": "system", "content": content}
        case "user" | "system":
            pass
        case other:
            raise UnfitError(f"Cohere knows no messages of the role {other!r}")


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of what a user says: text or an image, as `_MANNER` has it. Raises `UnfitError` for an image that is none."""
    if part.get("type") == "text":
        return part
    image = mapping(part.get("image_url"))
    if not image.get("url"):
        raise UnfitError("an image without a URL is in the request")
    return {"type": "image_url", "image_url": {key: image[key] for key in _IMAGE if image.get(key)}}


def _said(message: Mapping[str, Any]) -> dict[str, Any]:
    """An assistant's turn. Beside tool calls Cohere has a plan where others have text: it is what was said, or thought.

    Thoughts of a turn that is over are left out: they are another model's as often as not, and are never needed again.
    """
    text, calls = message.get("content"), message.get("tool_calls")
    if not calls:
        return {"content": text}
    plan = text or message.get("tool_plan") or message.get("reasoning_content")
    return {"tool_calls": calls, **({"tool_plan": plan} if plan else {})}


# ---- tools --------------------------------------------------------------------------------------------------------


def _add_tools(body: dict[str, Any], request: Request) -> None:
    """Tools and which of them: a named one is the only one that is sent, and it is required."""
    if not request.tools:
        return
    tools = [mapping(tool) for tool in request.tools]
    choice, name = _choice(request.tool_choice)
    if name is not None:
        tools = [tool for tool in tools if mapping(tool.get("function")).get("name") == name]
        if not tools:
            raise UnfitError(f"tool_choice names the tool {name!r}, which is not among the request's tools")
    body["tools"] = [_tool(tool) for tool in tools]
    if all(mapping(tool.get("function")).get("strict") is True for tool in tools):
        body.setdefault("strict_tools", True)
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = mapping(tool.get("function"))
    if tool.get("type", "function") != "function" or not function.get("name"):
        raise UnfitError(f"Cohere takes functions as tools, none of the type {tool.get('type')!r}")
    written = {"name": function["name"]}
    if function.get("description"):
        written["description"] = function["description"]
    written["parameters"] = function.get("parameters") or {"type": "object", "properties": {}}
    return {"type": "function", "function": written}


def _choice(choice: str | Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """Cohere's word for a tool choice, and the only tool that is to be sent, if one was named."""
    if isinstance(choice, Mapping):
        name = mapping(choice.get("function")).get("name")
        return "REQUIRED", str(name)
    match choice:
        case None | "auto":
            return None, None
        case "none":
            return "NONE", None
        case "any" | "required":
            return "REQUIRED", None
        case name:
            return "REQUIRED", name


# ---- the rest -----------------------------------------------------------------------------------------------------


def _response_format(wanted: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """JSON of a schema stands in Cohere's JSON mode, without a name."""
    match wanted and wanted.get("type"):
        case None | "text":
            return None
        case "json_schema":
            schema = mapping(mapping(wanted).get("json_schema")).get("schema")
            return {"type": "json_object", "json_schema": schema} if schema else {"type": "json_object"}
        case "json_object":
            return wanted
        case other:
            raise UnfitError(f"Cohere knows no response_format of the type {other!r}")


def _params(model: Model, params: Mapping[str, Any]) -> dict[str, Any]:
    """Cohere's own params pass as they stand, OpenAI's under Cohere's names."""
    found: dict[str, Any] = {}
    for key, value in fitted(params, _TAKEN).items():
        if key in _OURS or value is None:
            continue
        if key == "reasoning_effort":
            found |= _thinking(model, str(value))
        else:
            name = _RENAMED.get(key, key)
            found[name] = _fitted(name, value)
    if not found.get("stop_sequences", True):
        del found["stop_sequences"]
    for name in _PENALTIES:  # their default, and several models take only one of the two
        if found.get(name, 1) == 0:
            del found[name]
    return found


def _fitted(name: str, value: Any) -> Any:
    if name == "stop_sequences":
        stops = [value] if isinstance(value, str) else list(value)
        if len(stops) > _MOST_STOPS:
            raise UnfitError(f"Cohere takes at most {_MOST_STOPS} stop sequences, and there are {len(stops)}")
        return stops
    if name in _SCALES and isinstance(value, int | float):
        low, high = _SCALES[name]
        return min(max(value, low), high)
    return value


def _thinking(model: Model, effort: str) -> dict[str, Any]:
    """An effort is on or off here; a model that is known not to reason is not told of it, since it would refuse."""
    if model.capabilities is not None and "reasoning" not in model.capabilities:
        return {}
    return {"thinking": {"type": "disabled" if effort in _NO_THOUGHT else "enabled"}}
