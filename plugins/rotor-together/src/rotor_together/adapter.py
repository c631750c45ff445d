"""Together's chat completions: OpenAI's, with a finish reason `eos`, and a bare list of models with their prices.

Of its SDK 3.1.1 (2026-11): it knows `max_tokens` only, and no parameters of OpenAI's that steer its platform; `logprobs`
is a number, of the likeliest tokens that are told; efforts are low, medium and high, and thinking is turned off by
`reasoning`. Of content parts it takes images, video and audio, and no files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from rotor_core._model import Model
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request
from rotor_core.adapters import openai_wire
from rotor_core.adapters.history import Manner
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.json_values import name, table
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.wire import LiveModel, Reader, Wire

_STOP: Final = "eos"
_NEAREST: Final[Mapping[str, str]] = {"minimal": "low", "xhigh": "high", "max": "high"}
_CHATS: Final = frozenset({"chat", "language", "code", None})
"""Types of models, in its list, that chat completions may be asked of."""


class TogetherWire(OpenAIWire):
    """OpenAI's format as Together has it."""

    manner: ClassVar[Manner] = Manner(takes=frozenset({"image_url", "video_url", "audio_url", "input_audio"}))
    parameters: ClassVar[frozenset[str] | None] = frozenset(
        {"logit_bias", "logprobs", "n", "stream_options", "top_logprobs"}
    )

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  the same for all
        if "max_completion_tokens" in body:
            body.setdefault("max_tokens", body["max_completion_tokens"])
            del body["max_completion_tokens"]
        told = body.pop("top_logprobs", None)
        if isinstance(asked := body.get("logprobs"), bool):
            body["logprobs"] = int(told or 1) if asked else 0
        effort = body.get("reasoning_effort")
        if effort == "none":
            del body["reasoning_effort"]
            body.setdefault("reasoning", {"enabled": False})
        elif isinstance(effort, str) and effort in _NEAREST:
            body["reasoning_effort"] = _NEAREST[effort]
        return body

    def decode(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        answer = super().decode(content, headers)
        return replace(answer, finish_reason="stop") if answer.finish_reason == _STOP else answer

    def reader(self, headers: Mapping[str, str]) -> Reader:
        return _TogetherReader(headers)

    def models(self, content: bytes) -> Sequence[LiveModel]:
        """Those that chat, with their prices."""
        return [
            _priced(model, entry)
            for model, entry in zip(super().models(content), openai_wire.listed_in(content), strict=True)
            if name(entry.get("type")) in _CHATS
        ]


class Together(HttpAdapter):
    """For api.together.ai."""

    wire: ClassVar[Wire] = TogetherWire()


class _TogetherReader(StreamReader):
    def end(self) -> Iterator[Chunk]:
        for chunk in super().end():
            yield replace(chunk, finish_reason="stop") if chunk.finish_reason == _STOP else chunk


def _priced(model: LiveModel, said: Mapping[str, Any]) -> LiveModel:
    """Prices in USD per million tokens; both 0 where it charges otherwise, which says nothing of tokens."""
    price = table(said.get("pricing"))
    costs = [cost for cost in (price.get("input"), price.get("output")) if isinstance(cost, int | float)]
    if len(costs) < 2 or not any(costs):
        return model
    return replace(model, input_price=float(costs[0]), output_price=float(costs[1]))
