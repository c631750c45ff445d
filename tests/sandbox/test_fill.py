"""Instances of schemas: valid, from the user's words where they fit, and an end to every recursion."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core.sandbox.answers.facts import Facts
from rotor_core.sandbox.answers.fill import fill
from rotor_core.sandbox.answers.pattern import matching
from rotor_core.sandbox.answers.schema import SchemaError, check

NAMES = st.sampled_from(["a", "b", "city", "name", "items", "value", "date", "query"])


def bounded(low_key: str, high_key: str, low: int, high: int) -> st.SearchStrategy[dict[str, Any]]:
    pair = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return st.builds(
        lambda both, which: {k: v for k, v, used in zip((low_key, high_key), both, which, strict=True) if used},
        pair,
        st.tuples(st.booleans(), st.booleans()),
    )


def typed(name: str, more: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return more.map(lambda m: {"type": name, **m})


FORMATS = st.sampled_from(["date", "date-time", "email", "uuid", "ipv4", "uri"]).map(lambda f: {"format": f})
STRINGS = typed("string", bounded("minLength", "maxLength", 0, 30)) | typed("string", FORMATS)
INTEGERS = typed("integer", bounded("minimum", "maximum", -50, 50)) | st.builds(
    lambda low, wide, step: {"type": "integer", "exclusiveMinimum": low, "exclusiveMaximum": low + step * 2 + wide, "multipleOf": step},
    st.integers(-50, 50), st.integers(1, 50), st.integers(1, 9),
)  # fmt: skip
NUMBERS = typed("number", bounded("minimum", "maximum", -50, 50)) | st.builds(
    lambda low, wide: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + wide},
    st.integers(-5, 5), st.sampled_from([0.001, 0.5, 3]),
)  # fmt: skip
LEAVES = (
    STRINGS
    | INTEGERS
    | NUMBERS
    | st.just({"type": "boolean"})
    | st.just({"type": "null"})
    | st.just(True)
    | st.lists(st.one_of(st.integers(), st.text(max_size=5), st.none()), min_size=1, max_size=4).map(
        lambda c: {"enum": c}
    )
    | st.integers().map(lambda c: {"const": c})
    | st.just({"type": ["null", "string"]})
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda properties, closed: {
            "type": "object",
            "properties": {n: s for n, (s, _) in properties.items()},
            "required": [n for n, (_, needed) in properties.items() if needed],
            **({"additionalProperties": False} if closed else {}),
        },
        st.dictionaries(NAMES, st.tuples(inner, st.booleans()), max_size=4),
        st.booleans(),
    )


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.builds(
        lambda i, sizes: {"type": "array", "items": i, **sizes}, inner, bounded("minItems", "maxItems", 0, 4)
    )
    tuples = st.lists(inner, min_size=1, max_size=3).map(
        lambda p: {"type": "array", "prefixItems": p, "items": False, "minItems": len(p)}
    )
    return plain | tuples


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return (
        objects(inner)
        | arrays(inner)
        | st.lists(inner, min_size=1, max_size=3).map(lambda s: {"anyOf": s})
        | st.lists(objects(inner), min_size=1, max_size=2).map(lambda s: {"allOf": [{k: v for k, v in o.items() if k != "additionalProperties"} for o in s]})
        .filter(lambda s: len({n for o in s["allOf"] for n in o["properties"]}) == sum(len(o["properties"]) for o in s["allOf"]))
        | inner.map(lambda s: {"$defs": {"it": s}, "$ref": "#/$defs/it"} if False else s)
    )  # fmt: skip


SCHEMAS = st.recursive(LEAVES, combined, max_leaves=12)
SAID = st.sampled_from(
    [
        "",
        "Book 'The Tower' for Ada Lovelace on 2026-03-04 in Paris, 7 people, mail ada@example.org",
        "x" * 50,
        "a: 5, city is Rome",
    ]
)


@settings(max_examples=400, deadline=None)
@given(SCHEMAS, SAID)
def test_every_instance_is_valid(schema, said):
    instance = fill(schema if isinstance(schema, dict) else {}, Facts(said))
    jsonschema.validate(instance, schema, cls=jsonschema.Draft202012Validator)
    assert json.dumps(instance)


@settings(max_examples=100, deadline=None)
@given(SCHEMAS, SAID)
def test_references_into_the_schema_are_followed(schema, said):
    root = {
        "type": "object",
        "properties": {"it": {"$ref": "#/$defs/some~1thing"}},
        "required": ["it"],
        "$defs": {"some/thing": schema},
    }
    jsonschema.validate(fill(root, Facts(said)), root, cls=jsonschema.Draft202012Validator)


@settings(max_examples=60, deadline=None)
@given(SCHEMAS, SAID)
def test_the_same_words_give_the_same_instance(schema, said):
    known = schema if isinstance(schema, dict) else {}
    assert fill(known, Facts(said)) == fill(known, Facts(said))


@given(st.sampled_from(["integer", "string", "number"]), st.integers(0, 6), st.integers(0, 3))
def test_unique_elements_differ(kind, least, more):
    schema = {
        "type": "array",
        "items": {"type": kind},
        "uniqueItems": True,
        "minItems": least,
        "maxItems": least + more,
    }
    jsonschema.validate(fill(schema, Facts("")), schema)


def test_a_tree_comes_to_an_end():
    tree = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    "parent": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                },
                "required": ["name", "children", "parent"],
            }
        },
        "$ref": "#/$defs/node",
    }
    jsonschema.validate(fill(tree, Facts("")), tree)


def test_what_contains_itself_without_end_is_an_error_and_no_crash():
    endless = {"type": "object", "properties": {"self": {"$ref": "#"}}, "required": ["self"]}
    with pytest.raises(SchemaError, match="never ends"):
        fill(endless, Facts(""))
    with pytest.raises(SchemaError, match="leads back to itself"):
        fill({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, Facts(""))


@pytest.mark.parametrize("reference", ["#/$defs/none", "https://example.com/schema", "#/required/7"])
def test_a_reference_to_nowhere_is_an_error(reference):
    with pytest.raises(SchemaError, match=re.escape(repr(reference))):
        fill({"$ref": reference}, Facts(""))


def test_bounds_with_nothing_between_are_an_error():
    with pytest.raises(SchemaError, match="nothing lies between|no multiple"):
        fill({"type": "integer", "minimum": 4, "maximum": 3}, Facts(""))


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strng"}, "'strng' is none of"),
        ({"properties": []}, "properties is not an object"),
        ({"anyOf": {}}, "anyOf is not an array"),
        ({"properties": {"a": {"items": {"type": 3}}}}, "schema.properties.a.items.type"),
        ("text", "not an object or a boolean"),
        ({"required": "a"}, "required is not an array"),
    ],
)
def test_what_is_no_schema_is_told_with_its_place(schema, told):
    with pytest.raises(SchemaError, match=told):
        check(schema)


def made(said: str, **properties: Any) -> dict[str, Any]:
    return fill({"type": "object", "properties": properties, "required": list(properties)}, Facts(said))


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("said", "properties", "expected"),
    [
        ("What is 3 + 4?", {"a": WHOLE, "b": WHOLE}, {"a": 3, "b": 4}),
        ("Set volume to -5", {"level": WHOLE}, {"level": -5}),
        ("It costs 1,250.75 dollars", {"price": {"type": "number"}}, {"price": 1250.75}),
        ("weather in San Francisco, CA please", {"location": TEXT}, {"location": "San Francisco, CA"}),
        ("Create a customer named '你好啊集团' (Hello Group)", {"customer_name": TEXT}, {"customer_name": "你好啊集团"}),
        ("Write to ada@example.org, see https://example.org/x.", {"email": TEXT, "url": TEXT}, {"email": "ada@example.org", "url": "https://example.org/x"}),
        ("On 2026-03-04 at 10:30", {"date": {"type": "string", "format": "date"}, "time": TEXT}, {"date": "2026-03-04", "time": "10:30"}),
        ("Is it warmer in celsius?", {"unit": {"enum": ["fahrenheit", "celsius"]}}, {"unit": "celsius"}),
        ("retries: 7, verbose: no", {"verbose": {"type": "boolean"}, "retries": WHOLE}, {"verbose": False, "retries": 7}),
        ("Search for blue shoes", {"query": TEXT}, {"query": "Search for blue shoes"}),
        ("How much is 2 * (3 + 4)?", {"expression": TEXT}, {"expression": "2 * (3 + 4)"}),
        ("Tell me about the French Revolution.", {"topic": TEXT}, {"topic": "French Revolution"}),
    ],
)  # fmt: skip
def test_values_are_found_in_the_users_words(said, properties, expected):
    assert made(said, **properties) == expected


def test_a_list_is_as_long_as_what_the_text_names():
    assert made("Add 3, 5 and 9", numbers={"type": "array", "items": WHOLE}) == {"numbers": [3, 5, 9]}
    cities = made("Go to Paris, Rome and Oslo", cities={"type": "array", "items": TEXT})
    assert cities == {"cities": ["Paris", "Rome", "Oslo"]}


def test_an_optional_property_is_written_when_the_text_gives_its_value():
    schema = {"type": "object", "properties": {"unit": TEXT, "city": TEXT}, "required": ["city"]}
    assert fill(schema, Facts("in Rome")) == {"city": "Rome"}
    assert fill(schema, Facts("in Rome, unit: kelvin")) == {"unit": "kelvin", "city": "Rome"}


def test_of_several_branches_the_one_that_is_spoken_of_is_taken():
    def branch(title):
        return {"title": title, "type": "object", "properties": {"kind": {"const": title}}, "required": ["kind"]}

    schema = {"oneOf": [branch("Contact"), branch("Invoice")]}
    assert fill(schema, Facts("Extract the invoice")) == {"kind": "Invoice"}
    assert fill(schema, Facts("Extract")) == {"kind": "Contact"}


@pytest.mark.parametrize(
    "pattern",
    [r"^[A-Z]{3}$", r"^\d{5}(-\d{4})?$", r"^(foo|bar)$", r"^\+?[0-9]{10,12}$", r"^[a-z0-9_-]+$", r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$", r"^#[0-9a-fA-F]{6}$", r"(?:ab)+c?", r"^v\d+\.\d+$", r"[\]x]", ""],
)  # fmt: skip
def test_a_text_is_made_for_a_pattern(pattern):
    assert re.search(pattern, matching(pattern))
    schema = {"type": "string", "pattern": pattern}
    jsonschema.validate(fill(schema, Facts("Hello there")), schema)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", r"(", r"(?<!x)y"])
def test_a_pattern_that_is_not_spoken_is_given_up(pattern):
    assert matching(pattern) is None or re.search(pattern, matching(pattern))


def test_words_that_match_a_pattern_are_taken_from_the_text():
    assert made("Flight LH1234 please", flight={"type": "string", "pattern": r"^[A-Z]{2}\d{4}$"}) == {
        "flight": "LH1234"
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["free"]},
        {"type": "object", "required": ["n"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 0},
        {"type": "object", "minProperties": 2, "properties": {"a": WHOLE, "b": WHOLE, "c": WHOLE}},
        {"type": "object", "minProperties": 2, "properties": {"a": WHOLE}, "additionalProperties": TEXT},
        {"type": "array", "items": {"enum": [1, 1.0, 2, 3]}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 2},
        {"type": "array", "items": {"type": "integer", "maximum": -3}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "integer", "minimum": 5, "maximum": 8}, "minItems": 4, "uniqueItems": True},
        {"type": "array", "prefixItems": [WHOLE, TEXT], "items": WHOLE, "minItems": 4},
        {"type": "array", "maxItems": 0},
        {"type": "array", "items": {"type": "number", "minimum": 0.1, "maximum": 0.2}, "minItems": 3},
        {"type": "number", "maximum": -7.5},
        {"type": "number", "minimum": 123.5},
        {"type": "number", "multipleOf": 0.5, "minimum": 2.2},
        {"type": "integer", "multipleOf": 2.5, "minimum": 1},
        {"type": "string", "minLength": 40},
        {"type": "string", "maxLength": 3},
        {"type": "string", "examples": ["E1"]},
        {"type": ["null"]},
        {"anyOf": [{"type": "integer", "minimum": 3, "maximum": 2}, TEXT]},
        {"anyOf": [{"enum": []}, {"const": 4}]},
        {"anyOf": [WHOLE, TEXT], "oneOf": [{"minimum": 0, "type": "integer"}, {"type": "string", "maxLength": 0}]},
        {"allOf": [{"minimum": 3}, {"minimum": 5, "maximum": 9}, {"maximum": 7}, {"type": "integer"}]},
        {"allOf": [{"enum": [1, 2, 3]}, {"enum": [3, 4]}]},
        {"allOf": [{"properties": {"a": WHOLE}, "required": ["a"]}, {"properties": {"a": {"minimum": 40}}, "type": "object"}]},
        {"minItems": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("said", ["", "Take 6 of 'them' in Oslo, a: 50"])
def test_less_common_schemas_are_filled_too(schema, said):
    jsonschema.validate(fill(schema, Facts(said)), schema, cls=jsonschema.Draft202012Validator)


def test_the_older_way_to_exclude_a_bound_and_to_write_tuples_is_known():
    assert (
        fill(
            {"type": "integer", "minimum": 4, "exclusiveMinimum": True, "maximum": 6, "exclusiveMaximum": True},
            Facts(""),
        )
        == 5
    )
    tuple_ = {"type": "array", "items": [WHOLE, {"type": "boolean"}], "additionalItems": False}
    assert fill(tuple_, Facts("7")) == [7, True]


def test_what_no_branch_allows_is_an_error():
    empty = {"type": "integer", "minimum": 3, "maximum": 2}
    with pytest.raises(SchemaError):
        fill({"anyOf": [empty, empty]}, Facts(""))
    with pytest.raises(SchemaError, match="nothing lies between"):
        fill({"type": "number", "minimum": 3, "maximum": 2}, Facts(""))
    with pytest.raises(SchemaError, match="pattern"):
        fill({"type": "string", "pattern": "("}, Facts(""))


def test_a_schema_that_is_nested_without_measure_is_refused():
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"items": deep}
    with pytest.raises(SchemaError, match="nested more than"):
        check(deep)


WORDS = st.sampled_from(
    """type properties required items prefixItems additionalProperties additionalItems anyOf oneOf allOf enum const
    minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems uniqueItems
    minProperties maxProperties pattern format examples title $ref $defs a b""".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.sampled_from(["object", "array", "string", "integer", "number", "#", "#/properties/a", "[a-z]", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(WORDS, JSON, max_size=6))
def test_whatever_is_sent_as_a_schema_is_filled_or_refused(schema):
    try:
        check(schema)
        made = json.dumps(fill(schema, Facts("Take 3 apples to 'Rome'")))
    except SchemaError as error:
        made = str(error)
    assert made
