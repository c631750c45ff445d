"""Tools on offer, the choice among them, and schemas: as Gemini takes them."""

from __future__ import annotations

import copy

import pytest
from gemini_requests import body, function, user

from rotor_core.adapters.wire import UnfitError
from rotor_gemini.schema import cleaned


def test_tools_are_declared_with_their_schemas_as_they_are():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    made = body(
        user("a"),
        tools=[
            function("add", schema, description="Adds.", strict=True),
            function("now", {"type": "object", "properties": {}}),
            function("then"),
        ],
    )
    assert made["tools"] == [{"functionDeclarations": [{"name": "add", "description": "Adds.", "parametersJsonSchema": schema}, {"name": "now"}, {"name": "then"}]}]  # fmt: skip
    assert "toolConfig" not in made


def test_googles_own_tools_go_beside_the_functions():
    made = body(user("a"), tools=[{"google_search": {}}, function(), {"urlContext": {}}])
    assert made["tools"] == [{"functionDeclarations": [{"name": "add"}]}, {"googleSearch": {}}, {"urlContext": {}}]


@pytest.mark.parametrize(
    ("tool", "named"),
    [
        ({"type": "web_search"}, "'web_search'"),
        (function("1st"), "'1st'"),
        (function("a" * 129), "128 at most"),
        ("add", "None"),
    ],
)
def test_tools_that_gemini_refuses_are_named(tool, named):
    with pytest.raises(UnfitError, match=named):
        body(user("a"), tools=[tool])


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("any", {"mode": "ANY"}),
        ("add", {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        ({"type": "function", "function": {"name": "add"}}, {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function()]}}, {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "add"}]}, {"mode": "VALIDATED", "allowedFunctionNames": ["add"]}),
    ],
)  # fmt: skip
def test_a_choice_of_tool(choice, made):
    assert body(user("a"), tools=[function()], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": made}
    assert "toolConfig" not in body(user("a"), tool_choice=choice)


def test_a_choice_that_gemini_does_not_know_is_named():
    with pytest.raises(UnfitError, match="'custom'"):
        body(user("a"), tools=[function()], tool_choice={"type": "custom"})


def test_schemas_are_cleaned_and_left_as_they_were():
    schema = {
        "$defs": {"Kind": {"const": "a", "title": "Kind"}},
        "properties": {
            "kind": {"$ref": "#/$defs/Kind", "description": "x", "default": {"const": 1}},
            "const": {"anyOf": [{"const": 1}, {"type": "null"}]},
            "data": {"default": {"const": 1}, "enum": [{"const": 1}]},
        },
        "required": ["const"],
    }
    before = copy.deepcopy(schema)
    assert cleaned(schema) == {
        "$defs": {"Kind": {"enum": ["a"], "title": "Kind"}},
        "properties": {
            "kind": {"$ref": "#/$defs/Kind"},
            "const": {"anyOf": [{"enum": [1]}, {"type": "null"}]},
            "data": {"default": {"const": 1}, "enum": [{"const": 1}]},
        },
        "required": ["const"],
    }
    assert schema == before
