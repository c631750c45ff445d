"""Cohere's chat API v2: where a request goes and who reads what comes back. See `request`, `answer` and `stream`.

The base URL is the bare host, `https://api.cohere.com`; one that ends in `/v1` or `/v2`, as people write it, is understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from rotor_cohere.answer import answer_of
from rotor_cohere.request import body_of
from rotor_cohere.stream import CohereReader
from rotor_core._model import Model, Secret
from rotor_core._outcome import Answer
from rotor_core._request import Request
from rotor_core.adapters.json_values import count, is_list, rows, string, table
from rotor_core.adapters.openai_wire import load, to_bytes
from rotor_core.adapters.wire import LiveModel, Reader, WireError

_CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tools": "tools",
        "json_mode": "json_mode",
        "json_schema": "json_schema",
        "vision": "vision",
        "reasoning": "reasoning",
    }
)
"""What Cohere calls features. Nothing of it says whether several tools are called at once."""


class CohereWire:
    """Cohere's format. See `rotor_core.adapters.wire.Wire`."""

    def url(self, base_url: str, model: str, *, stream: bool) -> str:  # noqa: ARG002  both are in the body
        return f"{_host(base_url)}/v2/chat"

    def headers(self, secret: Secret) -> dict[str, str]:
        return {"Authorization": f"Bearer {secret.reveal()}"} if secret else {}

    def encode(self, model: Model, request: Request, *, stream: bool) -> bytes:
        return to_bytes(body_of(model, request, stream=stream))

    def decode(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        return answer_of(load(content), headers)

    def reader(self, headers: Mapping[str, str]) -> Reader:
        return CohereReader(headers)

    def models_url(self, base_url: str) -> str | None:
        """All that can chat, on one page: Cohere lists 1,000 at most."""
        return f"{_host(base_url)}/v1/models?endpoint=chat&page_size=1000"

    def models(self, content: bytes) -> Sequence[LiveModel]:
        body = table(load(content))
        if not is_list(body.get("models")):
            raise WireError("no list of models")
        listed = (table(entry) for entry in rows(body["models"]))
        return tuple(_live(entry) for entry in listed if string(entry.get("name")))


def _host(base_url: str) -> str:
    return base_url.removesuffix("/v1").removesuffix("/v2")


def _live(entry: Mapping[str, Any]) -> LiveModel:
    features = entry.get("features")
    told = frozenset(_CAPABILITIES[name] for name in map(string, rows(features)) if name in _CAPABILITIES)
    return LiveModel(
        string(entry.get("name")),
        context=count(entry.get("context_length")) or None,
        max_output=count(entry.get("max_output_tokens")) or None,
        capabilities=told if is_list(features) else None,
    )
