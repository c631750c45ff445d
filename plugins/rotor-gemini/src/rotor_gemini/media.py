"""A message's content, plain as `rotor_core.adapters.history` leaves it, as Gemini's parts: texts, images, audio, files. Pure."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from rotor_core._policy.content import fields, items
from rotor_core.adapters.json_values import string
from rotor_core.adapters.media import EMPTY_BLOCK, is_empty
from rotor_core.adapters.wire import UnfitError

Part = dict[str, Any]

_AUDIO: Final = {"mp3": "audio/mp3", "wav": "audio/wav"}
_SCHEME: Final = 10
"""Characters in which a URL's `://` comes, if it is one."""


def parts_of(content: object) -> list[Part]:
    """A message's content as parts; an empty text is none, since Gemini refuses it. Raises `UnfitError` for what has no form."""
    if isinstance(content, str):
        return [{"text": content}] if content else []
    return [_part(fields(part)) for part in items(content)]


def _part(part: Mapping[str, Any]) -> Part:
    match part.get("type"):
        case "text":
            return {"text": string(part.get("text"))}
        case "image_url":
            return _by_url(string(fields(part.get("image_url")).get("url")), "an image")
        case "input_audio":
            audio = fields(part.get("input_audio"))
            form = string(audio.get("format")) or "wav"
            return _inline(_AUDIO.get(form, f"audio/{form}"), string(audio.get("data")), "an audio part")
        case "audio_url" | "video_url" as kind:
            return _by_url(string(fields(part.get(kind)).get("url")), f"a {kind!r} part")
        case "file":
            return _file(fields(part.get("file")))
        case kind if is_empty(part):
            raise UnfitError(EMPTY_BLOCK.format(kind))
        case kind:
            raise UnfitError(
                f"a content part of type {kind!r} has no form in Gemini's API: use text, image_url, input_audio, audio_url, video_url or file"
            )


def _file(file: Mapping[str, Any]) -> Part:
    """A file by its data (a data URL, or base64 with a name that tells the kind), or by the URI that Google gave it."""
    if uri := string(file.get("file_id")) or string(file.get("file_uri")):
        return _by_url(uri, "a file")
    data = string(file.get("file_data"))
    if data.startswith("data:") or "://" in data[:_SCHEME]:
        return _by_url(data, "a file")
    kind = mimetypes.guess_type(string(file.get("filename")))[0] or "application/pdf"
    return _inline(kind, data, "a file")


def _by_url(url: str, what: str) -> Part:
    if not url:
        raise UnfitError(f"{what} has neither data nor a URL")
    if not url.startswith("data:"):
        kind = mimetypes.guess_type(urlsplit(url).path)[0]
        return {"fileData": {"fileUri": url, **({"mimeType": kind} if kind else {})}}
    head, comma, data = url[len("data:") :].partition(",")
    kind, *about = head.split(";")
    if not comma:
        raise UnfitError(f"{what} is a data URL without data")
    if "base64" not in about:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return _inline(kind or "text/plain", data, what)


def _inline(kind: str, data: str, what: str) -> Part:
    if not data:
        raise UnfitError(f"{what} has no data")
    return {"inlineData": {"mimeType": kind, "data": data}}
