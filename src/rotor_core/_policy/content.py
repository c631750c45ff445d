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


def texts(content: object) -> Iterator[str]:
    """The texts of a message's content: itself, or those of its parts."""
    if isinstance(content, str):
        yield content
    for part in items(content):
        text = part if isinstance(part, str) else fields(part).get("text")
        if isinstance(text, str):
            yield text
