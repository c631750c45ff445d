"""Together's chat completions: OpenAI's, with limits by the second that move, and two refusals that mean different things.

Beyond its rate a client gets 429 with an `error_type`; where the platform itself is full, 503. Every answer tells the
second's limit, what is left of it and a number of seconds to wait; good ones a `retry-after` too, which means nothing.
Cached tokens are counted beside the others, not within them; a chunk says its text twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from rotor_core._policy.content import fields
from rotor_core.sandbox.conversation import Asked, Written
from rotor_core.sandbox.dialects import base
from rotor_core.sandbox.dialects.base import Exchange, Headers, Incoming, Reply, Trouble
from rotor_core.sandbox.dialects.openai import OpenAI
from rotor_core.sandbox.provider import Reading, Refused
from rotor_core.sandbox.spec import ImitatedModel, Imitation

_CAPACITY: Final = "The server is overloaded or not ready yet."
_REQUESTS: Final = "dynamic_request_limited"
_DONE: Final = b"data: [DONE]\n\n"
_TOKENS: Final = "dynamic_token_limited"


class Together(OpenAI):
    """What differs from OpenAI's dialect."""

    name = "together"
    wrong_key = "Invalid API key provided. You can find your API key at https://api.together.ai/settings/api-keys."

    def read(self, incoming: Incoming) -> Asked:
        """Reasoning is shown, and turned on or off by `reasoning.enabled`. Usage stands in every stream's last chunk."""
        asked = super().read(incoming)
        enabled = fields(fields(json.loads(incoming.body)).get("reasoning")).get("enabled")
        if enabled is not None and asked.think is None:
            asked = replace(asked, think="medium" if enabled else "none")
        return replace(asked, thoughts="shown", include_usage=True)

    # ---- answers --------------------------------------------------------------------------------------------------

    def usage(self, exchange: Exchange) -> dict[str, Any]:
        counted = exchange.counted
        usage = {
            "prompt_tokens": counted.prompt,
            "completion_tokens": counted.completion,
            "total_tokens": counted.total,
            "cached_tokens": counted.cached,
        }
        return {**usage, "reasoning_tokens": counted.reasoning} if counted.reasoning else usage

    def events(self, exchange: Exchange) -> Iterator[bytes]:
        """OpenAI's, but for a chunk of usage alone; and each says its text twice."""
        for event in super().events(exchange):
            if event == _DONE or b'"choices":[]' in event:
                if event == _DONE:
                    yield event
                continue
            chunk = json.loads(event.removeprefix(b"data: "))
            choice = chunk["choices"][0]
            choice["text"] = choice["delta"].get("content") or ""
            yield b"data: " + base.to_json(chunk) + b"\n\n"

    def _first_delta(self, written: Written) -> dict[str, Any]:
        return {"role": "assistant", "content": None if written.calls else ""}

    def _thoughts(self, exchange: Exchange) -> dict[str, Any]:
        return {"reasoning": exchange.written.thoughts} if exchange.written.thoughts else {}

    def _thought_delta(self, exchange: Exchange, thought: str) -> dict[str, Any]:  # noqa: ARG002  it is always shown
        return {"reasoning": thought}

    def _call(self, exchange: Exchange, n: int, arguments: str) -> dict[str, Any]:
        return {**super()._call(exchange, n, arguments), "index": n}

    def _finished(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"tool_calls": [], **message}

    def _closing(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  it is the same for all
        return {"prompt": []}

    def _event_head(self, exchange: Exchange) -> dict[str, Any]:
        head = super()._event_head(exchange)
        del head["service_tier"], head["system_fingerprint"]
        return head

    def _no_usage_yet(self, exchange: Exchange) -> dict[str, Any]:  # noqa: ARG002  it always says that
        return {"usage": None}

    def _last(self, exchange: Exchange) -> dict[str, Any]:
        return {"usage": self.usage(exchange)}

    def _id(self, exchange: Exchange) -> str:
        return f"{exchange.number:016x}"

    # ---- headers --------------------------------------------------------------------------------------------------

    def _headers(self, content_type: str, exchange: Exchange, readings: Sequence[Reading]) -> Headers:
        return (
            ("content-type", content_type),
            ("x-request-id", self._id(exchange)),
            ("retry-after", "2"),
            *self.limit_headers(readings),
        )

    def limit_headers(self, readings: Sequence[Reading]) -> Headers:
        """Of the second. A minute's limit is told as what it comes to in a second, for so it is enforced there."""
        requests = base.reading_of(readings, "requests", "second", "minute")
        tokens = base.reading_of(readings, "tokens", "second", "minute")
        found: list[tuple[str, str]] = []
        if requests is not None:
            found += [
                ("x-ratelimit", "false"),
                ("x-ratelimit-limit", _by_the_second(requests, requests.limit.value)),
                ("x-ratelimit-remaining", _by_the_second(requests, requests.remaining)),
                ("x-ratelimit-reset", str(math.ceil(requests.empty_in - 1e-6))),
            ]
        if tokens is not None:
            found += [
                ("x-tokenlimit-limit", _by_the_second(tokens, tokens.limit.value)),
                ("x-tokenlimit-remaining", _by_the_second(tokens, tokens.remaining)),
            ]
        return tuple(found)

    # ---- errors ---------------------------------------------------------------------------------------------------

    def _too_large(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        return self._rate(refused, model, readings)

    def _rate(self, refused: Refused, model: str, readings: Sequence[Reading]) -> Reply:
        unit = refused.broken.unit if refused.broken else "requests"
        kind = _REQUESTS if unit in {"requests", "concurrent"} else _TOKENS
        what = "requests" if kind == _REQUESTS else "tokens"
        text = (
            f"You have exceeded the dynamic rate of {what} for {model}. Send steady traffic, and retry after a pause."
        )
        error = {**self._error(text, kind, None), "error_type": kind}
        wait = [] if refused.retry_after is None else [("x-ratelimit-reset", _seconds(refused.retry_after))]
        told = [header for header in self.limit_headers(readings) if not wait or header[0] != "x-ratelimit-reset"]
        return Reply(429, base.to_json(error), (("content-type", "application/json; charset=utf-8"), *told, *wait))

    def trouble(self, trouble: Trouble, status: int, *, key: str = "", message: str | None = None) -> Reply:
        if trouble == "overloaded":
            return self._reply(status, message or _CAPACITY, "service_unavailable", None)
        return super().trouble(trouble, status, key=key, message=message)

    def models(self, imitation: Imitation, path: str) -> Reply:
        """The bare list, without anything around it."""
        if path.removeprefix("/v1") != "/models":
            return super().models(imitation, path)
        return Reply(200, base.to_json([self._model(imitation, model) for model in imitation.models.values()]))

    def _model(self, imitation: Imitation, model: ImitatedModel) -> dict[str, Any]:
        price: Mapping[str, float] = {"hourly": 0, "base": 0, "finetune": 0}
        known = {"input": model.price.input, "output": model.price.output} if model.price else {"input": 0, "output": 0}
        return {
            **super()._model(imitation, model),
            "type": "chat",
            "running": False,
            "display_name": model.name,
            "organization": imitation.name,
            "context_length": model.context,
            "pricing": {**price, **known},
        }


def _by_the_second(reading: Reading, value: float) -> str:
    """Rounded down, but 1 where there is anything: what is told never asks for more than is there."""
    per_second = value / reading.limit.seconds
    return str(max(1, math.floor(per_second)) if per_second > 0 else 0)


def _seconds(wait: float) -> str:
    return str(max(1, math.ceil(wait - 1e-6)))


DIALECT: Final = Together()
