"""Reading OpenAI-style message content, whatever a caller put there: what is not as it should be reads as empty. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, cast

Messages = str | Sequence[Mapping[str, Any]]
"""What requests are read from: OpenAI-style dicts, or a text that stands for one user message."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def fields(value: object) -> Mapping[str, Any]:
    """`value` as a mapping, or an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else _NOTHING


def items(value: object) -> Sequence[object]:
    """`value` as a list, or an empty one."""
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()


def misplaced(url: str) -> str:
    """The MIME type of a data URL that stands where an image's should, and says that it is none; else an empty text."""
    if not url.startswith("data:"):
        return ""
    mime = url[len("data:") :].partition(",")[0].partition(";")[0].lower()
    return "" if mime.startswith("image/") or mime in _OF_ANY_KIND else mime


_OF_ANY_KIND: Final = ("", "application/octet-stream")


def need_of(part: object) -> str | None:
    """The capability without which a model cannot take a content part: `vision`, `audio`, or none that is known."""
    given = fields(part)
    need = _NEEDS.get(str(given.get("type")))
    if need != "vision":
        return need
    image = given.get("image_url")
    url = image if isinstance(image, str) else fields(image).get("url")
    mime = misplaced(url) if isinstance(url, str) else ""
    return need if not mime else "audio" if mime.startswith("audio/") else None


_NEEDS: Final[Mapping[str, str]] = {
    "image_url": "vision",
    "image": "vision",
    "input_image": "vision",
    "input_audio": "audio",
}


def texts(content: object) -> Iterator[str]:
    """The texts of a message's content: itself, or those of its parts."""
    if isinstance(content, str):
        yield content
    for part in items(content):
        text = part if isinstance(part, str) else fields(part).get("text")
        if isinstance(text, str):
            yield text
