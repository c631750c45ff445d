"""The presets that differ a little from OpenAI's chat completions: each class says in what. See `rotor_core.presets`.

Read from their documentation and recorded answers up to November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters import openai_wire
from rotor_core.adapters.history import Manner, strict_id
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.json_values import count, name, rows, string, table
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.wire import LiveModel, Wire, WireError

_PLENTY: Final = 4096
"""Tokens of an answer, where a server would otherwise end it after a few lines."""
_MILLION: Final = 1_000_000


def renamed(body: dict[str, Any], old: str, new: str) -> None:
    """A parameter under the name that a server knows; one that already stands there under it is kept."""
    if old in body:
        body.setdefault(new, body[old])
        del body[old]


class AnthropicWire(OpenAIWire):
    """Its ids are strict. Its list of models is not of this dialect, and takes the key in another header.

    Audio and files are passed over there in silence, by its documentation of this endpoint; only images are taken.
    """

    manner: ClassVar[Manner] = Manner(takes=frozenset({"image_url"}), names=False, tool_id=strict_id)

    def models_url(self, base_url: str) -> str | None:  # noqa: ARG002  nowhere
        return None


class CerebrasWire(OpenAIWire):
    """It reserves `max_completion_tokens` of the limit, and knows `max_tokens` only as an old name of that."""

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  for all
        renamed(body, "max_tokens", "max_completion_tokens")
        return body


class CloudflareWire(OpenAIWire):
    """Many of its models end an answer after 256 tokens unless told otherwise; its models are listed by its own API."""

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  for all
        renamed(body, "max_completion_tokens", "max_tokens")
        body.setdefault("max_tokens", min(model.max_output or _PLENTY, _PLENTY))
        return body

    def models_url(self, base_url: str) -> str | None:
        return f"{base_url.removesuffix('/v1')}/models/search"

    def models(self, content: bytes) -> Sequence[LiveModel]:
        body = table(openai_wire.load(content))
        if "result" not in body:
            raise WireError("no list of models")
        return [
            LiveModel(string(entry.get("name")), context=_property(entry, "context_window"))
            for entry in map(table, rows(body["result"]))
            if table(entry.get("task")).get("name", _TALKS) == _TALKS
        ]


_TALKS: Final = "Text Generation"


def _property(entry: Mapping[str, Any], wanted: str) -> int | None:
    for given in map(table, rows(entry.get("properties"))):
        if given.get("property_id") == wanted:
            value = str(given.get("value"))
            return int(value) if value.isdecimal() else None
    return None


class DeepSeekWire(OpenAIWire):
    """A thinking model wants its thoughts back with every message that called tools, and refuses the history without.

    Of another provider's answer, or where they were not kept, there are none: an empty text is taken for that. It takes
    no content parts but text, as recorded refusals say (2026-08).
    """

    manner: ClassVar[Manner] = Manner(own_fields=frozenset({"reasoning_content", "prefix"}), takes=frozenset())

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  for all
        renamed(body, "max_completion_tokens", "max_tokens")
        body["messages"] = [
            {**message, "reasoning_content": message.get("reasoning_content", "")}
            if "tool_calls" in message
            else message
            for message in body["messages"]
        ]
        return body


class GeminiCompatibleWire(OpenAIWire):
    """Google's endpoint of this dialect. Gemini 3 wants its signature back with the first of a message's tool calls.

    For calls that another model made, Google's documentation names a text to send in its place. A field that it does not
    know is refused with status 400 (`store`, `metadata`, `prompt_cache_key`: public issues, 2025-05 to 2026-03).
    """

    manner: ClassVar[Manner] = Manner(understands=frozenset({"google"}), names=False)
    parameters: ClassVar[frozenset[str] | None] = frozenset(
        {"audio", "logprobs", "modalities", "n", "parallel_tool_calls", "stream_options", "top_logprobs"}
    )

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  for all
        body["messages"] = [_signed(message) if "tool_calls" in message else message for message in body["messages"]]
        return body


_UNSIGNED: Final = {"google": {"thought_signature": "skip_thought_signature_validator"}}


def _signed(message: Mapping[str, Any]) -> Mapping[str, Any]:
    first, *others = message["tool_calls"]
    return (
        message
        if "extra_content" in first
        else {**message, "tool_calls": [{**first, "extra_content": _UNSIGNED}, *others]}
    )


class OpenRouterWire(OpenAIWire):
    """It passes on what its upstreams want back, and lists what each model costs and can do."""

    manner: ClassVar[Manner] = Manner(
        understands=frozenset({"google"}),
        own_fields=frozenset({"reasoning_details"}),
        part_keys=frozenset({"cache_control"}),
    )

    def models(self, content: bytes) -> Sequence[LiveModel]:
        return [
            _priced(model, entry)
            for model, entry in zip(super().models(content), openai_wire.listed_in(content), strict=True)
        ]


_PARAMETERS: Final[Mapping[str, str]] = {
    "tools": "tools",
    "parallel_tool_calls": "parallel_tools",
    "structured_outputs": "json_schema",
    "reasoning": "reasoning",
}


def _priced(model: LiveModel, said: Mapping[str, Any]) -> LiveModel:
    price, best = table(said.get("pricing")), table(said.get("top_provider"))
    takes = rows(said.get("supported_parameters"))
    able = {ours for theirs, ours in _PARAMETERS.items() if theirs in takes}
    if "image" in rows(table(said.get("architecture")).get("input_modalities")):
        able.add("vision")
    return replace(
        model,
        max_output=model.max_output or count(best.get("max_completion_tokens")) or None,
        capabilities=frozenset(able) if takes else None,
        input_price=_usd(price.get("prompt")),
        output_price=_usd(price.get("completion")),
        retired=(name(said.get("expiration_date")) or "")[:10] or None,
    )


def _usd(per_token: Any) -> float | None:
    """A price per token, written as a text, in USD per million; None where it depends (-1 for its routers)."""
    try:
        price = float(per_token)
    except (TypeError, ValueError):
        return None
    return round(price * _MILLION, 6) if 0 <= price < 1 else None


class Anthropic(HttpAdapter):
    """For api.anthropic.com, its endpoint of this dialect."""

    wire: ClassVar[Wire] = AnthropicWire()


class Cerebras(HttpAdapter):
    """For api.cerebras.ai."""

    wire: ClassVar[Wire] = CerebrasWire()


class Cloudflare(HttpAdapter):
    """For Workers AI."""

    wire: ClassVar[Wire] = CloudflareWire()


class DeepSeek(HttpAdapter):
    """For api.deepseek.com."""

    wire: ClassVar[Wire] = DeepSeekWire()


class GeminiCompatible(HttpAdapter):
    """For Google's endpoint of this dialect."""

    wire: ClassVar[Wire] = GeminiCompatibleWire()


class OpenRouter(HttpAdapter):
    """For openrouter.ai."""

    wire: ClassVar[Wire] = OpenRouterWire()
