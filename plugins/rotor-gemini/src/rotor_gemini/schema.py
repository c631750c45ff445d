"""JSON Schema as Gemini takes it in `parametersJsonSchema` and `responseJsonSchema`. Pure; what is given is never changed.

Google reads a part of JSON Schema (its page on structured output, 2026): `const` is not in it and becomes an `enum` of
one; beside a `$ref` only other `$` words may stand, so the rest is left out there. What it does not know it passes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

_OF_SCHEMAS: Final = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Words whose value maps names to schemas: a name there is no word of the schema."""
_DATA: Final = frozenset({"enum", "default", "examples", "required", "const"})
"""Words whose value is no schema."""


def cleaned(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in words that Gemini reads."""
    if "$ref" in schema:
        return {word: _within(word, value) for word, value in schema.items() if word.startswith("$")}
    made = {word: _within(word, value) for word, value in schema.items() if word != "const"}
    if "const" in schema:
        made.setdefault("enum", [schema["const"]])
    return made


def _within(word: str, value: object) -> object:
    if word in _DATA:
        return value
    if word in _OF_SCHEMAS and is_mapping(value):
        return {name: _cleaned(one) for name, one in value.items()}
    return _cleaned(value)


def _cleaned(value: object) -> object:
    if is_mapping(value):
        return cleaned(value)
    return [_cleaned(one) for one in value] if _is_sequence(value) else value


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is an object, in JSON's sense."""
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)
