"""A conversation begun by one provider and gone on with by another: six vendors' wires over six strict imitations.

The first is asked and calls two tools, the second answers their results, the first streams the answer to what comes next:
each is sent what the other left in the history, its ids, its thoughts and its shapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from tests.sandbox.conftest import function

from rotor_core.sandbox import Sandbox
from rotor_langchain import ChatRotor

NAMES = ("cohere", "gemini", "groq", "mistral", "openai", "together")
MODEL = {
    "capabilities": ["tools", "parallel_tools", "json_schema", "json_mode", "reasoning"],
    "price": {"input": 0, "output": 0},
    "limits": [],
}
SPEC: dict[str, Any] = {
    "providers": {name: {"dialect": name, "keys": [f"{name}-key"], "models": {"m": MODEL}} for name in NAMES},
    "pools": {"main": [f"{name}/m" for name in NAMES]},
    "default_pool": "main",
}
WEATHER = function("get_weather", "Get the weather.", city={"type": "string"})


@pytest.fixture(scope="module")
def config() -> Iterator[dict[str, Any]]:
    with Sandbox(SPEC) as box:
        yield box.config(store="memory://handing-over")


@pytest.mark.parametrize("second", NAMES)
@pytest.mark.parametrize("first", NAMES)
def test_a_conversation_goes_on_elsewhere_and_comes_back(config, first, second):
    asks, answers = (ChatRotor(config=config, model=f"{name}/m") for name in (first, second))
    history: list[BaseMessage] = [HumanMessage("Weather in Oslo and Rome?")]
    called = asks.bind_tools([WEATHER]).invoke(history)
    assert [call["args"] for call in called.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = [ToolMessage("It rains", tool_call_id=call["id"]) for call in called.tool_calls]
    history += [called, *results]
    answered = answers.bind_tools([WEATHER]).invoke(history)
    assert "It rains" in answered.content
    history += [answered, HumanMessage("And what of Paris?")]
    chunks = list(asks.stream(history))
    assert "Paris" in "".join(chunk.content for chunk in chunks)
    assert sum(chunk.usage_metadata["output_tokens"] for chunk in chunks if chunk.usage_metadata) > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_another_said_beside_its_calls_is_no_obstacle(config, name):
    said = [{"type": "thinking", "thinking": "Hm", "signature": "s"}, {"type": "text", "text": "Let me see."}]
    called = AIMessage(said, tool_calls=[{"id": "toolu_01", "name": "get_weather", "args": {"city": "Oslo"}}])
    history = [HumanMessage("Weather in Oslo?"), called, ToolMessage("It rains", tool_call_id="toolu_01")]
    model = ChatRotor(config=config, model=f"{name}/m")
    assert "It rains" in model.bind_tools([WEATHER]).invoke(history).content
