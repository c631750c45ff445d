"""The content of a message, whoever wrote it, as OpenAI's content parts. Pure; nothing that is given is changed.

Blocks of other formats that mean the same become OpenAI's (`image` of Anthropic, LangChain or Gemini, `input_text` of the
Responses API ...). Thinking in any form is left out: only its author can read it, and it was never said. A part of an
unknown kind is left as it is where the user wrote it (it was meant for somebody), and out where a model did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from rotor_core.adapters.json_values import EMPTY, string

Part = Mapping[str, Any]

_THINKING: Final = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "reasoning_content", "reasoning_details", "reasoning_text"}
)
_TEXT: Final = frozenset({"text", "input_text", "output_text"})
_SHAPES: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"type", "text"}),
    "image_url": frozenset({"type", "image_url"}),
    "input_audio": frozenset({"type", "input_audio"}),
    "file": frozenset({"type", "file"}),
}
"""OpenAI's own parts, and the keys that they have there."""


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


def text_of(content: object, between: str = "\n") -> str:
    """All that a content says in words; `between` parts. What is thinking, an image or a call is no part of it."""
    if isinstance(content, str):
        return content
    if is_mapping(content):
        content = [content]
    return between.join(text for part in sequence(content) if (text := _words(part)))


def parts_of(content: object, keep: frozenset[str] = frozenset()) -> list[Part]:
    """A content as OpenAI's parts; an empty text is none. `keep`: keys of a part, beyond OpenAI's, that the server takes."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if is_mapping(content):
        content = [content]
    made = (_part(part, keep) for part in sequence(content))
    return [part for part in made if part is not None]


def is_text(part: Part) -> bool:
    """Whether nothing else is in it, so that it may be joined with others."""
    return part.get("type") == "text" and len(part) == 2


def _kind(part: Part) -> str | None:
    """A part's type; None where it has none, empty where it is no word."""
    kind = part.get("type")
    return kind if isinstance(kind, str) or kind is None else ""


def _words(part: object) -> str:
    if isinstance(part, str):
        return part
    given = mapping(part)
    kind = _kind(given)
    if kind == "refusal":
        return string(given.get("refusal"))
    return "" if kind in _THINKING or (kind is not None and kind not in _TEXT) else string(given.get("text"))


def _part(part: object, keep: frozenset[str]) -> Part | None:
    if isinstance(part, str):
        return {"type": "text", "text": part} if part else None
    given = mapping(part)
    kind = _kind(given)
    if kind in _THINKING or not given:
        return None
    if kind in _TEXT or kind == "refusal" or (kind is None and isinstance(given.get("text"), str)):
        text = _words(given)
        extra = {key: value for key, value in given.items() if key in keep}
        return {"type": "text", "text": text, **extra} if text else None
    if (image := image_of(given)) is not None:
        return image
    shape = _SHAPES.get(kind) if kind else None
    if shape is None or given.keys() <= shape:
        return given
    return {key: value for key, value in given.items() if key in shape or key in keep}


def image_of(part: Part) -> Part | None:
    """An image in whichever form as `{"type": "image_url", "image_url": {"url": ...}}`; None where it is no image."""
    kind = _kind(part)
    if kind in ("image_url", "input_image"):
        url = part.get("image_url")
        if is_mapping(url):
            return part if part.keys() <= _SHAPES["image_url"] else _image(string(url.get("url")), url.get("detail"))
        return _image(string(url), part.get("detail"))
    if kind == "image":
        return _image(_source_url(part), part.get("detail"))
    for key in ("inline_data", "inlineData"):
        if is_mapping(data := part.get(key)):
            mime = string(data.get("mime_type")) or string(data.get("mimeType"))
            if mime.startswith("image/"):
                return _image(data_url(mime, string(data.get("data"))))
    return None


def data_url(mime: str, data: str) -> str:
    """Base64 as a URL. Of an image whose kind is not told, most are PNG or JPEG, and servers look at the bytes."""
    return f"data:{mime or 'image/png'};base64,{data}" if data else ""


def _source_url(part: Part) -> str:
    """The URL of an `image` block of Anthropic (`source`) or LangChain (`url`, `base64` or `data`)."""
    source = mapping(part.get("source")) or part
    url = part.get("image_url")
    found = string(source.get("url")) or string(mapping(url).get("url")) or string(url)
    if found:
        return found
    mime = string(source.get("media_type")) or string(source.get("mime_type"))
    return data_url(mime, string(source.get("base64")) or string(source.get("data")) or string(source.get("image")))


def _image(url: str, detail: object = None) -> Part | None:
    if not url:
        return None
    return {"type": "image_url", "image_url": {"url": url, "detail": detail} if detail else {"url": url}}
