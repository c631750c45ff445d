"""JSON from strangers, taken as far as it goes: each function gives what was hoped for, or its empty form."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeGuard

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a JSON list."""
    return isinstance(value, list)


def table(value: Any) -> Mapping[str, Any]:
    """An object, or an empty one."""
    given = value  # `is_object` would cost as much again, and what `value` becomes without it is a dict of nobody knows what
    return given if isinstance(value, dict) else EMPTY


def rows(value: Any) -> list[Any]:
    """A list, or an empty one."""
    given = value  # as above
    return given if isinstance(value, list) else []


def string(value: Any) -> str:
    """Text, or none."""
    return value if isinstance(value, str) else ""


def name(value: Any) -> str | None:
    """A name or an id, which some servers leave empty and a few send as a number."""
    return (value if isinstance(value, str) else str(value)) if value else None


def count(value: Any) -> int:
    """A number of tokens, or 0."""
    return int(value) if isinstance(value, (int, float)) and 0 < value < 1e15 else 0


def kind(value: object) -> str:
    """What JSON calls it."""
    names: Mapping[type, str] = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
