"""ChatRotor over real HTTP, against imitated providers that break on demand: what a user reads in the end."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelInvalidRequestError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel
from tests.waiting import until

from rotor_core.sandbox import Sandbox
from rotor_langchain import ChatRotor

LAB: dict[str, Any] = {
    "providers": {
        name: {
            "dialect": dialect,
            "keys": [f"{name}-secret-key"],
            "models": {
                "m": {
                    "context": 32000,
                    "capabilities": ["tools", "json_schema", "json_mode", "vision"],
                    "price": {"input": 0, "output": 0},
                    "limits": [{"concurrent": 1}],
                }
            },
        }
        for name, dialect in (("one", "openai"), ("two", "groq"))
    },
    "pools": {"main": [{"model": "one/m", "priority": 1}, {"model": "two/m", "priority": 2}], "alone": ["one/m"]},
    "default_pool": "main",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(LAB) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Iterator[Sandbox]:
    running.reset()
    yield running
    running.release()


def chat(box: Sandbox, **given: Any) -> ChatRotor:
    return ChatRotor(config=box.config(store=f"memory://{uuid.uuid4().hex}"), **given)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Town(BaseModel):
    """A town."""

    name: str
    country: str


@pytest.mark.parametrize("fault", [None, 429, 503, "not_json", "empty", "reset", "stream_error"])
async def test_an_agent_calls_a_tool_and_answers_whatever_its_first_provider_does(box: Sandbox, fault: Any):
    if fault is not None:
        box.fault(fault, provider="one")

    state = await create_agent(chat(box), tools=[add]).ainvoke({"messages": [("user", "Use add to add 1 and 2.")]})

    kinds = [type(m) for m in state["messages"]]
    assert kinds == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert set(state["messages"][1].tool_calls[0]["args"]) == {"a", "b"}
    assert state["messages"][-1].content
    expected = "one/m" if fault is None else "two/m"
    assert {m.response_metadata["model_name"] for m in state["messages"] if isinstance(m, AIMessage)} == {expected}


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy, lambda schema: schema])
@pytest.mark.parametrize("tools", [[], [add]])
def test_an_agents_structured_output(box: Sandbox, strategy: Any, tools: list[Any]):
    agent = create_agent(chat(box), tools=tools, response_format=strategy(Town))

    state = agent.invoke({"messages": [("user", "Tell me of the town Ulm.")]})

    assert isinstance(state["structured_response"], Town)


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("include_raw", [False, True])
async def test_structured_output_by_each_method(box: Sandbox, method: Any, include_raw: bool):
    model = chat(box).with_structured_output(Town, method=method, include_raw=include_raw)

    answer = await model.ainvoke('Tell me of the town Ulm, as JSON with the keys "name" and "country".')

    town = answer["parsed"] if include_raw else answer
    assert isinstance(town, Town), answer


async def test_a_graph_streams_tokens_and_status_side_by_side(box: Sandbox):
    box.fault(429, provider="one", retry_after=30)
    model = chat(box)

    async def node(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("answer", node).add_edge(START, "answer").compile()
    parts = [p async for p in graph.astream({"messages": [("user", "hi")]}, stream_mode=["messages", "custom"])]

    assert [p["event"] for kind, p in parts if kind == "custom"] == [
        "model_selected",
        "model_rotation",
        "model_selected",
    ]
    assert [kind for kind, _ in parts[:3]] == ["custom"] * 3
    rotation = parts[1][1]
    assert (rotation["previous"], rotation["deployment"], rotation["reason"]) == ("one/m#1", "two/m#1", "rate_limit")
    assert rotation["pool"]["cooling"] == 1
    assert len("".join(p[0].content for kind, p in parts if kind == "messages")) > 20


def test_an_image_is_seen_and_its_bytes_go_where_they_should(box: Sandbox):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    text = HumanMessage("What is this?")
    seeing = HumanMessage(
        [{"type": "text", "text": "What is this?"}, {"type": "image", "base64": pixel, "mime_type": "image/png"}]
    )

    plain, seen = chat(box).invoke([text]), chat(box).invoke([seeing])

    assert seen.content
    assert seen.usage_metadata["input_tokens"] > plain.usage_metadata["input_tokens"] + 50


async def test_a_cancelled_call_frees_the_seat_that_it_had(box: Sandbox):
    number = box.fault("hang", provider="one")
    model = chat(box, model="alone")
    task = asyncio.create_task(model.ainvoke("hi"))
    await until(lambda: not model.engine.pool_state("alone")["available"])

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    box.lift(number)
    assert model.engine.pool_state("alone")["available"] == 1
    assert (await model.ainvoke("again", deadline=20)).content


def test_a_cut_stream_is_an_error_with_its_part_and_never_a_whole_answer(box: Sandbox):
    box.fault("cut", provider="one", after=4)
    got: list[str] = []

    with pytest.raises((ModelConnectionError, ModelAPIError)) as caught:
        got.extend(chunk.content for chunk in chat(box).stream("Tell me a long story."))

    assert "".join(got) == caught.value.partial != ""
    assert "one/m#1" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("revoked", ModelAuthenticationError),
        (500, ModelAPIError),
        ("not_json", ModelAPIError),
        ("hang", ModelTimeoutError),
    ],
    ids=str,
)
async def test_what_cannot_be_had_elsewhere_is_langchains_error_for_it(box: Sandbox, fault: Any, expected: type):
    box.fault(fault, provider="one")

    with pytest.raises(expected) as caught:
        await chat(box, model="alone", max_retries=0, timeout=0.2 if fault == "hang" else 20).ainvoke("hi")

    text = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__)
    assert "one/m#1" in text
    assert "one-secret-key" not in text
    assert "\n" not in str(caught.value)


async def test_a_request_that_no_provider_would_take_is_invalid_and_tried_once(box: Sandbox):
    with pytest.raises(ModelInvalidRequestError, match="one/m#1.*number must be at most 1"):
        await chat(box).ainvoke("hi", n=2)

    assert [r["status"] for r in box.stats()] == [400]


async def test_nobody_at_home_is_a_connection_error_that_names_the_deployment():
    config = {
        "version": 1,
        "providers": {
            "gone": {
                "adapter": "openai-compatible",
                "base_url": "http://127.0.0.1:9/v1",
                "keys": [],
                "models": {"m": {}},
            }
        },
    }

    with pytest.raises(ModelConnectionError, match="gone/m#1"):
        await ChatRotor(config=config, max_retries=0).ainvoke("hi")


def test_one_model_serves_several_event_loops_and_threads(box: Sandbox):
    model = chat(box, model="main")

    async def ask() -> str:
        return str((await model.ainvoke("hi")).content)

    answers = [asyncio.run(ask()) for _ in range(3)]
    answers += [m.content for m in model.batch(["a", "b", "c", "d"])]

    assert all(answers)
