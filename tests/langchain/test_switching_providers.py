"""A conversation that changes its provider in the middle of a tool loop: what one began, every other one goes on with.

Each imitation is as strict as its provider: calls that Gemini 3 did not sign, ids that are not nine characters long at
Mistral, fields that Cohere does not know are refused, and a refusal would end these tests.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from rotor_core.sandbox import Sandbox
from rotor_langchain import ChatRotor

MODELS = {
    "gemini": "gemini-3.8-flash",
    "groq": "openai/gpt-oss-20b",
    "cohere": "command-a-reasoning-08-2025",
    "mistral": "mistral-small-2603",
    "openai": "gpt-5.6-luna",
    "together": "openai/gpt-oss-120b",
}
CAPABILITIES = ["tools", "parallel_tools", "json_schema", "json_mode", "vision", "reasoning"]
LAB: dict[str, Any] = {
    "providers": {
        name: {
            "dialect": name,
            "keys": [f"{name}-key"],
            "models": {model: {"capabilities": CAPABILITIES, "price": {"input": 0, "output": 0}, "limits": []}},
        }
        for name, model in MODELS.items()
    },
    "pools": {"all": [f"{name}/{model}" for name, model in MODELS.items()]},
    "default_pool": "all",
}


@tool
def get_weather(city: str) -> str:
    """The weather in a city at this moment."""
    return f"It is sunny in {city}."


@tool
def get_time(city: str) -> str:
    """What time it is in a city."""
    return f"It is noon in {city}."


@tool
def get_height() -> str:
    """How high the town lies, for a tool that takes nothing."""
    return "478 m"


TOOLS = {made.name: made for made in (get_weather, get_time, get_height)}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(LAB) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def chat(box: Sandbox) -> ChatRotor:
    config = box.config(store=f"memory://{uuid.uuid4().hex}")
    for name, section in config["providers"].items():
        section["adapter"] = name
    return ChatRotor(config=config, max_retries=0)


async def _invoked(model: Any, messages: list[BaseMessage]) -> AIMessage:
    return model.invoke(messages)


async def _ainvoked(model: Any, messages: list[BaseMessage]) -> AIMessage:
    return await model.ainvoke(messages)


async def _streamed(model: Any, messages: list[BaseMessage]) -> AIMessage:
    total: Any = None
    for chunk in model.stream(messages):
        total = chunk if total is None else total + chunk
    return total


async def _astreamed(model: Any, messages: list[BaseMessage]) -> AIMessage:
    total: Any = None
    async for chunk in model.astream(messages):
        total = chunk if total is None else total + chunk
    return total


WAYS = {"invoke": _invoked, "ainvoke": _ainvoked, "stream": _streamed, "astream": _astreamed}


@pytest.fixture(params=list(WAYS))
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return WAYS[request.param]


def pinned(chat: ChatRotor, provider: str, *, choice: str | None = None) -> Any:
    return chat.bind_tools(list(TOOLS.values()), model=f"{provider}/{MODELS[provider]}", tool_choice=choice)


def results(answer: AIMessage) -> list[ToolMessage]:
    return [TOOLS[call["name"]].invoke({**call, "type": "tool_call"}) for call in answer.tool_calls]


def by(answer: AIMessage) -> str:
    return str(answer.response_metadata["model_name"]).partition("/")[0]


@pytest.mark.parametrize("ask", ["invoke", "astream"], indirect=True)
@pytest.mark.parametrize(("first", "second"), list(permutations(MODELS, 2)))
async def test_a_tool_loop_begun_by_one_provider_goes_on_at_another_and_back(chat, box, ask, first, second):
    messages: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage("Use get_weather: what is the weather in Paris and Rome?"),
    ]
    for caller, teller in ((first, second), (second, first)):
        called = await ask(pinned(chat, caller), messages)
        messages += [called, *results(called)]
        told = await ask(pinned(chat, teller), messages)
        messages += [told, HumanMessage("Use get_time: what time is it in Oslo and Bonn?")]

        assert (by(called), by(told)) == (caller, teller)
        assert len(called.tool_calls) == 2
        assert told.text
        assert not told.tool_calls

    assert [record["status"] for record in box.stats()] == [200] * 4


ROUND = ("gemini", "groq", "cohere", "mistral", "openai", "together", "gemini")


@pytest.mark.parametrize(
    "tour", [ROUND, ROUND[::-1], ("mistral", "gemini", "gemini", "cohere", "gemini")], ids="-".join
)
async def test_one_turn_whose_calls_each_come_from_another_provider(chat, box, ask, tour):
    messages: list[BaseMessage] = [HumanMessage("What is the weather in Paris, and what time is it?")]
    for provider, name in zip(tour, [*TOOLS] * 3, strict=False):
        called = await ask(pinned(chat, provider, choice=name), messages)
        assert (by(called), [call["name"] for call in called.tool_calls][:1]) == (provider, [name])
        messages += [called, *results(called)]
        told = await ask(pinned(chat, provider, choice="none"), messages)
        assert told.text

    ids = [call["id"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls]
    assert all(ids)
    assert {record["status"] for record in box.stats()} == {200}


async def test_what_was_said_before_is_handed_on_as_it_was_and_never_changed(chat, ask):
    messages: list[BaseMessage] = [HumanMessage("Use get_weather: what is the weather in Paris and Rome?")]
    for provider in ROUND:
        before = [message.model_dump_json() for message in messages]
        answer = await ask(pinned(chat, provider), messages)
        assert [message.model_dump_json() for message in messages] == before
        messages += [answer, *results(answer), HumanMessage("And get_time in Oslo?")]


async def test_a_picture_and_thoughts_in_the_history_stop_nobody(chat, box, ask):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    shown = [{"type": "text", "text": "What is this?"}, {"type": "image", "base64": pixel, "mime_type": "image/png"}]
    messages: list[BaseMessage] = [HumanMessage(shown)]
    for provider in ROUND:
        answer = await ask(pinned(chat, provider, choice="none"), messages)
        assert answer.text
        messages += [answer, HumanMessage("Go on.")]

    assert {record["status"] for record in box.stats()} == {200}


async def test_when_a_provider_fails_in_the_middle_of_a_loop_another_one_goes_on(chat, box, ask):
    model = chat.bind_tools(list(TOOLS.values()), model="all")
    messages: list[BaseMessage] = [HumanMessage("Use get_weather: what is the weather in Paris and Rome?")]
    called = await ask(model, messages)
    box.fault(503, provider=by(called))

    told = await ask(model.bind(max_retries=2), [*messages, called, *results(called)])

    assert told.text
    assert by(told) != by(called)


def test_what_one_providers_format_cannot_carry_another_one_answers(box):
    """Cohere takes no form of an answer beside tools: an agent with both is answered by who does."""
    config = box.config(store=f"memory://{uuid.uuid4().hex}")
    config["pools"] = {"two": [{"model": f"cohere/{MODELS['cohere']}", "priority": 1}, f"groq/{MODELS['groq']}"]}
    config["pools"]["two"][1] = {"model": config["pools"]["two"][1], "priority": 2}
    config["default_pool"] = "two"
    asked = ChatRotor(config=config).bind_tools([get_weather]).bind(response_format={"type": "json_object"})

    answer = asked.invoke("Say it as json: how is the weather in Rome?")

    assert answer.response_metadata["rotor"]["provider"] == "groq"
    assert answer.response_metadata["rotor"]["attempts"] == 1
