"""OpenAI's chat completions, and the general dialect of everyone who took it over.

Shapes, headers and wordings are those of recorded exchanges (2024 to 2026). Its headers speak of the minute's limits,
of the day's where there is no other; durations are Go's, in milliseconds at the finest; a request that can never fit
is a 429 like any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from rotor_core.sandbox.conversation import Asked, Counted, Malformed, Written
from rotor_core.sandbox.dialects import base
from rotor_core.sandbox.dialects._openai_request import read_chat
from rotor_core.sandbox.dialects.base import Exchange, Headers, Incoming, Reply, Trouble
from rotor_core.sandbox.provider import Reading, Refused, dimension_of
from rotor_core.sandbox.spec import ImitatedModel, Imitation
from rotor_core.sandbox.tokens import pieces

_ORGANIZATION: Final = "org-sandbox"
_LIMITS_PAGE: Final = "Visit https://platform.openai.com/account/rate-limits to learn more."
_LONGEST_STREAM: Final = 64
"""Content events of a stream at most: longer answers come in larger pieces."""

_TROUBLES: Final[Mapping[Trouble, tuple[str, str, str | None]]] = {
    "no_key": ("You didn't provide an API key.", "invalid_request_error", None),
    "wrong_key": ("", "invalid_request_error", "invalid_api_key"),
    "no_route": ("Invalid URL", "invalid_request_error", None),
    "not_json": ("We could not parse the JSON body of your request.", "invalid_request_error", None),
    "server_error": ("The server had an error while processing your request.", "server_error", None),
    "overloaded": ("The engine is currently overloaded, please try again later", "service_unavailable", "overloaded"),
}


class OpenAI:
    """The dialect; others that are nearly the same override what differs."""

    name = "openai"
    wrong_key = "Incorrect API key provided: {key}."

    # ---- requests -------------------------------------------------------------------------------------------------

    def route(self, incoming: Incoming) -> Literal["chat", "models"] | None:
        """`/v1/chat/completions`, `/v1/models`, `/v1/models/{id}`; the version may be left out."""
        path = incoming.path.removeprefix("/v1")
        if incoming.method == "POST" and path == "/chat/completions":
            return "chat"
        return "models" if incoming.method == "GET" and (path == "/models" or path.startswith("/models/")) else None

    def key(self, incoming: Incoming) -> str | None:
        scheme, _, key = incoming.headers.get("authorization", "").partition(" ")
        return key.strip() or None if scheme.lower() == "bearer" else None

    def read(self, incoming: Incoming) -> Asked:
        return read_chat(incoming.body)

    # ---- answers --------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, readings: Sequence[Reading]) -> Reply:
        message: dict[str, Any] = {"role": "assistant", "content": exchange.written.text or None}
        if not exchange.written.calls:
            message["content"] = exchange.written.text
        message |= self._thoughts(exchange)
        if exchange.written.calls:
            message["tool_calls"] = [
                self._call(exchange, n, call.arguments) for n, call in enumerate(exchange.written.calls)
            ]
        choice = {
            "index": 0,
            "message": self._finished(message),
            "logprobs": None,
            "finish_reason": exchange.written.finish,
        }
        body = {
            "id": self._id(exchange),
            "object": "chat.completion",
            "created": int(exchange.at),
            "model": exchange.asked.model,
            "choices": [choice],
            "usage": self.usage(exchange),
            **self._closing(exchange),
        }
        return Reply(200, base.to_json(body), self._headers("application/json", exchange, readings))

    def usage(self, exchange: Exchange) -> dict[str, Any]:
        counted = exchange.counted
        return {
            **_totals(counted),
            "prompt_tokens_details": {"cached_tokens": counted.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": counted.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def opening(self, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
        return self._headers("text/event-stream; charset=utf-8", exchange, readings)

    def events(self, exchange: Exchange) -> Iterator[bytes]:
        head = self._event_head(exchange)
        extra = self._opening_extra(exchange)
        for delta in self._deltas(exchange):
            yield _event({**head, **_choice(delta, None), **self._no_usage_yet(exchange), **extra})
            extra = {}
        yield _event({**head, **_choice(self._last_delta(exchange), exchange.written.finish), **self._last(exchange)})
        if exchange.asked.include_usage:
            yield _event({**head, "choices": [], "usage": self.usage(exchange)})
        yield b"data: [DONE]\n\n"

    def is_end(self, event: bytes) -> bool:
        return event == b"data: [DONE]\n\n" or b'"choices":[]' in event or b'"finish_reason":null' not in event

    def stream_error(self) -> bytes:
        return _event(self._error(*_TROUBLES["server_error"]))

    def _deltas(self, exchange: Exchange) -> Iterator[dict[str, Any]]:
        written = exchange.written
        yield self._first_delta(written)
        for thought in grouped(written.thoughts):
            shown = self._thought_delta(exchange, thought)
            if shown:
                yield shown
        for piece in grouped(written.text):
            yield {"content": piece}
        for n, call in enumerate(written.calls):
            yield from self._call_deltas(exchange, n, call.arguments)

    def _first_delta(self, written: Written) -> dict[str, Any]:
        return {"role": "assistant", "content": None if written.calls else "", "refusal": None}

    def _call_deltas(self, exchange: Exchange, n: int, arguments: str) -> Iterator[dict[str, Any]]:
        """The call's name with nothing in it, then its arguments in two pieces at least, as far as they have two."""
        yield {"tool_calls": [{"index": n, **self._call(exchange, n, "")}]}
        parts = grouped(arguments)
        if len(parts) == 1 and len(arguments) > 1:
            parts = [arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]]
        for part in parts:
            yield {"tool_calls": [{"index": n, "function": {"arguments": part}}]}

    def _call(self, exchange: Exchange, n: int, arguments: str) -> dict[str, Any]:
        call = exchange.written.calls[n]
        function = {"name": call.name, "arguments": arguments}
        return {"id": self._call_id(exchange, n), "type": "function", "function": function}

    def _call_id(self, exchange: Exchange, n: int) -> str:
        return f"call_{exchange.number:06d}{exchange.written.calls[n].id}"

    def _thoughts(self, exchange: Exchange) -> dict[str, Any]:
        """Reasoning in a message. OpenAI itself never shows it; servers that took its dialect over do when asked."""
        shown = exchange.asked.thoughts == "shown" and exchange.written.thoughts
        return {"reasoning_content": exchange.written.thoughts} if shown else {}

    def _thought_delta(self, exchange: Exchange, thought: str) -> dict[str, Any]:
        return {"reasoning_content": thought} if exchange.asked.thoughts == "shown" else {}

    def _finished(self, message: dict[str, Any]) -> dict[str, Any]:
        return {**message, "refusal": None, "annotations": []}

    def _closing(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  others put its id there
        return {"service_tier": "default", "system_fingerprint": "fp_sandbox"}

    def _event_head(self, exchange: Exchange) -> dict[str, Any]:
        return {
            "id": self._id(exchange),
            "object": "chat.completion.chunk",
            "created": int(exchange.at),
            "model": exchange.asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sandbox",
        }

    def _opening_extra(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  likewise
        """What the first event of a stream has beside the others."""
        return {}

    def _no_usage_yet(self, exchange: Exchange) -> dict[str, Any]:
        return {"usage": None} if exchange.asked.include_usage else {}

    def _last_delta(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  others have something left
        """What is still said beside the finish reason."""
        return {}

    def _last(self, exchange: Exchange) -> dict[str, Any]:
        return self._no_usage_yet(exchange)

    def _id(self, exchange: Exchange) -> str:
        return f"chatcmpl-sandbox{exchange.number:08d}"

    # ---- headers --------------------------------------------------------------------------------------------------

    def _headers(self, content_type: str, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
        return (
            ("content-type", content_type),
            ("openai-organization", _ORGANIZATION),
            ("openai-processing-ms", str(round(exchange.took * 1000))),
            ("openai-version", "2020-10-01"),
            ("x-request-id", f"req_{exchange.number:016x}"),
            *self.limit_headers(readings),
        )

    def limit_headers(self, readings: Sequence[Reading]) -> Headers:
        """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; a reset is the time until nothing counts any more."""
        found = (
            ("requests", base.reading_of(readings, "requests", "minute", "day", "second")),
            ("tokens", base.reading_of(readings, "tokens", "minute", "day")),
        )
        return tuple(header for unit, reading in found if reading for header in self._limit(unit, reading))

    def _limit(self, unit: str, reading: Reading) -> Headers:
        return (
            (f"x-ratelimit-limit-{unit}", base.figure(reading.limit.value)),
            (f"x-ratelimit-remaining-{unit}", str(reading.remaining)),
            (f"x-ratelimit-reset-{unit}", self.duration(reading.empty_in)),
        )

    def duration(self, seconds: float) -> str:
        return base.go_duration(seconds)

    # ---- errors ---------------------------------------------------------------------------------------------------

    def refuse(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        match refused.reason:
            case "auth":
                return self.trouble("wrong_key", 401)
            case "model":
                text = f"The model `{model}` does not exist or you do not have access to it."
                return self._reply(404, text, "invalid_request_error", "model_not_found")
            case "context":
                return self._context(refused)
            case "too_large":
                return self._too_large(refused, model, readings)
            case "rate":
                return self._rate(refused, model, readings)

    def _context(self, refused: Refused) -> Reply:
        text = (
            f"This model's maximum context length is {base.figure(refused.limit or 0)} tokens. However, you requested "
            f"{base.figure(refused.requested or 0)} tokens. Please reduce the length of the messages or completion."
        )
        return self._reply(400, text, "invalid_request_error", "context_length_exceeded", param="messages")

    def _too_large(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        text = (
            f"Request too large for {model} in organization {_ORGANIZATION} on {dimension_in_words(refused, 'per min')}: "
            f"Limit {base.figure(refused.limit or 0)}, Requested {base.figure(refused.requested or 0)}. The input or "
            f"output tokens must be reduced in order to run successfully. {_LIMITS_PAGE}"
        )
        return self._limited(429, text, refused, readings)

    def _rate(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        again = f" Please try again in {self.duration(refused.retry_after)}." if refused.retry_after else ""
        text = (
            f"Rate limit reached for {model} in organization {_ORGANIZATION} on {dimension_in_words(refused, 'per min')}: "
            f"Limit {base.figure(refused.limit or 0)}, Used {base.figure(refused.used or 0)}, "
            f"Requested {base.figure(refused.requested or 1)}.{again} {_LIMITS_PAGE}"
        )
        return self._limited(429, text, refused, readings)

    def _limited(self, status: int, text: str, refused: Refused, readings: Sequence[Reading]) -> Reply:
        unit = "requests" if refused.broken is None or refused.broken.unit in {"requests", "concurrent"} else "tokens"
        return self._reply(
            status, text, unit, "rate_limit_exceeded",
            headers=(*self._waits(refused.retry_after), *self.limit_headers(readings)),
        )  # fmt: skip

    def _waits(self, retry_after: float | None) -> Headers:
        if retry_after is None:
            return ()
        whole = math.ceil(retry_after - 1e-6)
        return ("retry-after", str(whole)), ("retry-after-ms", str(math.ceil(retry_after * 1000 - 1e-3)))

    def malformed(self, problem: Malformed) -> Reply:
        return self._reply(400, problem.message, "invalid_request_error", problem.code, param=problem.param)

    def trouble(self, trouble: Trouble, status: int, *, key: str = "", message: str | None = None) -> Reply:
        text, kind, code = _TROUBLES[trouble]
        if trouble == "wrong_key":
            text = self.wrong_key.format(key=base.masked(key))
        return self._reply(status, message or text, kind, code)

    def over_max_output(self, asked: int, most: int) -> Malformed:
        text = f"max_tokens is too large: {asked}. This model supports at most {most} completion tokens, whereas you provided {asked}."
        return Malformed(text, "max_tokens", "invalid_value")

    def _reply(
        self, status: int, text: str, kind: str, code: str | None, *, param: str | None = None, headers: Headers = ()
    ) -> Reply:
        body = base.to_json(self._error(text, kind, code, param))
        return Reply(status, body, (("content-type", "application/json; charset=utf-8"), *headers))

    def _error(self, text: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
        return {"error": {"message": text, "type": kind, "param": param, "code": code}}

    # ---- models ---------------------------------------------------------------------------------------------------

    def models(self, imitation: Imitation, path: str) -> Reply:
        if path.removeprefix("/v1") == "/models":
            data = [self._model(imitation, model) for model in imitation.models.values()]
            return Reply(200, base.to_json({"object": "list", "data": data}))
        model = base.models_of(imitation, path)
        if model is None:
            name = path.partition("/models/")[2]
            return self.refuse(Refused("model", 404), name, ())
        return Reply(200, base.to_json(self._model(imitation, model)))

    def _model(self, imitation: Imitation, model: ImitatedModel) -> dict[str, Any]:
        return {"id": model.name, "object": "model", "created": 1_735_689_600, "owned_by": imitation.name}


def _totals(counted: Counted) -> dict[str, Any]:
    return {
        "prompt_tokens": counted.prompt,
        "completion_tokens": counted.completion,
        "total_tokens": counted.total,
    }


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + base.to_json(data) + b"\n\n"


def _choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def grouped(text: str) -> list[str]:
    """A text in the pieces in which it is streamed: its tokens, some at a time where there are many."""
    found = pieces(text)
    size = len(found) // _LONGEST_STREAM + 1
    return ["".join(found[n : n + size]) for n in range(0, len(found), size)]


def dimension_in_words(refused: Refused, minute: str) -> str:
    """The limit that refused, `requests per min (RPM)`; `minute` is how the dialect says that period."""
    limit = refused.broken
    if limit is None or limit.unit == "concurrent":
        return "concurrent requests"
    per = {"minute": minute}.get(
        str(limit.per), f"per {limit.per}" if isinstance(limit.per, str) else f"per {limit.seconds:g}s"
    )
    return f"{base.spoken(limit)} {per} ({dimension_of(limit)})"


DIALECT: Final = OpenAI()
