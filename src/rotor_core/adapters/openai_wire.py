"""OpenAI's chat completions as bytes: a `Request` in, an `Answer` out, for everyone who speaks that dialect or nearly.

Pure functions over JSON values. Reading is lenient about what providers add and leave out (the shapes were read from
recorded answers of OpenAI, Azure, Groq, Mistral, DeepSeek, Together, OpenRouter, Cerebras, xAI and Hugging Face), and
strict about one thing: a body that holds no answer is a `WireError`, never an empty answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from rotor_core._outcome import Answer, ToolCall, Usage
from rotor_core._request import Request

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_BOM: Final = b"\xef\xbb\xbf"
_OURS: Final = frozenset({"model", "messages", "stream", "stream_options"})
"""What `params` may not set: who answers, what is asked, and how it comes back are decided before the wire."""

_CHOICES: Final[Mapping[str, str]] = MappingProxyType(
    {"auto": "auto", "none": "none", "required": "required", "any": "required"}
)


class WireError(Exception):
    """What came is no answer. `error_body`: the provider's own account of what went wrong, when it gave one."""

    def __init__(self, problem: str, error_body: str | None = None) -> None:
        super().__init__(problem)
        self.error_body = error_body


# ---- a request to bytes -------------------------------------------------------------------------------------------


def encode(model: str, request: Request, *, stream: bool) -> bytes:
    """The body to send. Raises TypeError or ValueError if something in the request cannot be written as JSON."""
    body = body_of(model, request, stream=stream)
    try:
        return _to_json(body).encode()
    except UnicodeEncodeError:  # half a surrogate pair: it can be escaped, though not encoded
        return json.dumps(body, separators=(",", ":"), allow_nan=False, default=_plain).encode()


def body_of(model: str, request: Request, *, stream: bool) -> dict[str, Any]:
    """The body as a dict. `params` go through as they stand, except for what Rotor itself decides.

    `stream_options` in `params` is merged over ours; None leaves it out, for servers that refuse it (usage is then
    only known if the server sends it unasked).
    """
    params = request.params
    body: dict[str, Any] = {"model": model, "messages": request.messages}
    for name, value in params.items():
        if name not in _OURS and (value or name != "stop"):  # an empty `stop` is refused by several servers
            body[name] = value
    if request.tools:
        body["tools"] = request.tools
    if request.tool_choice is not None and body.get("tools"):
        body["tool_choice"] = tool_choice_of(request.tool_choice)
    if request.response_format is not None:
        body["response_format"] = request.response_format
    if stream:
        body["stream"] = True
        options = params.get("stream_options", _NO_HEADERS)
        if options is not None:
            body["stream_options"] = {"include_usage": True, **options}
    return body


def tool_choice_of(choice: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    """OpenAI's form of a tool choice: `any` is `required` there, and a bare name becomes a reference to that function."""
    if not isinstance(choice, str):
        return choice
    return _CHOICES.get(choice) or {"type": "function", "function": {"name": choice}}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")


# One encoder for all calls: `json.dumps` with separators builds a new one each time.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain).encode


# ---- bytes to an answer -------------------------------------------------------------------------------------------


def decode(content: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
    """A whole answer. Raises WireError for anything else."""
    return answer_of(load(content), headers)


def load(content: bytes) -> Any:
    """JSON from bytes. Raises WireError that says what came instead."""
    if content.startswith(_BOM):
        content = content[len(_BOM) :]
    if not content or content.isspace():
        raise WireError("an empty body")
    try:
        return json.loads(content.decode())
    except UnicodeDecodeError:
        raise WireError("a body that is not UTF-8") from None
    except (ValueError, RecursionError):
        kind = "an HTML page" if content.lstrip()[:1] == b"<" else "a body that is not JSON"
        raise WireError(kind) from None


def answer_of(data: Any, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
    """An answer from a parsed body. Raises WireError where it is an error, or holds no message."""
    refuse_error(data)
    choice = first_choice(data)
    message = None if choice is None else choice.get("message")
    if choice is None or not isinstance(message, dict):
        raise WireError("JSON without a message in it")
    text, thoughts = content_of(message.get("content"))
    return Answer(
        text or string(message.get("refusal")),
        tool_calls_of(message.get("tool_calls")),
        thoughts + reasoning_of(message),
        name_of(choice.get("finish_reason")),
        usage_of(data),
        name_of(data.get("model")),
        name_of(data.get("id")),
        headers,
    )


def refuse_error(data: Any) -> None:
    """Raise WireError if this is no JSON object, or is an error for all that the status said."""
    if not isinstance(data, dict):
        raise WireError(f"JSON that is a {_json_type(data)}, not an object")
    if data.get("error") or (data.get("object") == "error" and "choices" not in data):
        raise WireError("an error with a status of success", json.dumps(data))
    if "choices" not in data and ("message" in data or "detail" in data):
        raise WireError("JSON without an answer in it", json.dumps(data))


def first_choice(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The choice of index 0, which is the one that Rotor asks for; None where there is none."""
    choices = data.get("choices")
    if isinstance(choices, list):
        for choice in choices:
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                return choice
    return None


def content_of(content: Any) -> tuple[str, str]:
    """Text and reasoning of a message's content: a string, or parts (Mistral puts its thinking there)."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return "", ""
    text: list[str] = []
    thoughts: list[str] = []
    for part in content:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict):
            if part.get("type") == "thinking":
                thought = part.get("thinking")
                thoughts.append(thought if isinstance(thought, str) else content_of(thought)[0])
            else:
                text.append(string(part.get("text")))
    return "".join(text), "".join(thoughts)


def reasoning_of(message: Mapping[str, Any]) -> str:
    """Reasoning beside the content. Servers that send it under two names send the same text twice, so one is enough."""
    return string(message.get("reasoning_content")) or string(message.get("reasoning"))


def tool_calls_of(calls: Any) -> tuple[ToolCall, ...]:
    if not isinstance(calls, list) or not calls:
        return ()
    found: list[ToolCall] = []
    for call in calls:
        if isinstance(call, dict):
            function = call.get("function")
            if isinstance(function, dict):
                found.append(ToolCall(name_of(call.get("id")), string(function.get("name")), arguments_of(function)))
    return tuple(found)


def arguments_of(function: Mapping[str, Any]) -> str:
    """The arguments as text. Some servers send the object itself instead of its JSON."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)


def string(value: Any) -> str:
    """Text that may be absent."""
    return value if isinstance(value, str) else ""


def name_of(value: Any) -> str | None:
    """A name or an id, which some servers leave empty and a few send as a number."""
    return (value if isinstance(value, str) else str(value)) if value else None


# ---- usage --------------------------------------------------------------------------------------------------------


def usage_of(data: Mapping[str, Any]) -> Usage | None:
    """What a body or a chunk says was used, wherever it says so: `usage`, or Groq's `x_groq.usage`."""
    usage = data.get("usage")
    if not isinstance(usage, dict):
        groq = data.get("x_groq")
        usage = groq.get("usage") if isinstance(groq, dict) else None
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if prompt is None and completion is None:
        prompt, completion = usage.get("input_tokens"), usage.get("output_tokens")
        if prompt is None and completion is None:
            return None
    given = _details(usage, "prompt_tokens_details", "input_tokens_details")
    made = _details(usage, "completion_tokens_details", "output_tokens_details")
    input_tokens, output_tokens = _count(prompt), _count(completion)
    cached = _count(given.get("cached_tokens")) or next((n for k in _CACHED if (n := _count(usage.get(k)))), 0)
    reasoning = _count(made.get("reasoning_tokens")) or _count(usage.get("reasoning_tokens"))
    beside = _count(usage.get("total_tokens")) - input_tokens - output_tokens
    if beside > 0:
        # xAI leaves reasoning out of the completion, and Mistral audio out of the prompt; only the total has them.
        if beside == reasoning:
            output_tokens += beside
        elif beside == _count(given.get("audio_tokens")):
            input_tokens += beside
    return Usage(input_tokens, output_tokens, cached, reasoning)


_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
"""Where DeepSeek, Together and older Mistral answers count cached tokens."""


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        details = usage.get(name)
        if isinstance(details, dict):
            return details
    return _NO_HEADERS


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and 0 < value < 1e15 else 0


def _json_type(value: object) -> str:
    return {list: "list", str: "string", bool: "boolean", type(None): "null"}.get(type(value), "number")
