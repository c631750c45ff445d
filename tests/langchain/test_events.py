"""Status events, in every context in which LangChain runs a model, under the model's own run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import START, MessagesState, StateGraph
from tests.langchain.scripted import HELLO, ONE_IN_TEN_SECONDS, AsyncHeard, Heard, scripted

from rotor_core._model import Policy
from rotor_core._outcome import Failure
from rotor_langchain import ChatRotor
from rotor_langchain import events as events_module
from rotor_langchain.errors import NoModelsAvailable
from rotor_langchain.events import audience, listening

PROMPT = ChatPromptTemplate.from_messages([("user", "{q}")])
ROTATING = {"a": [Failure("server_error")], "b": [HELLO]}
ROTATION = ["model_selected", "model_rotation", "model_selected"]


def rotating() -> ChatRotor:
    """The first model fails, the second one answers."""
    rotor, _ = scripted({name: list(outcomes) for name, outcomes in ROTATING.items()})
    return ChatRotor(rotor=rotor)


def graph_of(model: Any) -> Any:
    async def node(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return StateGraph(MessagesState).add_node("answer", node).add_edge(START, "answer").compile()


async def _generate(model: ChatRotor, config: Any) -> None:
    model.generate_prompt([PROMPT.invoke({"q": "hi"})], **config)


async def _v3(model: ChatRotor, config: Any) -> None:
    stream = await model.astream_events("hi", config, version="v3")
    assert await stream.text == "hello"


async def _sync_v3(model: ChatRotor, config: Any) -> None:
    assert str(model.stream_events("hi", config, version="v3").text) == "hello"


async def _each(stream: Any) -> None:
    async for _ in stream:
        pass


CONTEXTS: dict[str, Callable[[ChatRotor, Any], Any]] = {
    "invoke": lambda m, c: asyncio.to_thread(m.invoke, "hi", c),
    "ainvoke": lambda m, c: m.ainvoke("hi", c),
    "stream": lambda m, c: asyncio.to_thread(lambda: list(m.stream("hi", c))),
    "astream": lambda m, c: _each(m.astream("hi", c)),
    "astream_events v2": lambda m, c: _each(m.astream_events("hi", c, version="v2")),
    "chain ainvoke": lambda m, c: (PROMPT | m).ainvoke({"q": "hi"}, c),
    "chain astream_events v2": lambda m, c: _each((PROMPT | m).astream_events({"q": "hi"}, c, version="v2")),
    "v3 stream": _v3,
    "v3 stream, blocking": _sync_v3,
    "agent": lambda m, c: create_agent(m).ainvoke({"messages": [("user", "hi")]}, c),
    "graph, messages stream": lambda m, c: _each(
        graph_of(m).astream({"messages": [("user", "hi")]}, c, stream_mode="messages")
    ),
    "generate": _generate,
    "batch": lambda m, c: asyncio.to_thread(m.batch, ["hi"], c),
    "abatch": lambda m, c: m.abatch(["hi"], c),
    "bound": lambda m, c: m.bind(temperature=0).ainvoke("hi", c),
}


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("kind", [Heard, AsyncHeard])
async def test_a_rotation_is_told_to_callbacks_under_the_models_own_run_in(context: str, kind: type):
    handler: Any = kind()

    await CONTEXTS[context](rotating(), {"callbacks": [handler]})

    heard: Heard = handler if isinstance(handler, Heard) else handler.heard
    assert heard.names == ROTATION
    assert {run for _, _, run in heard.events} == {heard.runs[-1]}
    selected, rotation, again = (data for _, data, _ in heard.events)
    assert selected["deployment"] == "a/m#1"
    assert rotation["previous"] == "a/m#1"
    assert rotation["deployment"] == again["deployment"] == "b/m#1"
    assert rotation["reason"] == "server_error"
    assert [d["attempt"] for d in (selected, rotation, again)] == [1, 2, 2]
    assert all(isinstance(d["at"], float) for d in (selected, rotation, again))
    assert again["pool"]["pool"] == "fast"
    assert again["pool"]["deployments"] == 2
    assert again["pool"]["available"] == 2, "one failure is nobody's rest"


async def test_events_of_a_stream_come_between_its_start_and_its_first_chunk():
    told = [e async for e in (PROMPT | rotating()).astream_events({"q": "hi"}, version="v2")]

    kinds = [e["event"] if e["event"] != "on_custom_event" else e["name"] for e in told if "chain" not in e["event"] and "prompt" not in e["event"]]  # fmt: skip
    assert kinds[:5] == ["on_chat_model_start", *ROTATION, "on_chat_model_stream"]
    start = next(e for e in told if e["event"] == "on_chat_model_start")
    for event in (e for e in told if e["event"] == "on_custom_event"):
        assert event["run_id"] == start["run_id"]
        assert event["parent_ids"] == start["parent_ids"] != []


async def test_a_wait_for_capacity_is_told_as_it_begins_and_as_it_ends(virtual_clock: Callable[[], float]):
    rotor, _ = scripted(limits=(ONE_IN_TEN_SECONDS,), clock=virtual_clock)
    model = ChatRotor(rotor=rotor)
    await model.ainvoke("first")
    before = virtual_clock()

    told = [e async for e in model.astream_events("second", version="v2") if e["event"] == "on_custom_event"]

    assert [e["name"] for e in told] == ["no_models_available", "rate_limit_recovered", "model_selected"]
    none, back, selected = (e["data"] for e in told)
    assert none["refused"] is False
    assert none["deployment"] is None
    assert none["retry_at"] == pytest.approx(before + 10, abs=1)
    assert none["at"] == pytest.approx(before, abs=0.5)
    assert none["pool"]["available"] == 0
    assert back["waited_s"] == pytest.approx(10, abs=1)
    assert back["at"] == pytest.approx(before + 10, abs=1)
    assert selected["waited_s"] == back["waited_s"]


async def test_all_four_events_of_one_request_stand_in_order_under_its_run(virtual_clock: Callable[[], float]):
    rotor, _ = scripted(
        {"a": [HELLO], "b": [Failure("overloaded", retry_after=60.0)]},
        limits=(ONE_IN_TEN_SECONDS,),
        clock=virtual_clock,
    )
    model = ChatRotor(rotor=rotor)
    await model.ainvoke("takes the seat at a")

    told = [e async for e in (PROMPT | model).astream_events({"q": "hi"}, version="v2")]

    start = next(e for e in told if e["event"] == "on_chat_model_start")
    mine = [e for e in told if e["event"] == "on_custom_event"]
    assert [(e["name"], e["data"]["deployment"], e["data"]["attempt"]) for e in mine] == [
        ("model_selected", "b/m#1", 1),
        ("no_models_available", None, 2),
        ("rate_limit_recovered", "a/m#1", 2),
        ("model_rotation", "a/m#1", 2),
        ("model_selected", "a/m#1", 2),
    ]
    assert {e["run_id"] for e in mine} == {start["run_id"]}
    assert all(e["parent_ids"] == start["parent_ids"] for e in mine)
    assert all(set(e["data"]) >= {"deployment", "reason", "at", "attempt", "pool"} for e in mine)
    assert told[-1]["data"]["output"].response_metadata["model_name"] == "a/m"


async def test_a_refusal_is_told_before_it_is_raised():
    rotor, _ = scripted(limits=(ONE_IN_TEN_SECONDS,), policy=Policy(max_wait=0))
    model, handler = ChatRotor(rotor=rotor), AsyncHeard()
    await model.ainvoke("first")

    with pytest.raises(NoModelsAvailable):
        await model.ainvoke("second", {"callbacks": [handler]})

    ((name, data, _),) = handler.heard.events
    assert name == "no_models_available"
    assert data["refused"] is True
    assert "a/m#1" in data["reasons"]


async def test_several_prompts_of_one_call_tell_each_its_own_run():
    rotor, _ = scripted()
    handler = Heard()

    await ChatRotor(rotor=rotor).agenerate(
        [[("user", "a")], [("user", "b")]] and [PROMPT.invoke({"q": q}).to_messages() for q in "ab"],
        callbacks=[handler],
    )

    assert sorted(run for _, _, run in handler.events) == sorted(handler.runs)


@pytest.mark.parametrize("mode", [["messages", "custom"], ["custom"]])
async def test_langgraphs_custom_stream_has_the_events_before_the_tokens(mode: list[str]):
    got = [part async for part in graph_of(rotating()).astream({"messages": [("user", "hi")]}, stream_mode=mode)]

    custom = [payload for kind, payload in got if kind == "custom"]
    assert [payload["event"] for payload in custom] == ROTATION
    assert {payload["source"] for payload in custom} == {"rotor"}
    assert custom[1]["deployment"] == "b/m#1"
    if "messages" in mode:
        kinds = [kind for kind, _ in got]
        assert kinds.index("messages") == 3
        assert "".join(payload[0].content for kind, payload in got if kind == "messages") == "hello"


def test_langgraphs_custom_stream_works_in_blocking_graphs_and_agents_too():
    agent = create_agent(rotating())

    got = list(agent.stream({"messages": [("user", "hi")]}, stream_mode=["custom", "updates"]))

    assert [payload["event"] for kind, payload in got if kind == "custom"] == ROTATION


async def test_the_custom_stream_is_left_alone_where_it_was_switched_off():
    rotor, _ = scripted()
    graph = graph_of(ChatRotor(rotor=rotor, custom_stream=False))

    assert [p async for p in graph.astream({"messages": [("user", "hi")]}, stream_mode="custom")] == []


async def test_where_nobody_listens_nothing_is_made(monkeypatch: pytest.MonkeyPatch):
    def never(*_: Any) -> Any:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(events_module, "describe", never)
    monkeypatch.setattr(events_module._Teller, "__init__", never)
    model = rotating()

    told = await graph_of(model).ainvoke({"messages": [("user", "hi")]}, {"callbacks": [BaseCallbackHandler()]})
    assert told["messages"][-1].content
    assert model.invoke("hi").content


def test_a_handler_that_does_not_override_custom_events_does_not_count_as_a_listener():
    class Deaf(Heard):
        ignore_custom_event = True

    mute, late = BaseCallbackHandler(), BaseCallbackHandler()
    late.on_custom_event = print  # type: ignore[method-assign]

    assert listening([mute, Deaf()]) == []
    assert listening([late]) == [late]
    assert audience(None, custom_stream=True) is None


async def test_tags_and_metadata_of_the_run_come_with_its_events():
    handler = Heard()

    await _each(
        ChatRotor(rotor=scripted()[0], tags=["own"]).astream(
            "hi", {"callbacks": [handler], "tags": ["mine"], "metadata": {"thread_id": "7"}}
        )
    )

    assert set(handler.marks["tags"]) == {"mine", "own"}
    assert handler.marks["metadata"]["thread_id"] == "7"


async def test_a_given_run_id_is_kept():
    import uuid

    run, handler = uuid.uuid4(), Heard()

    await _each(ChatRotor(rotor=scripted()[0]).astream("hi", {"callbacks": [handler], "run_id": run}))

    assert handler.runs == [run]
    assert handler.events[0][2] == run


async def test_the_private_reference_is_in_no_trace_no_cache_key_and_no_request():
    rotor, adapter = scripted()
    handler = Heard()

    await _each(ChatRotor(rotor=rotor).astream("hi", {"callbacks": [handler]}, seed=3))
    await ChatRotor(rotor=rotor).ainvoke("hi", {"callbacks": [handler]}, seed=3)

    assert "_rotor_run" not in str(handler.started)
    assert all(set(request.params) == {"seed"} for _, request in adapter.calls)


async def test_a_cancelled_call_does_not_wait_for_slow_listeners():
    started, told = asyncio.Event(), asyncio.Event()

    class Slow(AsyncHeard):
        async def on_custom_event(self, *args: Any, **kwargs: Any) -> None:
            started.set()
            await told.wait()

    async def hang() -> Any:
        await told.wait()

    rotor, _ = scripted({"a": [hang]})
    task = asyncio.create_task(ChatRotor(rotor=rotor).ainvoke("hi", {"callbacks": [Slow()]}))
    await started.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_handler_that_insists_on_its_errors_has_them_raised():
    class Strict(AsyncHeard):
        raise_error = True

        async def on_custom_event(self, *args: Any, **kwargs: Any) -> None:
            raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        await ChatRotor(rotor=scripted()[0]).ainvoke("hi", {"callbacks": [Strict()]})
