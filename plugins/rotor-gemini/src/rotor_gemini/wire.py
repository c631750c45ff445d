"""Gemini's `generateContent` as a wire format: where to send, what to send, how to read. Pure; the adapter moves the bytes.

A base URL ends in `/v1beta`. A model is `models/NAME` in Google's paths unless its name says otherwise (`tunedModels/...`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rotor_core._model import Model, Secret
from rotor_core._outcome import Answer
from rotor_core._request import Request
from rotor_core.adapters.json_values import count, rows, string, table
from rotor_core.adapters.openai_wire import load, to_bytes
from rotor_core.adapters.wire import LiveModel, Reader, WireError
from rotor_gemini import answers
from rotor_gemini.contents import Conversation
from rotor_gemini.generations import generation_of
from rotor_gemini.settings import settings_of
from rotor_gemini.stream import StreamReader


class GeminiWire:
    """Google's own format. See `rotor_core.adapters.wire.Wire`."""

    def url(self, base_url: str, model: str, *, stream: bool) -> str:
        path = model if "/" in model else f"models/{model}"
        return f"{base_url}/{quote(path, safe='/')}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"

    def headers(self, secret: Secret) -> dict[str, str]:
        return {"x-goog-api-key": secret.reveal()} if secret else {}

    def encode(self, model: Model, request: Request, *, stream: bool) -> bytes:  # noqa: ARG002  the URL says it
        return to_bytes(self.body(model, request))

    def body(self, model: Model, request: Request) -> dict[str, Any]:
        """The request as a dict. Raises `UnfitError` for what Gemini cannot be told."""
        generation = generation_of(model.name)
        conversation = Conversation(request.messages, generation)
        body: dict[str, Any] = {"contents": conversation.contents, **settings_of(request, generation)}
        if conversation.system:
            body["systemInstruction"] = {"parts": conversation.system}
        return body

    def decode(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        return answers.decode(content, headers)

    def reader(self, headers: Mapping[str, str]) -> Reader:
        return StreamReader(headers)

    def models_url(self, base_url: str) -> str | None:
        return f"{base_url}/models?pageSize=1000"

    def models(self, content: bytes) -> Sequence[LiveModel]:
        """Those of the list that answer chats. Its context is what may go in: Google counts the answer apart."""
        body = load(content)
        listed = table(body).get("models")
        if not isinstance(listed, list):
            raise WireError("no list of models")
        return tuple(_live(entry) for entry in map(table, rows(listed)) if _chats(entry))  # pyright: ignore[reportUnknownArgumentType]  JSON


def _chats(entry: Mapping[str, Any]) -> bool:
    methods = rows(entry.get("supportedGenerationMethods"))
    return bool(entry.get("name")) and (not methods or "generateContent" in methods)


def _live(entry: Mapping[str, Any]) -> LiveModel:
    return LiveModel(
        string(entry.get("name")).removeprefix("models/"),
        context=count(entry.get("inputTokenLimit")) or None,
        max_output=count(entry.get("outputTokenLimit")) or None,
    )
