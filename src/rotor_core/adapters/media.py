"""Images, audio, video and files of a content, whoever wrote them, as OpenAI's parts. Pure; nothing that is given is changed.

OpenAI has `image_url`, `input_audio` (base64 and its format) and `file` (a data URL and a name, or an id). For what it has
no part for stand the words of those who have one: `audio_url` and `video_url` (vLLM, Together), and a file's URL as its
`file_data` (OpenRouter). Whether a server takes a part is not decided here: see `Manner.takes`.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from rotor_core._policy.content import misplaced
from rotor_core.adapters.json_values import EMPTY, string

Part = Mapping[str, Any]

_WRITTEN: Final = frozenset({"image", "audio", "video", "file", "document", "media", "input_file", "resource"})
"""Types of blocks that hold media or say where it is, in Anthropic's, LangChain's, Google's, MCP's or the Responses API's way."""
_NESTED: Final = ("source", "resource", "inline_data", "inlineData", "file_data", "fileData")
"""Under which their data may stand together."""
_MIMES: Final = ("media_type", "mime_type", "mimeType")
_DATA: Final = ("base64", "data", "blob", "image", "file_data")
_URLS: Final = ("url", "file_url", "file_uri", "fileUri", "uri")
_NAMES: Final = ("filename", "title", "name", "document_name")
_FORMATS: Final[Mapping[str, str]] = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
"""Formats of audio whose MIME type has another name than OpenAI's."""
_ABOUT: Final = frozenset({"type", "source_type", "detail", "image_url", "document_url", "extras", *_NESTED})
_READ: Final = _ABOUT.union(_MIMES, _DATA, _URLS)
_READ_OF_FILES: Final = _READ.union(_NAMES, ("id", "file_id"))


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """A JSON object, or any mapping that stands for one."""
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101  a dict is seen ten times as fast


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """A JSON list, or any sequence that stands for one; no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def mapping(value: object) -> Mapping[str, Any]:
    """It, or an empty one."""
    return value if is_mapping(value) else EMPTY


def sequence(value: object) -> Sequence[Any]:
    """It, or an empty one."""
    return value if is_sequence(value) else ()


def data_url(mime: str, data: str) -> str:
    """Base64 as a URL. Of an image whose kind is not told, most are PNG or JPEG, and servers look at the bytes."""
    return f"data:{mime or 'image/png'};base64,{data}" if data else ""


def kind_of(part: Part) -> str | None:
    """A part's type; None where it has none, empty where it is no word."""
    kind = part.get("type")
    return kind if isinstance(kind, str) or kind is None else ""


def is_address(url: str) -> bool:
    """Whether it only says where something is; a `data:` URL is the thing itself."""
    return _ADDRESS.match(url) is not None


_ADDRESS: Final = re.compile(r"(?!data:)[A-Za-z][A-Za-z0-9+.-]*://")


def read_of(media: Part) -> frozenset[str]:
    """The keys of a block that are read where `media` is made of it: what else it says is lost unless its reader looks after it."""
    return _READ_OF_FILES if media.get("type") == "file" else _READ


def media_of(part: Part) -> Part | None:
    """What a block shows, as an OpenAI part; None where it is none of the media, or is OpenAI's own form of audio or a file."""
    kind = kind_of(part)
    if kind in ("image_url", "input_image"):
        return _of_image_url(part)
    if kind == "document_url":  # Mistral's
        url = part.get("document_url")
        return _file("", "", string(mapping(url).get("url")) or string(url), _first(part, _NAMES))
    if (kind is not None and kind not in _WRITTEN) or (kind == "file" and is_mapping(part.get("file"))):
        return None
    held: Mapping[str, Any] = next((found for key in _NESTED if (found := mapping(part.get(key)))), EMPTY)
    if kind is None and not held:
        return None
    return _shown(kind or "", part, held or part)


def _of_image_url(part: Part) -> Part | None:
    url, given = _url_of_image(part), part.get("image_url")
    if misplaced(url):  # LiteLLM writes Anthropic's documents so
        return _shown("", part, {"url": url})
    if is_mapping(given):
        return part if part.keys() <= _IMAGE else _image(url, given.get("detail"))
    return _image(url, part.get("detail"))


_IMAGE: Final = frozenset({"type", "image_url"})


def is_empty(part: Part) -> bool:
    """Whether a block says that it shows something, and holds neither that nor where it is."""
    return kind_of(part) in ("image", "audio", "video") and media_of(part) is None


EMPTY_BLOCK: Final = "a content part of the type {!r} has neither data nor a URL"
"""Why a request with such a block is unfit for everybody."""


def is_surely_media(part: Part) -> bool:
    """Whether a block is media beyond doubt: a tool that lists files or videos writes `{"type": "file", "name": ...}` too.

    It is if it has its data in a form that only media have, or says of what kind it is (a MIME type) and is base64. Who
    points at something shows it, unless it has a name: that is a list's.
    """
    if kind_of(part) in ("image", "image_url", "input_image", "document_url"):
        return True
    held = next((found for key in _NESTED if (found := mapping(part.get(key)))), part)
    if held is not part or _first(held, _ONLY_OF_MEDIA):
        return True
    if any(string(held.get(key)).startswith("data:") for key in (*_DATA, *_URLS)):
        return True
    if not _first(held, _MIMES):
        return False
    return _is_base64(data) if (data := _first(held, _DATA)) else not _first(held, _NAMES)


_ONLY_OF_MEDIA: Final = ("base64", "blob", "file_data", "file_id", "source_type")


def _is_base64(data: str) -> bool:
    data = data.replace("\r", "").replace("\n", "")
    return len(data) % 4 == 0 and _BASE64.fullmatch(data) is not None


_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def _shown(kind: str, part: Part, held: Mapping[str, Any]) -> Part | None:
    text = held.get("text")
    if held.get("type") == "text" or held.get("source_type") == "text":
        text = text or held.get("data")
        return {"type": "text", "text": text} if text and isinstance(text, str) else None
    if text is not None:  # MCP's resources hold texts too, and where they are from
        return None
    mime, data = _first(held, _MIMES), _first(held, _DATA)
    url = data if data.startswith("data:") else "" if data else _first(held, _URLS) or _url_of_image(part)
    if url.startswith("data:"):
        head, _, data = url.removeprefix("data:").partition(",")
        mime = mime or head.partition(";")[0]
        data = data if head.endswith(";base64") else ""
    what = kind if kind in ("image", "audio", "video") else mime.partition("/")[0]
    if what == "image":
        return _image(url or data_url(mime, data), part.get("detail"))
    if what == "audio":
        return _audio(mime, data, url)
    if what == "video":
        url = url or data_url(mime or "video/mp4", data)
        return {"type": "video_url", "video_url": {"url": url}} if url else None
    ident = string(held.get("file_id")) or (string(held.get("id")) if held.get("source_type") == "id" else "")
    called = _first(part, _NAMES) or _first(mapping(part.get("extras")), _NAMES)
    return {"type": "file", "file": {"file_id": ident}} if ident else _file(mime, data, url, called)


def _url_of_image(part: Part) -> str:
    url = part.get("image_url")
    return string(mapping(url).get("url")) or string(url)


def _first(held: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((found for name in names if (found := string(held.get(name)))), "")


def _image(url: str, detail: object = None) -> Part | None:
    if not url:
        return None
    return {"type": "image_url", "image_url": {"url": url, "detail": detail} if detail else {"url": url}}


def _audio(mime: str, data: str, url: str) -> Part | None:
    if not data:
        return {"type": "audio_url", "audio_url": {"url": url}} if url else None
    form = mime.partition("/")[2] or "wav"
    return {"type": "input_audio", "input_audio": {"data": data, "format": _FORMATS.get(form, form)}}


def _file(mime: str, data: str, url: str, called: str) -> Part | None:
    """With a name always: OpenAI refuses data without one, and who looks at its ending learns what the file is."""
    if not data and not url:
        return None
    mime = mime or mimetypes.guess_type(called or url.partition("?")[0])[0] or "application/pdf"
    called = called or f"file{mimetypes.guess_extension(mime) or ''}"
    return {"type": "file", "file": {"file_data": url or data_url(mime, data), "filename": called}}
