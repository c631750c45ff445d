"""Gemini through ChatRotor, against a sandbox that refuses whatever Google would: tool loops, signatures, failures, keys."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from rotor_core import AttemptsFailed, Rotor
from rotor_core._model import Model, Provider, Secret
from rotor_core._request import Request
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.catalog.load import load_report
from rotor_core.plugins import installed
from rotor_gemini.adapter import Gemini
from rotor_gemini.wire import GeminiWire
from rotor_langchain import ChatRotor

MODEL, OLDER = "gemini-3.6-flash", "gemini-2.5-flash"


class Place(BaseModel):
    """Where somebody lives."""

    city: str


@tool
def get_weather(city: str) -> str:
    """Get the weather."""
    return f"{city}: minus 3 degrees"


def chat(box, model=MODEL, provider="google", **more) -> ChatRotor:
    config = box.config(store=f"memory://{uuid.uuid4().hex}")
    return ChatRotor(config=config, model=f"{provider}/{model}", **more)


def results_of(message: AIMessage) -> list[ToolMessage]:
    return [ToolMessage(f"{call['args']['city']}: -3", tool_call_id=call["id"]) for call in message.tool_calls]


@pytest.fixture(params=[MODEL, OLDER])
def model(request):
    return request.param


def test_an_answer_and_its_usage(box, model):
    message = chat(box, model).invoke([("system", "Be brief."), ("user", "Why is the sky blue?")])
    (record,) = box.stats()
    assert message.text.startswith("This is the sandbox")
    assert message.response_metadata["model_name"] == f"google/{model}"
    used = message.usage_metadata
    assert (used["input_tokens"], used["output_tokens"]) == (record["prompt_tokens"], record["completion_tokens"])


def test_a_stream_is_the_same_answer(box, model):
    one = chat(box, model)
    whole = one.invoke("Why is the sky blue?")
    pieces = list(one.stream("Why is the sky blue?"))
    added = sum(pieces[1:], pieces[0])
    assert isinstance(added, AIMessageChunk)
    assert len(pieces) > 5
    assert (added.text, added.usage_metadata) == (whole.text, whole.usage_metadata)


def test_reasoning_is_shown_when_it_is_asked_for(box):
    message = chat(box).bind(reasoning_effort="high").invoke("Why is the sky blue?")
    assert message.additional_kwargs["reasoning_content"]
    assert message.usage_metadata["output_token_details"]["reasoning"] > 0


def test_a_form_by_schema_and_by_tool(box, model):
    for method in ("json_schema", "function_calling"):
        made = chat(box, model).with_structured_output(Place, method=method).invoke("I live in Oslo")
        assert made == Place(city="Oslo")


def test_images_are_taken(box, model):
    picture = {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"}
    assert chat(box, model).invoke([HumanMessage([{"type": "text", "text": "What is this?"}, picture])]).text


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream", "events"])
def test_a_tool_loop_sends_every_signature_back(box, model, way):
    bound = chat(box, model).bind_tools([get_weather])
    history = [HumanMessage("What is the weather in Oslo and Rome?")]

    async def apieces():
        pieces = [piece async for piece in bound.astream(history)]
        return sum(pieces[1:], pieces[0])

    ways = {
        "invoke": lambda: bound.invoke(history),
        "stream": lambda: sum((pieces := list(bound.stream(history)))[1:], pieces[0]),
        "ainvoke": lambda: asyncio.run(bound.ainvoke(history)),
        "astream": lambda: asyncio.run(apieces()),
        "events": lambda: bound.stream_events(history, version="v3").output,
    }
    called = ways[way]()
    assert [call["args"] for call in called.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert len({call["id"] for call in called.tool_calls}) == 2
    assert ("extra_content" in called.additional_kwargs) == (model == MODEL)
    history += [called, *results_of(called)]
    assert "Oslo: -3" in ways[way]().text
    assert [record["status"] for record in box.stats()] == [200, 200]


def test_an_agent_goes_through_its_loop(box, model):
    agent = create_agent(chat(box, model), [get_weather])
    made = agent.invoke({"messages": [("user", "What is the weather in Oslo?")]})
    assert "Oslo: minus 3 degrees" in made["messages"][-1].text


def test_a_history_of_another_provider_goes_on_here_and_back_there(box):
    question = HumanMessage("What is the weather in Oslo?")
    for there, here in ((("plain", "other"), (MODEL, "google")), ((MODEL, "google"), ("plain", "other"))):
        called = chat(box, *there).bind_tools([get_weather]).invoke([question])
        assert called.tool_calls
        answer = chat(box, *here).bind_tools([get_weather]).invoke([question, called, *results_of(called)])
        assert "Oslo: -3" in answer.text
    assert {record["status"] for record in box.stats()} == {200}


def test_ids_that_google_left_out_are_made_and_answered(box):
    called = chat(box, OLDER).bind_tools([get_weather]).invoke("What is the weather in Oslo?")
    assert called.tool_calls[0]["id"].startswith("call_")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(429, "rate_limit"), (500, "server_error"), (503, "overloaded"), ("revoked", "auth"), ("empty", "server_error")],
)
def test_failures_are_of_the_kind_that_they_are(box, fault, kind):
    box.fault(fault)
    with Rotor.from_config(box.config(store=f"memory://{uuid.uuid4().hex}", policy={"max_attempts": 1})) as rotor:
        with pytest.raises(AttemptsFailed) as failed:
            rotor.chat([{"role": "user", "content": "hi"}], model=f"google/{MODEL}")
    assert failed.value.exceptions[0].failure.kind == kind
    assert "google-key-0001-secret" not in str(failed.value)


@pytest.mark.parametrize("fault", ["cut", "early_end", "stream_error"])
def test_a_stream_that_breaks_off_never_looks_complete(box, fault):
    box.fault(fault, after=3)
    with pytest.raises(Exception, match="broke off|error|broken|closed"):
        list(chat(box).stream("Why is the sky blue?"))


def test_the_list_of_models_tells_what_goes_in_and_out(box):
    adapter = Gemini()
    provider = Provider("google", "gemini", box.url("google"))
    listed = {one.name: one for one in adapter.list_models(provider, Secret(box.key("google")), timeout=5)}
    adapter.close()
    assert listed[MODEL].context == 131072


def test_a_key_in_the_environment_is_enough(box, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", box.key("google"))
    monkeypatch.setenv("GEMINI_BASE_URL", box.url("google"))
    message = ChatRotor(model=f"gemini/{MODEL}").invoke("hi")
    assert message.response_metadata["rotor"]["provider"] == "gemini"


def test_signatures_are_sent_to_nobody_else():
    signed = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    signed["extra_content"] = {"google": {"thought_signature": "c2lnbmVk"}}
    history = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [signed]},
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
    ]
    sent = OpenAIWire().encode(Model("m"), Request(history), stream=False)
    assert b"c2lnbmVk" not in sent
    assert b"c2lnbmVk" in GeminiWire().encode(Model(MODEL), Request(history), stream=False)


def test_the_paid_plan_that_its_catalog_speaks_of_is_known():
    config = {"version": 1, "providers": {"gemini": {"plan": "paid", "keys": [{"value": "none"}]}}}
    report = load_report(config, environ={}, specs=installed().providers, rankings=("free-first",), schemes=("memory",))
    assert not [w for w in report.warnings if "plan" in w.message]
    paid = report.catalog.deployments["gemini/gemini-3.6-flash#1"]
    assert (paid.credential.plan, paid.free, paid.limits) == ("paid", False, None)
