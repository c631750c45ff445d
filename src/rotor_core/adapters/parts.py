"""The content of a message, whoever wrote it, as OpenAI's content parts. Pure; nothing that is given is changed.

Blocks of other formats that mean the same become OpenAI's (`input_text` of the Responses API, whatever is in `media` ...). Thinking in any form is left out: only its author can read it, and it was never said. A part of an
unknown kind is left as it is where the user wrote it (it was meant for somebody), and out where a model did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rotor_core.adapters.json_values import string
from rotor_core.adapters.media import Part, is_mapping, kind_of, mapping, media_of, sequence

_THINKING: Final = frozenset(
    {"thinking", "redacted_thinking", "reasoning", "reasoning_content", "reasoning_details", "reasoning_text"}
)
_TEXT: Final = frozenset({"text", "text-plain", "input_text", "output_text"})
_SHAPES: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"type", "text"}),
    "image_url": frozenset({"type", "image_url"}),
    "input_audio": frozenset({"type", "input_audio"}),
    "file": frozenset({"type", "file"}),
}
"""OpenAI's own parts, and the keys that they have there."""


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


def _words(part: object) -> str:
    if isinstance(part, str):
        return part
    given = mapping(part)
    kind = kind_of(given)
    if kind == "refusal":
        return string(given.get("refusal"))
    return "" if kind in _THINKING or (kind is not None and kind not in _TEXT) else string(given.get("text"))


def _part(part: object, keep: frozenset[str]) -> Part | None:
    if isinstance(part, str):
        return {"type": "text", "text": part} if part else None
    given = mapping(part)
    kind = kind_of(given)
    if kind in _THINKING or not given:
        return None
    if kind in _TEXT or kind == "refusal" or (kind is None and isinstance(given.get("text"), str)):
        text = _words(given)
        extra = {key: value for key, value in given.items() if key in keep}
        return {"type": "text", "text": text, **extra} if text else None
    if (media := media_of(given)) is not None:
        return media
    shape = _SHAPES.get(kind) if kind else None
    if shape is None or given.keys() <= shape:
        return given
    return {key: value for key, value in given.items() if key in shape or key in keep}
