"""Tools as OpenAI's dicts, converted and checked once, when they are bound: a schema that is none is named there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, cast

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from rotor_core._errors import ConfigError

Tool = Mapping[str, Any] | type | Callable[..., Any] | BaseTool
ToolChoice = str | bool | Mapping[str, Any] | None

_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_CHOICES: Final = ("auto", "none", "any", "required")
_MAPS_OF_SCHEMAS: Final = ("properties", "$defs", "definitions", "patternProperties")
_LISTS_OF_SCHEMAS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS: Final = ("items", "additionalProperties", "not")


def to_tools(tools: Sequence[Tool], *, strict: bool | None = None) -> list[dict[str, Any]]:
    """Functions, tools, classes and dicts as OpenAI's tools. Raises ConfigError for one that is none of these."""
    return [_to_tool(tool, f"tools[{number}]", strict) for number, tool in enumerate(tools)]


def _to_tool(tool: Tool, key: str, strict: bool | None) -> dict[str, Any]:  # noqa: FBT001
    try:
        made = convert_to_openai_tool(cast("Any", tool), strict=strict)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"cannot be read as a tool: {_first_line(error)}",
            key=key,
            expected="a function, a tool, a class with annotated fields, or a dict with `name` and a JSON Schema",
        ) from error
    function = made.get("function")
    if made.get("type") == "function":
        _check_function(function, key)
    return made


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _check_function(function: Any, key: str) -> None:
    named: Any = cast("dict[str, Any]", function).get("name") if isinstance(function, dict) else None
    if not isinstance(named, str) or not named:
        raise ConfigError("a tool needs a name", key=f"{key}.function.name", expected="a text that is not empty")
    parameters = cast("dict[str, Any]", function).get("parameters")
    if parameters is None:
        return
    where = f"{key} ({named}): parameters"
    check_schema(parameters, where)
    kind = cast("dict[str, Any]", parameters).get("type", "object")
    if kind != "object":
        raise ConfigError("a tool's arguments are an object", key=f"{where}.type", value=kind, expected="object")


def check_schema(schema: Any, key: str) -> None:
    """Raise ConfigError, with the place, unless this is JSON Schema as far as providers read it."""
    for place, part in _walk(schema, key):
        if isinstance(part, bool):
            continue
        if not isinstance(part, dict):
            raise ConfigError("this is not a JSON Schema", key=place, value=part, expected="an object")
        _check_keywords(cast("dict[str, Any]", part), place)
    try:
        json.dumps(schema)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"this is not a JSON Schema: {error}", key=key, expected="JSON values") from error


def _check_keywords(part: dict[str, Any], place: str) -> None:
    stated = part.get("type", [])
    kinds = cast("Sequence[Any]", stated) if isinstance(stated, list) else [stated]
    for kind in kinds:
        if kind not in _TYPES:
            near = get_close_matches(str(kind), _TYPES, 1)
            raise ConfigError(
                "JSON Schema has no such type",
                key=f"{place}.type",
                value=kind,
                expected=", ".join(_TYPES),
                suggestion=near[0] if near else None,
            )
    for word, shape, name in (
        ("properties", dict, "an object of schemas"),
        ("required", list, "a list of property names"),
        ("enum", list, "a list of values"),
    ):
        if word in part and not isinstance(part[word], shape):
            raise ConfigError("this is not JSON Schema", key=f"{place}.{word}", value=part[word], expected=name)


def _walk(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """A schema and all schemas in it, each with its place."""
    yield place, schema
    if not isinstance(schema, dict):
        return
    whole = cast("dict[str, Any]", schema)
    for word in _MAPS_OF_SCHEMAS:
        inner = whole.get(word)
        if isinstance(inner, dict):
            for name, part in cast("dict[str, Any]", inner).items():
                yield from _walk(part, f"{place}.{word}.{name}")
    for word in _LISTS_OF_SCHEMAS:
        inner = whole.get(word)
        if isinstance(inner, list):
            for number, part in enumerate(cast("Sequence[Any]", inner)):
                yield from _walk(part, f"{place}.{word}[{number}]")
    for word in _SCHEMAS:
        if word in whole:
            yield from _walk(whole[word], f"{place}.{word}")


def to_tool_choice(choice: ToolChoice, tools: Sequence[Mapping[str, Any]]) -> str | Mapping[str, Any] | None:
    """What may be chosen: `auto`, `none`, `any`, a tool's name, OpenAI's dict; True is `any`. Raises ConfigError."""
    if choice is None or choice is False:
        return None
    if choice is True:
        return "any"
    if isinstance(choice, str) and choice not in _CHOICES:
        names = [str(t["function"]["name"]) for t in tools if "function" in t]
        others = [str(t.get("type")) for t in tools if "function" not in t]
        if choice not in names and choice not in others:
            near = get_close_matches(choice, [*names, *_CHOICES], 1)
            raise ConfigError(
                "there is no such tool",
                key="tool_choice",
                value=choice,
                expected=", ".join([*_CHOICES, *names]),
                suggestion=near[0] if near else None,
            )
    return choice
