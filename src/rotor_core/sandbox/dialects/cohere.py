"""Cohere's chat API v2: its own roles, events and prose.

Shapes and headers are those of recorded exchanges (2024 to 2026). A trial key is told its minute's calls and the size of
its month, on good answers only; a refusal is a sentence, the same for a minute and for a month, and says nowhere how long
to wait. What the model read (`usage.tokens`) is more than what is billed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from rotor_core.sandbox.conversation import Asked, Malformed
from rotor_core.sandbox.dialects import base
from rotor_core.sandbox.dialects._cohere_request import UNKNOWN_FIELD, read
from rotor_core.sandbox.dialects.base import Exchange, Headers, Incoming, Reply, Trouble
from rotor_core.sandbox.dialects.openai import grouped
from rotor_core.sandbox.provider import Reading, Refused
from rotor_core.sandbox.spec import ImitatedModel, Imitation

_FINISHES: Final = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}
_FEATURES: Final = ("json_mode", "json_schema", "tools", "vision", "reasoning")
_PREAMBLE: Final = 3
"""Tokens of a prompt that are read and not billed."""
_DONE: Final = b"data: [DONE]\n\n"

_TROUBLES: Final[Mapping[Trouble, str]] = {
    "no_key": "no api key supplied",
    "wrong_key": "invalid api token",
    "no_route": "404 page not found",
    "not_json": "invalid json syntax: the body is not JSON",
    "server_error": "internal server error, this has been reported to our developers.",
    "overloaded": "the model is currently overloaded, please try again later",
}


class Cohere:
    """The dialect."""

    name = "cohere"

    # ---- requests -------------------------------------------------------------------------------------------------

    def route(self, incoming: Incoming) -> Literal["chat", "models"] | None:
        """`/v2/chat`, `/v1/models`, `/v1/models/{name}`."""
        if incoming.method == "POST" and incoming.path == "/v2/chat":
            return "chat"
        is_list = incoming.path == "/v1/models" or incoming.path.startswith("/v1/models/")
        return "models" if incoming.method == "GET" and is_list else None

    def key(self, incoming: Incoming) -> str | None:
        scheme, _, key = incoming.headers.get("authorization", "").partition(" ")
        return key.strip() or None if scheme.lower() == "bearer" else None

    def read(self, incoming: Incoming) -> Asked:
        return read(incoming.body)

    # ---- answers --------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, readings: Sequence[Reading]) -> Reply:
        written = exchange.written
        message: dict[str, Any] = {"role": "assistant"}
        content: list[dict[str, str]] = []
        if written.thoughts:
            content.append({"type": "thinking", "thinking": written.thoughts})
        if written.text or not (written.calls or written.thoughts):
            content.append({"type": "text", "text": written.text})
        if content:
            message["content"] = content
        if written.calls:
            if not written.thoughts:
                message["tool_plan"] = _plan(exchange)
            message["tool_calls"] = [_call(exchange, n, call.arguments) for n, call in enumerate(written.calls)]
        body = {"id": _id(exchange.number), "message": message, **_ending(exchange)}
        return Reply(200, base.to_json(body), _headers("application/json", exchange, readings))

    def opening(self, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
        return _headers("text/event-stream", exchange, readings)

    def events(self, exchange: Exchange) -> Iterator[bytes]:
        written = exchange.written
        empty: dict[str, Any] = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
        yield _event("message-start", {"message": empty}, id=_id(exchange.number))
        blocks = [("thinking", written.thoughts), ("text", written.text)]
        for index, (kind, text) in enumerate(block for block in blocks if block[1]):
            yield _event("content-start", {"message": {"content": {"type": kind, kind: ""}}}, index=index)
            for piece in grouped(text):
                yield _event("content-delta", {"message": {"content": {kind: piece}}}, index=index)
            yield _event("content-end", index=index)
        if written.calls and not written.thoughts:
            for piece in grouped(_plan(exchange)):
                yield _event("tool-plan-delta", {"message": {"tool_plan": piece}})
        for index, call in enumerate(written.calls):
            yield _event("tool-call-start", {"message": {"tool_calls": _call(exchange, index, "")}}, index=index)
            for piece in grouped(call.arguments):
                delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
                yield _event("tool-call-delta", delta, index=index)
            yield _event("tool-call-end", index=index)
        yield _event("message-end", _ending(exchange))
        yield _DONE

    def is_end(self, event: bytes) -> bool:
        return event == _DONE or event.startswith(b"event: message-end\n")

    def stream_error(self) -> bytes:
        """An answer that fails ends as others do, with a reason of its own."""
        return _event("message-end", {"error": _TROUBLES["server_error"], "finish_reason": "ERROR"})

    # ---- errors ---------------------------------------------------------------------------------------------------

    def refuse(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:  # noqa: ARG002  no header tells
        match refused.reason:
            case "auth":
                return self.trouble("wrong_key", 401)
            case "model":
                text = f"model '{model}' not found, make sure the correct model ID was used and that you have access to the model."
                return _error(404, text)
            case "context":
                limit, asked = base.figure(refused.limit or 0), base.figure(refused.requested or 0)
                text = (
                    f"too many tokens: total number of tokens in the prompt cannot exceed {limit} - received {asked}."
                )
                return _error(400, f"{text} Try using a shorter prompt, or enabling prompt truncating.")
            case "too_large" | "rate":
                return _error(429, _past(refused))

    def malformed(self, problem: Malformed) -> Reply:
        return _error(422 if problem.code == UNKNOWN_FIELD else 400, problem.message)

    def over_max_output(self, asked: int, most: int) -> Malformed:
        text = f"too many tokens: max tokens must be less than or equal to {most}, the maximum output for this model - received {asked}."
        return Malformed(text, "max_tokens")

    def trouble(self, trouble: Trouble, status: int, *, key: str = "", message: str | None = None) -> Reply:  # noqa: ARG002  it is not shown
        return _error(status, message or _TROUBLES[trouble])

    # ---- models ---------------------------------------------------------------------------------------------------

    def models(self, imitation: Imitation, path: str) -> Reply:
        if path == "/v1/models":
            return Reply(200, base.to_json({"models": [_model(model) for model in imitation.models.values()]}))
        model = base.models_of(imitation, path)
        if model is None:
            return self.refuse(Refused("model", 404), path.partition("/models/")[2], ())
        return Reply(200, base.to_json(_model(model)))


def _headers(content_type: str, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
    """With what a trial key is told: calls of the minute, and of the month only how many there are."""
    found: list[tuple[str, str]] = [
        ("content-type", content_type),
        ("cache-control", "no-cache, no-store, no-transform, must-revalidate, private, max-age=0"),
        ("num_tokens", str(exchange.counted.total)),
        ("x-debug-trace-id", f"{exchange.number:032x}"),
        ("x-envoy-upstream-service-time", str(round(exchange.took * 1000))),
    ]
    month = base.reading_of(readings, "requests", "month")
    if month is not None:
        found.append(("x-endpoint-monthly-call-limit", base.figure(month.limit.value)))
    minute = base.reading_of(readings, "requests", "minute")
    if minute is not None:
        found.append(("x-trial-endpoint-call-limit", base.figure(minute.limit.value)))
        found.append(("x-trial-endpoint-call-remaining", str(minute.remaining)))
    return tuple(found)


def _ending(exchange: Exchange) -> dict[str, Any]:
    counted = exchange.counted
    tokens = {"input_tokens": counted.prompt, "output_tokens": counted.completion}
    if counted.reasoning:
        tokens["reasoning_tokens"] = counted.reasoning
    billed = {
        "input_tokens": max(0, counted.prompt - _PREAMBLE),
        "output_tokens": counted.completion - counted.reasoning,
    }
    usage = {"billed_units": billed, "tokens": tokens, "cached_tokens": counted.cached}
    return {"finish_reason": _FINISHES[exchange.written.finish], "usage": usage}


def _plan(exchange: Exchange) -> str:
    """A sentence that precedes calls, which models write unasked and which is no part of the answer."""
    names = dict.fromkeys(call.name for call in exchange.written.calls)
    return f"I will use {' and '.join(names)} to find the answer."


def _call(exchange: Exchange, n: int, arguments: str) -> dict[str, Any]:
    call = exchange.written.calls[n]
    ident = f"{call.name}_{exchange.number:04x}{call.id}"
    return {"id": ident, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _event(kind: str, delta: Mapping[str, Any] | None = None, **more: Any) -> bytes:
    data = {"type": kind, **more, **({"delta": delta} if delta else {})}
    return f"event: {kind}\n".encode() + b"data: " + base.to_json(data) + b"\n\n"


def _past(refused: Refused) -> str:
    """What is said beyond a limit."""
    limit = refused.broken
    if limit is None or limit.unit not in {"requests", "concurrent"}:
        return f"trial token rate limit exceeded, limit is {base.figure(refused.limit or 0)} tokens per minute"
    if limit.unit == "concurrent":
        return "Please wait and try again later"
    per = limit.per if isinstance(limit.per, str) else f"{limit.seconds:g} seconds"
    return (
        f"You are using a Trial key, which is limited to {base.figure(limit.value)} API calls / {per}. You can continue to "
        "use the Trial key for free or upgrade to a Production key with higher rate limits at "
        "'https://dashboard.cohere.com/api-keys'."
    )


def _error(status: int, text: str) -> Reply:
    return Reply(status, base.to_json({"id": _id(status), "message": text}))


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def _model(model: ImitatedModel) -> dict[str, Any]:
    features = None if model.capabilities is None else [name for name in _FEATURES if name in model.capabilities]
    return {
        "name": model.name,
        "endpoints": ["chat"],
        "finetuned": False,
        "context_length": model.context,
        "tokenizer_url": None,
        "features": features,
        "default_endpoints": [],
        "is_deprecated": False,
    }


DIALECT: Final = Cohere()
