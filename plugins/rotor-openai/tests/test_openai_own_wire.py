"""What OpenAI itself is sent: what its reasoning models refuse is left out, the rest goes as it stands."""

import json

import pytest

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError
from rotor_openai.adapter import OpenAIsOwnWire

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
SAMPLING = {"temperature": 0.2, "top_p": 0.9, "presence_penalty": 1, "frequency_penalty": 1, "logprobs": True}
REASONING = ["o3", "o4-mini", "gpt-5", "gpt-5.6-luna", "gpt-6-luna", "gpt-6.1-sol", "ft:gpt-5:acme::1"]
PLAIN = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-chat-latest", "omni-x"]


def sent(model="gpt-4o", messages=(USER,), tools=(), response_format=None, **params):
    request = Request(messages, tools=tools, response_format=response_format, params=params)
    return json.loads(OpenAIsOwnWire().encode(Model(model), request, stream=False))


@pytest.mark.parametrize("model", [*REASONING, *PLAIN])
def test_the_limit_of_an_answer_goes_by_the_name_that_all_models_take(model):
    assert sent(model, max_tokens=5) == {"model": model, "messages": [USER], "max_completion_tokens": 5}
    assert sent(model, max_tokens=5, max_completion_tokens=7)["max_completion_tokens"] == 7


@pytest.mark.parametrize("model", REASONING)
def test_a_model_that_reasons_gets_no_sampling_parameters(model):
    assert sent(model, **SAMPLING) == {"model": model, "messages": [USER]}


@pytest.mark.parametrize("model", REASONING)
def test_a_model_that_is_told_not_to_reason_gets_them(model):
    assert sent(model, reasoning_effort="none", **SAMPLING).items() >= SAMPLING.items()


@pytest.mark.parametrize("model", PLAIN)
def test_a_model_that_does_not_reason_gets_them(model):
    assert sent(model, **SAMPLING) == {"model": model, "messages": [USER], **SAMPLING}


def test_the_gpt_6_family_calls_tools_without_reasoning_whatever_effort_is_asked_for():
    assert sent("gpt-6-luna", tools=[TOOL])["reasoning_effort"] == "none"
    assert sent("gpt-6.1-sol", tools=[TOOL], reasoning_effort="high")["reasoning_effort"] == "none"
    assert sent("gpt-6-luna", reasoning_effort="high")["reasoning_effort"] == "high"
    assert "reasoning_effort" not in sent("gpt-5.6-luna", tools=[TOOL])


def test_a_strict_schema_is_passed_through():
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}}
    assert sent(response_format=form)["response_format"] == form


def test_it_knows_the_developers_role():
    given = [{"role": "developer", "content": "s"}, USER]
    assert sent(messages=given)["messages"] == given


def test_ids_of_tool_calls_are_at_most_forty_characters():
    called = {"id": "x" * 60, "type": "function", "function": {"name": "add", "arguments": "{}"}}
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "x" * 60, "content": "3"},
    ]
    _, asked, answered = sent(messages=history)["messages"]
    assert len(asked["tool_calls"][0]["id"]) <= 40
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"]


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano-2025-08-07"])
def test_stop_sequences_that_a_model_refuses_are_for_another_one_to_take(model):
    with pytest.raises(UnfitError, match="stop"):
        sent(model, stop=["END"])


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5.5", "gpt-6-luna"])
def test_others_get_them(model):
    assert sent(model, stop=["END"])["stop"] == ["END"]
