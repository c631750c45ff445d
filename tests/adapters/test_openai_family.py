"""The four plugins of OpenAI's format against imitations of their providers that are strict as they are, with a foreign history."""

import json

import pytest

from rotor_core import Request, Rotor
from rotor_core.sandbox import Sandbox

MODELS = {
    "groq": "openai/gpt-oss-120b",
    "openai": "gpt-6-luna",
    "mistral": "mistral-small-2603",
    "together": "openai/gpt-oss-120b",
}
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
FOREIGN = [
    {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
    {"role": "user", "content": "What is 1 + 2?", "name": "Ann Müller"},
    {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "Let me see."}],
        "reasoning_content": "hm",
        "tool_calls": [
            {
                "id": "fc_1|call_2",
                "type": "function",
                "index": 0,
                "function": {"name": "add", "arguments": {"a": 1, "b": 2}},
                "extra_content": {"google": {"thought_signature": "s"}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "fc_1|call_2", "name": "add", "content": [{"type": "text", "text": "3"}]},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "so it is"}]},
    {"role": "user", "content": "And 3 + 4?"},
]
PARAMS = {"max_tokens": 50, "seed": 7}


@pytest.fixture(scope="module")
def box():
    providers = {
        name: {"dialect": name, "models": {model: {}}, "keys": ["key-of-nobody"]} for name, model in MODELS.items()
    }
    with Sandbox({"providers": providers}) as running:
        yield running


@pytest.fixture(params=sorted(MODELS))
def rotor(box, request):
    section = box.config()["providers"][request.param] | {"adapter": request.param}
    pool = {"p": [f"{request.param}/{MODELS[request.param]}"]}
    config = {"providers": {request.param: section}, "pools": pool, "store": f"memory://family-{request.param}"}
    made = Rotor.from_config(config)
    yield made
    made.close()


def test_a_foreign_history_is_answered(rotor):
    result = rotor.chat(Request(FOREIGN, params=PARAMS), model="p")
    assert result.answer.text
    assert result.answer.usage.input_tokens > 0
    assert result.answer.finish_reason in ("stop", "length")


def test_a_foreign_history_is_answered_piece_by_piece(rotor):
    chunks = list(rotor.stream(Request(FOREIGN, params=PARAMS), model="p"))
    assert "".join(chunk.text for chunk in chunks)
    assert [chunk.usage.input_tokens > 0 for chunk in chunks if chunk.usage] == [True]


def test_a_tool_that_has_to_be_called_is_called(rotor):
    result = rotor.chat(Request(FOREIGN, tools=[TOOL], tool_choice="any", params=PARAMS), model="p")
    assert {call.name for call in result.answer.tool_calls} == {"add"}
    assert all(json.loads(call.arguments).keys() == {"a", "b"} for call in result.answer.tool_calls)


def test_an_answer_goes_back_as_history(rotor):
    first = rotor.chat(Request(FOREIGN, tools=[TOOL], tool_choice="any"), model="p").answer
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in first.tool_calls
    ]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "7"} for call in first.tool_calls]
    history = [*FOREIGN, {"role": "assistant", "content": None, "tool_calls": calls}, *results]
    assert rotor.chat(Request(history, tools=[TOOL], tool_choice="none"), model="p").answer.text


def test_an_answer_in_a_schema_is_in_it(rotor):
    schema = TOOL["function"]["parameters"] | {"additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "sum", "schema": schema, "strict": True}}
    answer = rotor.chat(Request([{"role": "user", "content": "1 + 2"}], response_format=form), model="p").answer
    assert json.loads(answer.text).keys() == {"a", "b"}
