"""Mistral's chat completions: nearly OpenAI's, in its own words, and strict about every field that it does not know.

Of its SDK 3.7.0 and its own errors (2026-11): ids of tool calls are nine letters or digits; `random_seed`, `max_tokens`
and the tool choice `any` are its words; usage comes with every stream unasked; no message of a user may follow a tool's
result, and a turn of the assistant's has content or tool calls, not both. A file is a `document_url` there (data or a
link) or a `file_id`, and audio a text: base64, or a link. Thinking comes as a part of the content, which the reading of everybody's answers knows already.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters import openai_wire
from rotor_core.adapters.history import Manner, digest
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.json_values import is_list, name, string, table
from rotor_core.adapters.media import is_mapping
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.wire import LiveModel, UnfitError, Wire

_ID: Final = re.compile(r"[A-Za-z0-9]{9}")
_OWN_WORDS: Final[Mapping[str, str]] = {"seed": "random_seed", "max_completion_tokens": "max_tokens"}
_TIERS: Final[Mapping[str, str]] = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only"}
_CAPABILITIES: Final[Mapping[str, str]] = {"function_calling": "tools", "vision": "vision", "reasoning": "reasoning"}


def nine(given: str) -> str:
    """An id of nine letters or digits: the given one, if it is such a one, otherwise always the same in its place."""
    return given if _ID.fullmatch(given) else digest(given, 9)


class MistralWire(OpenAIWire):
    """OpenAI's format in Mistral's words."""

    manner: ClassVar[Manner] = Manner(
        own_fields=frozenset({"prefix"}),
        takes=frozenset({"image_url", "input_audio", "audio_url", "file", "file_url", "reference", "resource_link"}),
        names=False,
        media_in_results=True,
        answers_results=True,
        tool_id=nine,
    )

    parameters: ClassVar[frozenset[str] | None] = frozenset(
        {
            "logprobs", "metadata", "n", "parallel_tool_calls", "prediction", "prompt_cache_key", "service_tier",
            "top_logprobs",
        }
    )  # fmt: skip

    def adapt(self, body: dict[str, Any], model: Model, request: Request) -> dict[str, Any]:  # noqa: ARG002  the same for all
        if tier := _TIERS.get(str(body.pop("service_tier", None))):
            body["service_tier"] = tier
        for theirs, own in _OWN_WORDS.items():
            if theirs in body:
                body.setdefault(own, body[theirs])
                del body[theirs]
        if body.get("tool_choice") == "required":
            body["tool_choice"] = "any"
        body["messages"] = [_in_its_parts(_alone(message)) for message in body["messages"]]
        return body

    def models(self, content: bytes) -> Sequence[LiveModel]:
        """With what each can do, and when it ends in favour of which: Mistral says it all."""
        return [
            _described(model, entry)
            for model, entry in zip(super().models(content), openai_wire.listed_in(content), strict=True)
        ]


class Mistral(HttpAdapter):
    """For api.mistral.ai."""

    wire: ClassVar[Wire] = MistralWire()


def _alone(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A turn that calls tools without what it said beside them: Mistral takes only one of the two, and the calls are answered."""
    return {**message, "content": None} if message.get("tool_calls") and message.get("content") else message


def _in_its_parts(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message with its audio and its files as parts of Mistral's."""
    content = message.get("content")
    if not is_list(content) or all(part.get("type") in _SHARED for part in content):
        return message
    return {**message, "content": [_part(part) for part in content]}


_SHARED: Final = frozenset({"text", "image_url"})


def _part(part: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = string(part.get("type"))
    held = part.get(kind)
    if kind not in ("input_audio", "audio_url", "file") or not is_mapping(held):
        return part
    if kind != "file":
        return {"type": "input_audio", "input_audio": held.get("data") or held.get("url")}
    if held.get("file_id"):
        return {"type": "file", "file_id": held["file_id"]}
    named = {"document_name": held["filename"]} if held.get("filename") else {}
    return {"type": "document_url", "document_url": _where(held), **named}


def _where(file: Mapping[str, Any]) -> str:
    """A file's data as a URL: where it came as bare base64, its name tells what it is."""
    data = string(file.get("file_data"))
    if data.startswith("data:") or "://" in data[:10]:
        return data
    if not data:
        raise UnfitError("a file in the request has neither data nor an id")
    return f"data:{mimetypes.guess_type(string(file.get('filename')))[0] or 'application/pdf'};base64,{data}"


def _described(model: LiveModel, said: Mapping[str, Any]) -> LiveModel:
    able = table(said.get("capabilities"))
    found = frozenset(ours for theirs, ours in _CAPABILITIES.items() if able.get(theirs) is True)
    ends = name(said.get("deprecation"))
    return replace(
        model,
        capabilities=found if able else None,
        retired=ends[:10] if ends else None,
        replacement=name(said.get("deprecation_replacement_model")),
    )
