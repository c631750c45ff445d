"""Agents and graphs, read as their user reads them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware, wrap_model_call
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from tests.langchain.scripted import HELLO, calls_tool, scripted

from rotor_core._outcome import Answer, Failure, Usage
from rotor_langchain import ChatRotor


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Sum(BaseModel):
    """A sum."""

    total: int


ASK: Any = {"messages": [("user", "What is 1 + 2?")]}
SUM = '{"total": 3}'


async def test_an_agent_uses_a_tool_and_answers_though_a_model_fails_in_between():
    rotor, adapter = scripted(
        {"a": [calls_tool(), Failure("server_error")], "b": [Answer("It is 3.", usage=Usage(9, 4))]}
    )

    state = await create_agent(ChatRotor(rotor=rotor), tools=[add]).ainvoke(ASK)

    _, call, result, answer = state["messages"]
    assert isinstance(call, AIMessage)
    assert call.tool_calls[0]["args"] == {"a": 1, "b": 2}
    assert isinstance(result, ToolMessage)
    assert result.content == "3"
    assert answer.content == "It is 3."
    assert (call.response_metadata["model_name"], answer.response_metadata["model_name"]) == ("a/m", "b/m")
    assert adapter.last.messages[2] == {"role": "tool", "tool_call_id": "call_1", "content": "3"}


def test_structured_output_by_the_tool_strategy():
    rotor, adapter = scripted({"a": [calls_tool(), calls_tool("Sum", SUM)]})

    state = create_agent(ChatRotor(rotor=rotor), tools=[add], response_format=ToolStrategy(Sum)).invoke(ASK)

    assert state["structured_response"] == Sum(total=3)
    assert {t["function"]["name"] for t in adapter.last.tools} == {"add", "Sum"}
    assert adapter.last.tool_choice == "any"


@pytest.mark.parametrize("tools", [[], [add]])
def test_structured_output_by_the_provider_strategy(tools: list[Any]):
    rotor, adapter = scripted({"a": [Answer(SUM, finish_reason="stop", usage=Usage(1, 1))]})

    state = create_agent(ChatRotor(rotor=rotor), tools=tools, response_format=ProviderStrategy(Sum)).invoke(ASK)

    assert state["structured_response"] == Sum(total=3)
    assert adapter.last.response_format["json_schema"]["name"] == "Sum"
    assert len(adapter.last.tools) == len(tools)


@pytest.mark.parametrize(("capabilities", "by_schema"), [({"tools", "json_schema"}, True), ({"tools"}, False)])
def test_the_agent_chooses_the_strategy_by_what_the_pool_can(capabilities: set[str], by_schema: bool):
    answer = Answer(SUM, finish_reason="stop", usage=Usage(1, 1)) if by_schema else calls_tool("Sum", SUM)
    rotor, adapter = scripted({"a": [answer]}, capabilities=capabilities)

    state = create_agent(ChatRotor(rotor=rotor), response_format=Sum).invoke(ASK)

    assert state["structured_response"] == Sum(total=3)
    assert (adapter.last.response_format is not None) is by_schema


def test_middleware_may_say_per_call_what_the_model_is_for():
    @wrap_model_call
    def as_code(request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings={"task": "code", "temperature": 0.1}))

    rotor, adapter = scripted({"a": [HELLO], "b": [HELLO]}, pools={"code": ["b"]})

    state = create_agent(ChatRotor(rotor=rotor), tools=[add], middleware=[as_code]).invoke(ASK)

    assert state["messages"][-1].response_metadata["model_name"] == "b/m"
    assert adapter.last.params == {"temperature": 0.1}


def test_summarization_by_a_fraction_of_the_context_finds_the_profile_and_trusts_the_reported_tokens():
    rotor, _ = scripted()
    model = ChatRotor(rotor=rotor)

    middleware = SummarizationMiddleware(model, trigger=("fraction", 0.5))

    state = create_agent(model, middleware=[middleware]).invoke(ASK)
    assert state["messages"][-1].content == "hello"
    assert state["messages"][-1].response_metadata["model_provider"] == model._get_ls_params()["ls_provider"]


async def test_the_tokens_of_an_agent_stream_as_they_come():
    rotor, _ = scripted({"a": [calls_tool(), HELLO]})
    agent = create_agent(ChatRotor(rotor=rotor), tools=[add])

    got = [part async for part in agent.astream(ASK, stream_mode=["messages", "custom"])]

    text = [
        m.content
        for kind, (m, _) in ((k, p) for k, p in got if k == "messages")
        if isinstance(m, AIMessage) and m.content
    ]
    assert text == ["he", "llo"]
    assert [p["event"] for k, p in got if k == "custom"] == ["model_selected", "model_selected"]
