"""Tools and structured output as they are bound."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import tool
from pydantic import BaseModel, Field
from pydantic.v1 import BaseModel as BaseModelV1
from tests.langchain.scripted import calls_tool, scripted

from rotor_core._errors import ConfigError
from rotor_core._outcome import Answer, Usage
from rotor_langchain import ChatRotor
from rotor_langchain.tools import to_tool_choice, to_tools


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Person(BaseModel):
    """Someone."""

    name: str = Field(description="What they are called.")
    age: int


class PersonV1(BaseModelV1):
    """Someone."""

    name: str
    age: int


class PersonDict(TypedDict):
    """Someone."""

    name: str
    age: int


PERSON_SCHEMA = {
    "title": "Person",
    "description": "Someone.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def _parameters(bad: dict[str, Any]) -> dict[str, Any]:
    return {"name": "f", "description": "d", "parameters": bad}


def test_tools_of_every_kind_become_openais():
    made = to_tools([add, Person, PersonDict, PERSON_SCHEMA, {"type": "function", "function": {"name": "raw"}}])

    assert [t["function"]["name"] for t in made] == ["add", "Person", "PersonDict", "Person", "raw"]
    assert made[0]["function"]["parameters"]["properties"]["a"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (
            _parameters({"type": "object", "properties": {"x": {"type": "strng"}}}),
            r"properties\.x\.type.*did you mean 'string'",
        ),
        (_parameters({"type": "object", "properties": ["x"]}), r"parameters\.properties: this is not JSON Schema"),
        (_parameters({"type": "object", "properties": {"x": 3}}), r"properties\.x: this is not a JSON Schema"),
        (_parameters({"type": "array", "items": {}}), "a tool's arguments are an object"),
        (_parameters({"type": "object", "required": "x"}), r"required.*a list of property names"),
        (_parameters({"type": "object", "properties": {"x": {"default": object()}}}), "JSON values"),
        (_parameters({"anyOf": [{"type": "object"}, {"type": "objct"}]}), r"anyOf\[1\]\.type"),
        ({"type": "function", "function": {}}, "a tool needs a name"),
        ({"type": "object", "properties": {}}, "cannot be read as a tool"),
        (3, "cannot be read as a tool"),
    ],
)
def test_a_tool_that_is_none_is_refused_when_it_is_bound_with_the_place(bad: Any, where: str):
    with pytest.raises(ConfigError, match=where) as caught:
        to_tools([add, bad])

    assert "tools[1]" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_choice_is_a_word_a_name_or_openais_dict():
    tools = to_tools([add])

    assert to_tool_choice(True, tools) == "any"
    assert to_tool_choice(False, tools) is None
    assert to_tool_choice("add", tools) == "add"
    assert to_tool_choice({"type": "function", "function": {"name": "add"}}, tools) == {
        "type": "function",
        "function": {"name": "add"},
    }
    with pytest.raises(ConfigError, match="there is no such tool.*did you mean 'add'"):
        to_tool_choice("ad", tools)


def test_binding_no_tools_sends_none():
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor).bind_tools([], tool_choice="any").invoke("hi")

    assert adapter.last.tools == ()
    assert adapter.last.tool_choice is None


def test_bound_tools_and_their_options_reach_the_provider():
    rotor, adapter = scripted({"a": [calls_tool()]})

    bound = ChatRotor(rotor=rotor).bind_tools([add], tool_choice="add", strict=True, parallel_tool_calls=False)
    answer = bound.invoke("1 + 2")

    assert isinstance(bound, RunnableBinding)
    assert answer.tool_calls == [{"name": "add", "args": {"a": 1, "b": 2}, "id": "call_1", "type": "tool_call"}]
    assert adapter.last.tool_choice == "add"
    assert adapter.last.tools[0]["function"]["strict"] is True
    assert adapter.last.params["parallel_tool_calls"] is False


def test_a_response_format_beside_tools_reaches_the_provider():
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor).bind_tools([], response_format=Person).invoke("hi")

    assert adapter.last.response_format["json_schema"]["name"] == "Person"


def test_tools_given_to_a_call_are_converted_too():
    rotor, adapter = scripted()

    ChatRotor(rotor=rotor).invoke("hi", tools=[add])

    assert adapter.last.tools[0]["function"]["name"] == "add"


@pytest.mark.parametrize("arguments", ["{oops", "[1, 2]"])
def test_arguments_that_are_no_object_are_an_invalid_call_not_an_error(arguments: str):
    rotor, _ = scripted({"a": [calls_tool(arguments=arguments)]})

    answer = ChatRotor(rotor=rotor).bind_tools([add]).invoke("hi")

    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["args"] == arguments
    assert answer.invalid_tool_calls[0]["name"] == "add"


SCHEMAS = [(Person, Person(name="Ann", age=3)), (PersonV1, PersonV1(name="Ann", age=3)), (PersonDict, {"name": "Ann", "age": 3}), (PERSON_SCHEMA, {"name": "Ann", "age": 3})]  # fmt: skip
ANN = '{"name": "Ann", "age": 3}'


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS, ids=["pydantic", "pydantic v1", "typeddict", "json schema"])
@pytest.mark.parametrize("strict", [None, True, False])
def test_structured_output_by_calling_a_tool(schema: Any, expected: Any, strict: bool | None):
    name = "PersonDict" if schema is PersonDict else "PersonV1" if schema is PersonV1 else "Person"
    rotor, adapter = scripted({"a": [calls_tool(name, ANN)]})

    answer = ChatRotor(rotor=rotor).with_structured_output(schema, strict=strict).invoke("who?")

    assert answer == expected
    assert adapter.last.tool_choice == name
    assert adapter.last.tools[0]["function"].get("strict") is strict


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS, ids=["pydantic", "pydantic v1", "typeddict", "json schema"])
@pytest.mark.parametrize("strict", [None, True])
def test_structured_output_by_a_schema(schema: Any, expected: Any, strict: bool | None):
    rotor, adapter = scripted({"a": [Answer(ANN, finish_reason="stop", usage=Usage(1, 1))]})

    model = ChatRotor(rotor=rotor).with_structured_output(schema, method="json_schema", strict=strict)

    assert model.invoke("who?") == expected
    sent = adapter.last.response_format
    assert sent["type"] == "json_schema"
    assert set(sent["json_schema"]["schema"]["properties"]) == {"name", "age"}
    assert sent["json_schema"].get("strict") is strict


def test_structured_output_by_any_json_with_a_schema_or_none():
    rotor, adapter = scripted({"a": [Answer(ANN, finish_reason="stop")]})
    model = ChatRotor(rotor=rotor)

    assert model.with_structured_output(Person, method="json_mode").invoke("who?") == Person(name="Ann", age=3)
    assert model.with_structured_output(method="json_mode").invoke("who?") == {"name": "Ann", "age": 3}
    assert adapter.last.response_format == {"type": "json_object"}


def test_the_raw_answer_comes_along_and_a_parsing_error_is_shown_not_raised():
    rotor, _ = scripted({"a": [Answer("no json", finish_reason="stop"), Answer(ANN, finish_reason="stop")]})
    model = ChatRotor(rotor=rotor).with_structured_output(Person, method="json_schema", include_raw=True)

    bad, good = model.invoke("who?"), model.invoke("who?")

    assert bad["raw"].content == "no json"
    assert bad["parsed"] is None
    assert bad["parsing_error"] is not None
    assert good["parsed"] == Person(name="Ann", age=3)
    assert good["parsing_error"] is None


def test_an_unknown_method_or_a_missing_schema_is_named():
    rotor, _ = scripted()

    with pytest.raises(ConfigError, match="method.*tool_calling.*function_calling, json_schema, json_mode"):
        ChatRotor(rotor=rotor).with_structured_output(Person, method="tool_calling")
    with pytest.raises(ConfigError, match="needs a schema"):
        ChatRotor(rotor=rotor).with_structured_output()
    with pytest.raises(ConfigError, match="cannot be read as a schema"):
        ChatRotor(rotor=rotor).with_structured_output({"properties": {}}, method="json_schema")


def test_a_request_for_a_schema_goes_only_where_schemas_are_kept():
    from rotor_langchain.errors import NoModelCapable

    rotor, adapter = scripted(capabilities={"tools"})

    with pytest.raises(NoModelCapable, match="json_schema"):
        ChatRotor(rotor=rotor).with_structured_output(Person, method="json_schema").invoke("who?")

    assert adapter.calls == []
