"""Groq's chat completions: OpenAI's, but for how reasoning is asked for and what is refused.

Rules of Groq's API reference and its SDK 1.7.0 (2026-11): `reasoning_format` is for models that think in the text
(Qwen), `include_reasoning` for gpt-oss, and the two exclude each other; `raw` goes with neither tools nor JSON; gpt-oss
cannot but think; one answer to a request, no `logit_bias`, no `logprobs`, and no names in messages; `max_tokens` is an
old name. A property that it does not know (`store`, `prompt_cache_key`) is refused with status 400 (public issues, 2024-12
to 2026-07). Of content parts it takes images and documents of its own form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters import openai_wire
from rotor_core.adapters.history import Manner
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.wire import LiveModel, Wire

_TIERS: Final = frozenset({"auto", "on_demand", "flex", "performance"})
_GPT_OSS: Final[Mapping[str, str]] = {
    "none": "low",
    "minimal": "low",
    "default": "medium",
    "xhigh": "high",
    "max": "high",
}
_QWEN: Final[Mapping[str, str]] = {"minimal": "none"} | dict.fromkeys(
    ("low", "medium", "high", "xhigh", "max"), "default"
)
"""Efforts that a family of models does not know, and those that come nearest."""


class GroqWire(OpenAIWire):
    """OpenAI's format as Groq wants it."""

    manner: ClassVar[Manner] = Manner(names=False, takes=frozenset({"image_url", "document"}))
    parameters: ClassVar[frozenset[str] | None] = frozenset(
        {"parallel_tool_calls", "service_tier", "stream_options", "user"}
    )

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  the same for all
        if body.get("service_tier") not in _TIERS:
            body.pop("service_tier", None)
        if "max_tokens" in body:
            body.setdefault("max_completion_tokens", body["max_tokens"])
            del body["max_tokens"]
        if "gpt-oss" in model.name:
            _gpt_oss(body)
        elif "qwen" in model.name.lower():
            _thinks_in_the_text(body, model)
        if body.get("reasoning_format") is not None:
            body.pop("include_reasoning", None)
        return body

    def models(self, content: bytes) -> Sequence[LiveModel]:
        """Without those that Groq lists as no longer active."""
        return [
            model
            for model, entry in zip(super().models(content), openai_wire.listed_in(content), strict=True)
            if entry.get("active") is not False
        ]


class Groq(HttpAdapter):
    """For api.groq.com."""

    wire: ClassVar[Wire] = GroqWire()


def _gpt_oss(body: dict[str, Any]) -> None:
    _nearest_effort(body, _GPT_OSS)
    form = body.pop("reasoning_format", None)
    if form is not None:
        body.setdefault("include_reasoning", form != "hidden")


def _thinks_in_the_text(body: dict[str, Any], model: Model) -> None:
    """Thinking is asked for beside the text, so that it never stands in it, unless the caller wants it otherwise."""
    _nearest_effort(body, _QWEN)
    strict = bool(body.get("tools")) or body.get("response_format") is not None
    if body.get("reasoning_format") == "raw" and strict:
        body["reasoning_format"] = "parsed"
    thinks = model.capabilities is None or "reasoning" in model.capabilities
    if thinks and "qwen3" in model.name.lower() and "include_reasoning" not in body:
        body.setdefault("reasoning_format", "parsed")


def _nearest_effort(body: dict[str, Any], nearest: Mapping[str, str]) -> None:
    effort = body.get("reasoning_effort")
    if isinstance(effort, str):
        body["reasoning_effort"] = nearest.get(effort, effort)
