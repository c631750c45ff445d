"""OpenAI's chat completions as bytes: a `Request` in, an `Answer` out, for everyone who speaks that dialect or nearly.

Pure functions over JSON values. Reading is lenient about what providers add and leave out (the shapes were read from
recorded answers of OpenAI, Azure, Groq, Mistral, DeepSeek, Together, OpenRouter, Cerebras, xAI and Hugging Face), and
strict about one thing: a body that holds no answer is a `WireError`, never an empty answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeGuard

from rotor_core._outcome import Answer, Usage
from rotor_core._request import Request
from rotor_core.adapters.json_values import EMPTY, count, is_object, kind, name, rows, string, table
from rotor_core.adapters.openai_calls import tool_calls_of
from rotor_core.adapters.wire import LiveModel, WireError

_BOM: Final = b"\xef\xbb\xbf"
_OURS: Final = frozenset({"model", "messages", "stream", "stream_options"})
"""What `params` may not set: who answers, what is asked, and how it comes back are decided before the wire."""

_CHOICES: Final[Mapping[str, str]] = MappingProxyType(
    {"auto": "auto", "none": "none", "required": "required", "any": "required"}
)


# ---- a request to bytes -------------------------------------------------------------------------------------------


def encode(model: str, request: Request, *, stream: bool) -> bytes:
    """The body to send. Raises TypeError or ValueError if something in the request cannot be written as JSON."""
    return to_bytes(body_of(model, request, stream=stream))


def to_bytes(body: Mapping[str, Any]) -> bytes:
    """A body as JSON. Raises TypeError or ValueError if something in it cannot be written so."""
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
    if params:
        # An empty `stop` is refused by several servers.
        body.update({key: value for key, value in params.items() if key not in _OURS and (value or key != "stop")})
    if request.tools:
        body["tools"] = request.tools
    if request.tool_choice is not None and body.get("tools"):
        body["tool_choice"] = tool_choice_of(request.tool_choice)
    if request.response_format is not None:
        body["response_format"] = request.response_format
    if stream:
        body["stream"] = True
        options = params.get("stream_options", EMPTY)
        if options is not None:
            body["stream_options"] = {"include_usage": True, **options}
    return body


def tool_choice_of(choice: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    """OpenAI's form of a tool choice: `any` is `required` there, and a bare name becomes a reference to that function."""
    if not isinstance(choice, str):
        return choice
    return _CHOICES.get(choice) or {"type": "function", "function": {"name": choice}}


def _plain(value: object) -> object:
    """What `json` does not know but means the same: any mapping, any sequence."""
    if _is_mapping(value):
        return dict(value)
    if _is_sequence(value):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview)


# One encoder for all calls: `json.dumps` with separators builds a new one each time.
_to_json: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain).encode


# ---- bytes to an answer -------------------------------------------------------------------------------------------


def decode(content: bytes, headers: Mapping[str, str] = EMPTY) -> Answer:
    """A whole answer. Raises WireError for anything else."""
    return answer_of(load(content), headers)


def load(content: bytes) -> Any:
    """JSON from bytes. Raises WireError that says what came instead."""
    content = content.removeprefix(_BOM)
    if not content or content.isspace():
        raise WireError("an empty body")
    try:
        return _from_json(content.decode())
    except UnicodeDecodeError:
        raise WireError("a body that is not UTF-8") from None
    except (ValueError, RecursionError):
        raise WireError("an HTML page" if content.lstrip()[:1] == b"<" else "a body that is not JSON") from None


# One decoder for all answers: `json.loads` finds the same one, after it has looked for what is never given here.
_from_json: Final = json.JSONDecoder().decode


def answer_of(data: Any, headers: Mapping[str, str] = EMPTY) -> Answer:
    """An answer from a parsed body. Raises WireError where it is an error, or holds no message."""
    body = body_without_error(data)
    choice = first_choice(body)
    if trouble := trouble_of(choice):
        raise trouble
    message = table(choice.get("message"))
    if not message:
        raise WireError("JSON without a message in it")
    content, calls, ident = message.get("content"), message.get("tool_calls"), name(body.get("id"))
    text, thoughts = (content, "") if isinstance(content, str) else content_of(content)
    return Answer(
        text or string(message.get("refusal")),
        tool_calls_of(calls, ident) if calls else (),
        thoughts + reasoning_of(message),
        name(choice.get("finish_reason")),
        usage_of(body),
        name(body.get("model")),
        ident,
        headers,
    )


def body_without_error(data: Any) -> Mapping[str, Any]:
    """The body, if it is a JSON object and no error, for all that the status said. Raises WireError."""
    if not is_object(data):
        raise WireError(f"JSON that is a {kind(data)}, not an object")
    body = data
    if "x_groq" in body and (error := table(body["x_groq"]).get("error")):
        raise WireError("an error with a status of success", json.dumps({"error": {"message": error}}))
    if body.get("error") or (body.get("object") == "error" and "choices" not in body):
        raise WireError("an error with a status of success", json.dumps(body))
    if "choices" not in body and ("message" in body or "detail" in body):
        raise WireError("JSON without an answer in it", json.dumps(body))
    return body


def trouble_of(choice: Mapping[str, Any]) -> WireError | None:
    """An answer that its provider began and gave up: an error where the message ought to be, or a reason to end that is none."""
    if error := choice.get("error"):
        return WireError("an error in the answer's place", json.dumps({"error": error}))
    reason = choice.get("finish_reason")
    return WireError(f"an answer given up ({reason})") if isinstance(reason, str) and reason in _GIVEN_UP else None


_GIVEN_UP: Final = frozenset({"error", "insufficient_system_resource", "network_error"})
"""Mistral and OpenRouter; DeepSeek; Z.ai: by their documentation and clients, 2026-11."""


def first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choice of index 0, which is the one that Rotor asks for; empty where there is none."""
    for choice in rows(body.get("choices")):
        found = table(choice)
        if found.get("index") in (0, None):
            return found
    return EMPTY


def content_of(content: Any) -> tuple[str, str]:
    """Text and reasoning of a message's content: a string, or parts (Mistral puts its thinking there)."""
    if isinstance(content, str):
        return content, ""
    text: list[str] = []
    thoughts: list[str] = []
    for part in rows(content):
        if isinstance(part, str):
            text.append(part)
        elif table(part).get("type") == "thinking":
            thoughts.append(content_of(table(part).get("thinking"))[0])
        else:
            text.append(string(table(part).get("text")))
    return "".join(text), "".join(thoughts)


def reasoning_of(message: Mapping[str, Any]) -> str:
    """Reasoning beside the content. Servers that send it under two names send the same text twice, so one is enough."""
    for one in ("reasoning_content", "reasoning"):
        if one in message and (found := string(message[one])):
            return found
    return ""


# ---- usage --------------------------------------------------------------------------------------------------------


def usage_of(body: Mapping[str, Any]) -> Usage | None:
    """What a body or a chunk says was used, wherever it says so: `usage`, or Groq's `x_groq.usage`."""
    usage = table(body.get("usage")) or table(table(body.get("x_groq")).get("usage"))
    if _COUNTED.isdisjoint(usage):
        return None
    input_tokens, output_tokens = _first(usage, _INPUT), _first(usage, _OUTPUT)
    given, made = _details(usage, _INPUT_DETAILS), _details(usage, _OUTPUT_DETAILS)
    cached = count(given.get("cached_tokens")) or _first(usage, _CACHED)
    reasoning = _first(made, _REASONING) or _first(usage, _REASONING)
    beside = count(usage.get("total_tokens")) - input_tokens - output_tokens
    # xAI leaves reasoning out of the completion, and Mistral audio out of the prompt; only the total has them.
    beside_output = beside if 0 < beside == reasoning else 0
    beside_input = beside if 0 < beside == count(given.get("audio_tokens")) and not beside_output else 0
    return Usage(input_tokens, output_tokens, cached, reasoning, beside_input, beside_output)


_INPUT: Final = ("prompt_tokens", "input_tokens")
_OUTPUT: Final = ("completion_tokens", "output_tokens")
_COUNTED: Final = frozenset(_INPUT + _OUTPUT)
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
_REASONING: Final = ("reasoning_tokens",)
_CACHED: Final = ("prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens")
"""Where DeepSeek, Together and older Mistral answers count cached tokens."""


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """The first count among these names."""
    for one in names:
        if one in usage and (found := count(usage[one])):
            return found
    return 0


def _details(usage: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    """The first object among these names, or an empty one."""
    for one in names:
        if one in usage and (found := table(usage[one])):
            return found
    return EMPTY


# ---- the list of models -------------------------------------------------------------------------------------------


def models_of(content: bytes) -> tuple[LiveModel, ...]:
    """The answer to `GET /models`, read. Raises `WireError`."""
    return tuple(_live(entry) for entry in listed_in(content))


def listed_in(content: bytes) -> tuple[Mapping[str, Any], ...]:
    """The entries of such an answer: of an object with `data`, or (Together) the bare list. Raises `WireError`."""
    body = load(content)
    if not isinstance(body, dict | list) or (isinstance(body, dict) and "data" not in body):
        raise WireError("no list of models")
    return tuple(map(table, rows(table(body).get("data")) if isinstance(body, dict) else rows(body)))


def _live(entry: Mapping[str, Any]) -> LiveModel:
    """Context by whichever name a provider gives it: Groq `context_window`, Mistral `max_context_length`, others as here."""
    return LiveModel(
        string(entry.get("id")),
        context=_first(entry, ("context_length", "context_window", "max_context_length")) or None,
        max_output=_first(entry, ("max_output_length", "max_completion_tokens")) or None,
    )
