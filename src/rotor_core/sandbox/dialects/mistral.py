"""Mistral's chat completions: OpenAI's, with errors in three shapes and headers of its own.

Headers speak of the minute and of what this call cost, on whole answers and refusals, never on streams, and tell no time
at which anything is back. Reasoning is part of the content, which is then a list. Calls come whole, their ids are nine
alphanumerics, and usage stands in a stream's last chunk whether or not one asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rotor_core.sandbox.conversation import Asked, Malformed, Written
from rotor_core.sandbox.dialects import base
from rotor_core.sandbox.dialects._mistral_request import BAD_ANSWER, BAD_ARGUMENTS, BAD_CALL_ID, EXTRA, ORDER, read
from rotor_core.sandbox.dialects.base import Exchange, Headers, Incoming, Reply, Trouble
from rotor_core.sandbox.dialects.openai import OpenAI
from rotor_core.sandbox.provider import Reading, Refused
from rotor_core.sandbox.spec import ImitatedModel, Imitation

_TYPES: Final[Mapping[str, str]] = {
    ORDER: "invalid_request_message_order",
    BAD_ANSWER: "invalid_assistant_message",
    BAD_CALL_ID: "invalid_function_call",
    BAD_ARGUMENTS: "invalid_request_invalid_args",
}
_TROUBLES: Final[Mapping[Trouble, tuple[str, str, str]]] = {
    "not_json": ("Invalid JSON", "invalid_request_error", "3000"),
    "server_error": ("Internal server error", "internal_server_error", "1000"),
    "overloaded": ("Service tier capacity exceeded for this model.", "service_tier_capacity_exceeded", "3505"),
}
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ID_LENGTH: Final = 9
_CAPABILITIES: Final[Mapping[str, str]] = {"function_calling": "tools", "vision": "vision", "reasoning": "reasoning"}


class Mistral(OpenAI):
    """What differs from OpenAI's dialect."""

    name = "mistral"

    def read(self, incoming: Incoming) -> Asked:
        return read(incoming.body)

    # ---- answers --------------------------------------------------------------------------------------------------

    def answer(self, exchange: Exchange, readings: Sequence[Reading]) -> Reply:
        reply = super().answer(exchange, readings)
        cost = ("x-ratelimit-tokens-query-cost", str(exchange.counted.total))
        return Reply(reply.status, reply.body, (*reply.headers, *self.limit_headers(readings), cost))

    def usage(self, exchange: Exchange) -> dict[str, Any]:
        counted = exchange.counted
        return {
            "prompt_tokens": counted.prompt,
            "total_tokens": counted.total,
            "completion_tokens": counted.completion,
            "prompt_tokens_details": {"cached_tokens": counted.cached},
            "service_tier": "standard",
        }

    def events(self, exchange: Exchange) -> Iterator[bytes]:
        for event in super().events(exchange):
            if b'"choices":[]' not in event:  # a chunk of usage alone is OpenAI's
                yield event

    def _call_deltas(self, exchange: Exchange, n: int, arguments: str) -> Iterator[dict[str, Any]]:  # noqa: ARG002  see `_last_delta`
        return iter(())

    def _last_delta(self, exchange: Exchange) -> dict[str, Any]:
        """All calls, whole, beside the finish reason and the usage."""
        calls = [self._call(exchange, n, call.arguments) for n, call in enumerate(exchange.written.calls)]
        return {"tool_calls": calls} if calls else {"content": ""}

    def _call(self, exchange: Exchange, n: int, arguments: str) -> dict[str, Any]:
        return {**super()._call(exchange, n, arguments), "index": n}

    def _call_id(self, exchange: Exchange, n: int) -> str:
        return _nine(exchange.number * 1000 + n)

    def _first_delta(self, written: Written) -> dict[str, Any]:  # noqa: ARG002  it is the same for all
        return {"role": "assistant", "content": ""}

    def _thoughts(self, exchange: Exchange) -> dict[str, Any]:
        """The whole content, for thinking is a part of it."""
        written = exchange.written
        if not written.thoughts:
            return {"content": written.text}
        said = [{"type": "text", "text": written.text}] if written.text else []
        return {"content": [_thinking(written.thoughts), *said]}

    def _thought_delta(self, exchange: Exchange, thought: str) -> dict[str, Any]:  # noqa: ARG002  it is always shown
        return {"content": [_thinking(thought)]}

    def _finished(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"tool_calls": None, **message}

    def _closing(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  nothing
        return {}

    def _event_head(self, exchange: Exchange) -> dict[str, Any]:
        head = super()._event_head(exchange)
        del head["service_tier"], head["system_fingerprint"]
        return head

    def _no_usage_yet(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  it never says that
        return {}

    def _last(self, exchange: Exchange) -> dict[str, Any]:
        return {"usage": self.usage(exchange), "p": "abcdefghijk"}

    def _id(self, exchange: Exchange) -> str:
        return f"{exchange.number:032x}"

    # ---- headers --------------------------------------------------------------------------------------------------

    def _headers(self, content_type: str, exchange: Exchange, readings: Sequence[Reading]) -> Headers:  # noqa: ARG002  a stream tells none
        return (
            ("content-type", content_type),
            ("mistral-correlation-id", self._id(exchange)),
            ("x-kong-request-id", self._id(exchange)),
            ("x-kong-upstream-latency", str(round(exchange.took * 1000))),
        )

    def limit_headers(self, readings: Sequence[Reading]) -> Headers:
        """`x-ratelimit-{limit,remaining}-{req-minute,tokens-minute,tokens-month}`; the second's limit is not told."""
        found = (
            ("tokens-minute", base.reading_of(readings, "tokens", "minute")),
            ("req-minute", base.reading_of(readings, "requests", "minute")),
            ("tokens-month", base.reading_of(readings, "tokens", "month")),
        )
        return tuple(
            header
            for what, reading in found
            if reading
            for header in (
                (f"x-ratelimit-limit-{what}", base.figure(reading.limit.value)),
                (f"x-ratelimit-remaining-{what}", str(reading.remaining)),
            )
        )

    # ---- errors ---------------------------------------------------------------------------------------------------

    def refuse(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        match refused.reason:
            case "auth":
                return self.trouble("wrong_key", 401)
            case "model":
                return _error(400, f"Invalid model: {model}", "invalid_model", "1500")
            case "context":
                tokens, most = base.figure(refused.requested or 0), base.figure(refused.limit or 0)
                text = f"Prompt contains {tokens} tokens, too large for model with {most} maximum context length"
                return _error(400, text, "invalid_request_prompt", BAD_ARGUMENTS)
            case "too_large" | "rate":
                headers = self.limit_headers(readings)
                if refused.broken is not None and refused.broken.unit in {"requests", "concurrent"}:
                    # The gateway's own words, before a model is asked.
                    return Reply(429, base.to_json({"message": "Requests rate limit exceeded"}), _with(headers))
                return _error(429, "Rate limit exceeded", "rate_limited", "1300", headers)

    def malformed(self, problem: Malformed) -> Reply:
        if problem.code is not None and problem.code in _TYPES:
            return _error(400, problem.message, _TYPES[problem.code], problem.code)
        kind = EXTRA if problem.code == EXTRA else "value_error"
        detail = [{"type": kind, "loc": ["body", problem.param or ""], "msg": problem.message, "input": None}]
        return _error(422, {"detail": detail}, "invalid_request_error", None)

    def trouble(self, trouble: Trouble, status: int, *, key: str = "", message: str | None = None) -> Reply:  # noqa: ARG002  it is not shown
        match trouble:
            case "no_key":
                return Reply(
                    status, base.to_json({"message": message or "Unauthorized", "request_id": f"{status:032x}"})
                )
            case "wrong_key":
                return Reply(status, base.to_json({"detail": message or "Invalid API Key"}))
            case "no_route":
                return Reply(status, base.to_json({"message": message or "no Route matched with those values"}))
            case _:
                text, kind, code = _TROUBLES[trouble]
                return _error(status, message or text, kind, code)

    def _error(self, text: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
        return {"object": "error", "message": text, "type": kind, "param": param, "code": code}

    # ---- models ---------------------------------------------------------------------------------------------------

    def _model(self, imitation: Imitation, model: ImitatedModel) -> dict[str, Any]:
        stated = model.capabilities
        able = {name: stated is None or ours in stated for name, ours in _CAPABILITIES.items()}
        return {
            **super()._model(imitation, model),
            "capabilities": {"completion_chat": True, "completion_fim": False, **able},
            "name": model.name,
            "description": "",
            "max_context_length": model.context,
            "aliases": [],
            "deprecation": None,
            "deprecation_replacement_model": None,
            "default_model_temperature": 0.3,
            "type": "base",
        }


def _thinking(thought: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}


def _nine(number: int) -> str:
    """A number in letters and figures, nine of them."""
    found = ""
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_LETTERS))
        found = _LETTERS[digit] + found
    return found


def _with(headers: Headers) -> Headers:
    return (("content-type", "application/json"), *headers)


def _error(status: int, text: str | Mapping[str, Any], kind: str, code: str | None, headers: Headers = ()) -> Reply:
    error = {"object": "error", "message": text, "type": kind, "param": None, "code": code, "raw_status_code": status}
    return Reply(status, base.to_json(error), _with(headers))


DIALECT: Final = Mistral()
