"""Groq's chat completions: OpenAI's, with differences that matter to whoever counts.

Its headers speak of the day's requests and the minute's tokens, and of nothing else; `x-ratelimit-reset-requests` is
when the day's bucket is full again, no time to wait for. Durations run to nanoseconds. A request that is larger than a
limit is a 413, under the same code as a 429. Usage stands in `x_groq` of a stream's last chunk as well, reasoning
under `reasoning`, and a tool call comes in one piece.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from rotor_core.sandbox.conversation import Asked, Malformed, Written
from rotor_core.sandbox.dialects import base
from rotor_core.sandbox.dialects.base import Exchange, Headers, Incoming, Reply
from rotor_core.sandbox.dialects.openai import OpenAI, dimension_in_words
from rotor_core.sandbox.provider import Reading, Refused
from rotor_core.sandbox.spec import ImitatedModel, Imitation

_ORGANIZATION: Final = "org_sandbox"
_UPGRADE: Final = "Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
_NANOSECONDS: Final = 9
_SDK_PREFIX: Final = "/openai"


class Groq(OpenAI):
    """What differs from OpenAI's dialect."""

    name = "groq"
    wrong_key = "Invalid API Key"

    def route(self, incoming: Incoming) -> Literal["chat", "models"] | None:
        """OpenAI's paths, and under `/openai` too, which is where the vendor's SDK adds them to its base URL."""
        return super().route(replace(incoming, path=incoming.path.removeprefix(_SDK_PREFIX)))

    def read(self, incoming: Incoming) -> Asked:
        """Reasoning is shown unless the request says otherwise."""
        asked = super().read(incoming)
        said = b'"reasoning_format"' in incoming.body or b'"include_reasoning"' in incoming.body
        return asked if said else replace(asked, thoughts="shown")

    def usage(self, exchange: Exchange) -> dict[str, Any]:
        """With the times that Groq reports; details only of what there is."""
        counted = exchange.counted
        made = counted.completion / 500  # a plausible speed, tokens a second
        usage: dict[str, Any] = {
            "queue_time": 0.02,
            "prompt_tokens": counted.prompt,
            "prompt_time": counted.prompt / 10_000,
            "completion_tokens": counted.completion,
            "completion_time": made,
            "total_tokens": counted.total,
            "total_time": counted.prompt / 10_000 + made,
        }
        if counted.cached:
            usage["prompt_tokens_details"] = {"cached_tokens": counted.cached}
        if counted.reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": counted.reasoning}
        return usage

    def stream_error(self) -> bytes:
        """Groq names the event, and puts the status that it would have had into the body."""
        error = {
            "message": "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
            "type": "invalid_request_error",
            "code": "tool_use_failed",
            "failed_generation": "",
            "status_code": 400,
        }
        return b"event: error\ndata: " + base.to_json({"error": error}) + b"\n\n"

    def over_max_output(self, asked: int, most: int) -> Malformed:  # noqa: ARG002  it does not say what was asked
        name = "`max_completion_tokens`"
        text = f"{name} must be less than or equal to `{most}`, the maximum value for {name} is less than the `context_window` for this model"
        return Malformed(text, "max_completion_tokens")

    def duration(self, seconds: float) -> str:
        return base.go_duration(seconds, digits=_NANOSECONDS)

    def limit_headers(self, readings: Sequence[Reading]) -> Headers:
        found = (
            ("requests", base.reading_of(readings, "requests", "day")),
            ("tokens", base.reading_of(readings, "tokens", "minute")),
        )
        return tuple(header for unit, reading in found if reading for header in self._limit(unit, reading))

    def _call_deltas(self, exchange: Exchange, n: int, arguments: str) -> Iterator[dict[str, Any]]:
        yield {"tool_calls": [{**self._call(exchange, n, arguments), "index": n}]}

    def _first_delta(self, written: Written) -> dict[str, Any]:
        return {"role": "assistant", "content": None if written.calls else ""}

    def _thoughts(self, exchange: Exchange) -> dict[str, Any]:
        shown = exchange.asked.thoughts == "shown" and exchange.written.thoughts
        return {"reasoning": exchange.written.thoughts} if shown else {}

    def _thought_delta(self, exchange: Exchange, thought: str) -> dict[str, Any]:
        return {"reasoning": thought, "channel": "analysis"} if exchange.asked.thoughts == "shown" else {}

    def _finished(self, message: dict[str, Any]) -> dict[str, Any]:
        """A message without text has no `content` at all."""
        return {key: value for key, value in message.items() if value is not None}

    def _closing(self, exchange: Exchange) -> dict[str, Any]:
        return {
            "usage_breakdown": None,
            "system_fingerprint": "fp_sandbox",
            "x_groq": {"id": _request_id(exchange)},
            "service_tier": "on_demand",
        }

    def _event_head(self, exchange: Exchange) -> dict[str, Any]:
        head = super()._event_head(exchange)
        del head["service_tier"]
        return head

    def _opening_extra(self, exchange: Exchange) -> dict[str, Any]:
        return {"x_groq": {"id": _request_id(exchange)}}

    def _no_usage_yet(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  it never says that
        return {}

    def _last(self, exchange: Exchange) -> dict[str, Any]:
        usage = self.usage(exchange)
        told = {"usage": usage} if exchange.asked.include_usage else {}
        return {"x_groq": {"id": _request_id(exchange), "usage": usage}, **told}

    def _headers(self, content_type: str, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
        return (
            ("content-type", content_type.partition(";")[0]),
            ("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate"),
            ("vary", "Origin"),
            ("x-groq-region", "sandbox"),
            ("x-request-id", _request_id(exchange)),
            *self.limit_headers(readings),
        )

    def _too_large(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        text = (
            f"Request too large for model `{model}` in organization `{_ORGANIZATION}` service tier `on_demand` on "
            f"{dimension_in_words(refused, 'per minute')}: Limit {base.figure(refused.limit or 0)}, Requested "
            f"{base.figure(refused.requested or 0)}, please reduce your message size and try again. {_UPGRADE}"
        )
        return self._limited(413, text, refused, readings)

    def _rate(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        again = f" Please try again in {self.duration(refused.retry_after)}." if refused.retry_after else ""
        text = (
            f"Rate limit reached for model `{model}` in organization `{_ORGANIZATION}` service tier `on_demand` on "
            f"{dimension_in_words(refused, 'per minute')}: Limit {base.figure(refused.limit or 0)}, "
            f"Used {base.figure(refused.used or 0)}, Requested {base.figure(refused.requested or 1)}.{again} {_UPGRADE}"
        )
        return self._limited(429, text, refused, readings)

    def _context(self, refused: Refused) -> Reply:  # noqa: ARG002  it gives no figures
        text = "Please reduce the length of the messages or completion."
        return self._reply(400, text, "invalid_request_error", "context_length_exceeded", param="messages")

    def _waits(self, retry_after: float | None) -> Headers:
        return (("retry-after", str(math.ceil(retry_after - 1e-6))),) if retry_after is not None else ()

    def _error(self, text: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
        """Groq leaves out what it has nothing to say of."""
        error: Mapping[str, Any] = {"message": text, "type": kind, "param": param, "code": code}
        return {"error": {key: value for key, value in error.items() if value is not None}}

    def models(self, imitation: Imitation, path: str) -> Reply:
        return super().models(imitation, path.removeprefix(_SDK_PREFIX))

    def _model(self, imitation: Imitation, model: ImitatedModel) -> dict[str, Any]:
        return {
            **super()._model(imitation, model),
            "active": True,
            "context_window": model.context,
            "max_completion_tokens": model.max_output or model.context,
        }


def _request_id(exchange: Exchange) -> str:
    return f"req_sandbox{exchange.number:012x}"


DIALECT: Final = Groq()
