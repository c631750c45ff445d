"""What a tool gave back, as text and media. Pure; nothing that is given is changed, and no field of it is lost.

A result may be a text, a list of content blocks (LangChain's, Anthropic's, MCP's), or plain data that only looks like one:
`{"type": "text", "text": "hi", "author": "bob"}` is a record, not a text. So a block is read as one only where all that it
says is known, or where it is media beyond doubt; everything else is given on as the JSON that it is.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from typing import Any, Final

from rotor_core.adapters.json_values import string
from rotor_core.adapters.media import (
    Part,
    is_address,
    is_mapping,
    is_sequence,
    is_surely_media,
    mapping,
    media_of,
    read_of,
)

_TEXT: Final = frozenset({"text", "text-plain", "input_text", "output_text"})
_OWN: Final = frozenset({"input_audio", "file", "audio_url", "video_url"})
"""Parts that are in OpenAI's form already, each under a key of its own name."""
_BOOKKEEPING: Final = frozenset({"index", "annotations", "cache_control", "citations", "_meta"})
"""What hosts write on a block beside what it says, as they write an `id` on it."""
_HOSTS_ID: Final = "lc_"
"""How the ids begin that LangChain gives to blocks."""
_SHOWS: Final[Mapping[str, str]] = {"image_url": "an image", "video_url": "a video", "file": "a file"}


def result_parts(content: object) -> list[Part]:
    """A result's content as OpenAI's parts: `text`, and media that the tool showed."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [_text(content)]
    if is_mapping(content):
        return _block(content) or [_text(as_json(content))]
    if not is_sequence(content):
        return [_text(as_json(content))]
    read = [[_text(item)] if isinstance(item, str) else _block(item) for item in content]
    records = [item for item in content if not isinstance(item, str) and not _typed(item)]
    if records and not any(made for item, made in zip(content, read, strict=True) if is_mapping(item)):
        return [_text(as_json(content))]
    made = [part for item, parts in zip(content, read, strict=True) for part in parts or [_text(as_json(item))]]
    return [part for part in made if part.get("type") != "text" or part.get("text")]


def result_content(content: object) -> str | list[Part]:
    """The same as a message's content: a text, unless there is more to show."""
    parts = result_parts(content)
    return parts if any(part.get("type") != "text" for part in parts) else texts_of(parts)


def texts_of(parts: list[Part]) -> str:
    """All that these parts say in words."""
    return "\n".join(part["text"] for part in parts if part.get("type") == "text")


def in_words(part: Part) -> Part:
    """What a tool showed, for a server that cannot be shown it: where it only points at something, its JSON; of data, what it is."""
    kind = string(part.get("type"))
    held = mapping(part.get(kind))
    data = next((found for key in _HOLDING if (found := string(held.get(key)))), "")
    if not data or is_address(data):
        return _text(as_json(part))
    called = string(held.get("filename"))
    mime = mimetypes.guess_type(called)[0] or ""
    if data.startswith("data:"):
        mime = data.removeprefix("data:").partition(",")[0].partition(";")[0]
    elif form := string(held.get("format")):
        mime = f"audio/{form}"
    what = f"{_SHOWS.get(kind, 'a sound')} {called}".rstrip()
    return _text(", ".join(filter(None, (what, mime, "not shown"))))


_HOLDING: Final = ("data", "file_data", "url")


def as_json(value: object) -> str:
    """Anything as JSON: what `json` does not know by what it stands for."""
    return json.dumps(value, ensure_ascii=False, default=_standing_for)


def _standing_for(value: object) -> object:
    if is_mapping(value):
        return dict(value)
    return list(value) if is_sequence(value) else str(value)


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _typed(item: object) -> bool:
    return is_mapping(item) and isinstance(item.get("type"), str)


def _block(item: object) -> list[Part]:
    """A content block as parts; none where it is no block, but data."""
    if not is_mapping(item):
        return []
    said = _said(item)
    kind, text = string(said.get("type")), item.get("text", 0)
    if kind in _TEXT and (text is None or isinstance(text, str)) and said.keys() <= {"type", "text", "mime_type", "id"}:
        return [_text(text or "")]
    own = kind in _OWN and is_mapping(said.get(kind))
    media: Part | None = {"type": kind, kind: said[kind]} if own else media_of(said)
    if media is None or not (own or is_surely_media(said)):
        return []
    unread = said.keys() - ({"type", kind} if own else read_of(media))
    rest = {key: said[key] for key in said if key in unread}
    return [_text(as_json(rest)), media] if rest else [media]


def _said(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a block says: what is null says nothing, and what its host wrote on it is not the tool's."""
    return {
        key: value
        for key, value in item.items()
        if key not in _BOOKKEEPING and value is not None and not (key == "id" and string(value).startswith(_HOSTS_ID))
    }
