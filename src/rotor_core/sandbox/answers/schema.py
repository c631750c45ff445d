"""A JSON Schema made ready to be filled: references followed, parts put together, nonsense refused. Pure.

Understood is what tools and structured output use of draft 2020-12 and its forerunners: `$ref` within the document,
`allOf`, `anyOf` and `oneOf`, `enum`, `const`, types, bounds, lengths, `pattern`, `format`, arrays with `prefixItems`,
objects with `additionalProperties`. `not`, `if`, `contains` and the like are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import unquote

from rotor_core._policy.content import fields, items

Schema = Mapping[str, Any]

TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_COUNTS: Final = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})
_FIGURES: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_TEXTS: Final = frozenset({"pattern", "$ref", "format"})
_LARGEST: Final = 10_000
"""The most that a schema may ask for of anything: more would be a way to keep the sandbox busy."""
_GREATER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_SMALLER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_HINTS: Final = (
    ("properties", "object"), ("required", "object"), ("additionalProperties", "object"), ("items", "array"),
    ("prefixItems", "array"), ("minItems", "array"), ("minimum", "number"), ("maximum", "number"),
    ("exclusiveMinimum", "number"), ("exclusiveMaximum", "number"), ("multipleOf", "number"),
)  # fmt: skip
_DEEPEST: Final = 64


class SchemaError(Exception):
    """What was sent as a schema is none. The message says which part."""


def check(schema: object, place: str = "schema", depth: int = 0) -> None:
    """Raise `SchemaError` if a schema is malformed in a part that is understood."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        raise SchemaError(f"{place} is not an object or a boolean")
    if depth > _DEEPEST:
        raise SchemaError(f"{place} is nested more than {_DEEPEST} deep")
    known = fields(cast("object", schema))
    _check_type(known.get("type"), place)
    for key in known:
        _check_keyword(key, known[key], f"{place}.{key}")
    if not all(isinstance(name, str) for name in items(known.get("required"))):
        raise SchemaError(f"{place}.required holds what is no name")
    for where, sub in _inside(known, place):
        check(sub, where, depth + 1)


def _inside(known: Schema, place: str) -> Iterator[tuple[str, object]]:
    """The schemas within a schema, each with its place."""
    for key in ("properties", "$defs", "definitions"):
        if not isinstance(known.get(key, {}), Mapping):
            raise SchemaError(f"{place}.{key} is not an object")
        yield from ((f"{place}.{key}.{name}", sub) for name, sub in fields(known.get(key)).items())
    for key in ("allOf", "anyOf", "oneOf", "prefixItems", "required"):
        if key in known and not isinstance(known[key], list):
            raise SchemaError(f"{place}.{key} is not an array")
        if key != "required":
            yield from ((f"{place}.{key}[{n}]", sub) for n, sub in enumerate(items(known.get(key))))
    for key in ("items", "additionalProperties", "additionalItems"):
        if isinstance(known.get(key), list):  # a tuple, as older drafts write it
            yield from ((f"{place}.{key}[{n}]", sub) for n, sub in enumerate(items(known[key])))
        elif key in known:
            yield f"{place}.{key}", known[key]


def _check_type(named: object, place: str) -> None:
    for name in items(cast("object", named)) if isinstance(named, list) else (named,):
        if name is not None and (not isinstance(name, str) or name not in TYPES):
            raise SchemaError(f"{place}.type: {name!r} is none of {', '.join(sorted(TYPES))}")


def _check_keyword(key: str, value: object, place: str) -> None:
    """A keyword whose value is computed with has to be of its kind."""
    if key in _COUNTS:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
            raise SchemaError(f"{place} is not an integer from 0 to {_LARGEST}")
    elif key in _FIGURES:
        flag = isinstance(value, bool)
        if not isinstance(value, int | float) or (flag and not key.startswith("exclusive")):
            raise SchemaError(f"{place} is not a number")
        if key == "multipleOf" and value <= 0:
            raise SchemaError(f"{place} is not above 0")
    elif (key in _TEXTS and not isinstance(value, str)) or (key == "enum" and not isinstance(value, list)):
        raise SchemaError(f"{place} is not {'an array' if key == 'enum' else 'a text'}")


def resolved(schema: object, root: Schema) -> Schema:
    """A schema with its reference followed and its `allOf` put into it. True and False read as no constraint."""
    known = fields(schema)
    seen: set[str] = set()
    while isinstance(known.get("$ref"), str):
        reference = str(known["$ref"])
        if reference in seen:
            raise SchemaError(f"$ref {reference!r} leads back to itself")
        seen.add(reference)
        rest = {key: value for key, value in known.items() if key != "$ref"}
        known = merged(_pointed(reference, root), rest)
    parts = items(known.get("allOf"))
    if parts:
        whole: Schema = {key: value for key, value in known.items() if key != "allOf"}
        for part in parts:
            whole = merged(whole, resolved(part, root))
        known = whole
    return known


def merged(one: Schema, other: Schema) -> Schema:
    """What holds where both do: all properties, all that is required, the stricter bound; else the second's word."""
    result = dict(one)
    for key, value in other.items():
        if key not in result:
            result[key] = value
        elif key == "properties":
            result[key] = _properties(fields(result[key]), fields(value))
        elif key == "required":
            result[key] = [*items(result[key]), *(name for name in items(value) if name not in items(result[key]))]
        elif key in _GREATER:
            result[key] = max(result[key], value)
        elif key in _SMALLER:
            result[key] = min(result[key], value)
        elif key == "enum":
            result[key] = [choice for choice in items(result[key]) if choice in items(value)]
        elif key in {"anyOf", "oneOf"}:
            # Two sets of branches at once: the first is chosen from, the second joins the parts.
            result.setdefault("allOf", [])
            result["allOf"] = [*items(result["allOf"]), {key: value}]
        else:
            result[key] = value
    return result


def _properties(one: Schema, other: Schema) -> Schema:
    both = {name: {"allOf": [one[name], other[name]]} for name in one if name in other and one[name] != other[name]}
    return {**one, **other, **both}


def type_of(schema: Schema) -> str:
    """The type to write: the first that is named and is not null, or what the other keys tell; `string` at last."""
    named = schema.get("type")
    if isinstance(named, str):
        return named
    for name in items(named):
        if name != "null":
            return str(name)
    if items(named):
        return "null"
    return next((type_ for key, type_ in _HINTS if key in schema), "string")


def _pointed(reference: str, root: Schema) -> Schema:
    if not reference.startswith("#"):
        raise SchemaError(f"$ref {reference!r} points outside of the schema")
    here: object = root
    for part in reference[1:].split("/")[1:]:
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        inside = items(here)
        if inside and name.isdigit() and int(name) < len(inside):
            here = inside[int(name)]
        elif name in fields(here):
            here = fields(here)[name]
        else:
            raise SchemaError(f"$ref {reference!r} points to nothing")
    check(here, f"$ref {reference!r}")  # it may point to where nobody has looked yet
    return fields(here)
