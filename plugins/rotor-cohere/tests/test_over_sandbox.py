"""The adapter against the sandbox's Cohere, which refuses what Cohere refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_cohere import rotor_providers
from rotor_cohere.adapter import Cohere
from rotor_core import ProviderError
from rotor_core._health import Timeouts
from rotor_core._model import Credential, Deployment, Model, Provider, Secret
from rotor_core._outcome import Usage
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError
from rotor_core.sandbox import Sandbox
from rotor_core.sandbox.conversation import Malformed
from rotor_core.sandbox.dialects import dialect
from rotor_core.sandbox.dialects.base import Incoming

USER = {"role": "user", "content": "Weather in Oslo and Rome?"}
TOOL = {"type": "function", "function": {"name": "get_weather", "strict": True, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip
PATIENCE = Timeouts(5, 5, 10)
SPEC = {
    "providers": {
        "cohere": {
            "dialect": "cohere",
            "keys": ["cohere-key-0001-secret"],
            "models": {
                "plain": {"context": 4000, "max_output": 500},
                "thinker": {"capabilities": ["reasoning", "tools"]},
                "trial": {"limits": [{"requests": 1, "per": "minute", "window": "rolling"}]},
                "monthly": {"limits": [{"requests": 1, "per": "month", "window": "calendar"}]},
            },
        }
    }
}


@pytest.fixture(scope="module")
def _box():
    with Sandbox(SPEC) as box:
        yield box


@pytest.fixture
def box(_box):
    _box.reset()
    return _box


@pytest.fixture
def adapter():
    made = Cohere("httpx")
    yield made
    made.close()


def deployment(box, model="plain", key=None):
    provider = Provider("cohere", "cohere", box.url("cohere"))
    secret = Secret(key or box.key("cohere"))
    return Deployment("cohere/x", provider, Model(model), Credential("cohere#1", secret, "f", "q"))


def request(*messages, **more):
    return Request(list(messages) or [USER], **more)


def test_the_hook_says_who_and_where_without_importing_the_adapter():
    (spec,) = rotor_providers()
    assert (spec.name, spec.base_url) == ("cohere", "https://api.cohere.com")
    assert spec.env == ("COHERE_API_KEY", "CO_API_KEY")
    module, _, attribute = spec.adapter.partition(":")
    assert (module, attribute) == (Cohere.__module__, Cohere.__name__)


def test_the_hook_is_cheap():
    import subprocess
    import sys

    code = "import sys, rotor_cohere; rotor_cohere.rotor_providers(); print([m for m in ('httpx', 'pydantic', 'rotor_core.adapters.http_adapter') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_an_answer_and_a_stream_of_it(box, adapter):
    whole = adapter.call(deployment(box), request(), timeout=5)
    record = box.stats()[-1]
    assert whole.text.startswith("This is the sandbox")
    assert whole.usage == Usage(record["prompt_tokens"], record["completion_tokens"])
    assert whole.headers["content-type"] == "application/json"
    chunks = list(adapter.stream(deployment(box), request(), timeouts=PATIENCE))
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert (chunks[-1].usage, chunks[-1].finish_reason) == (whole.usage, "stop")
    assert chunks[0].headers["content-type"] == "text/event-stream"


async def test_the_same_without_blocking(box, adapter):
    whole = await adapter.acall(deployment(box), request(), timeout=5)
    chunks = [chunk async for chunk in adapter.astream(deployment(box), request(), timeouts=PATIENCE)]
    assert "".join(chunk.text for chunk in chunks) == whole.text
    await adapter.aclose()


def test_an_agents_whole_loop(box, adapter):
    asked = request(tools=[TOOL], tool_choice="any", params={"parallel_tool_calls": True, "temperature": 1.5})
    made = adapter.call(deployment(box), asked, timeout=5)
    assert [json.loads(call.arguments) for call in made.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert (made.text, made.finish_reason) == ("", "tool_calls")
    assert made.reasoning
    deltas = [d for c in adapter.stream(deployment(box), asked, timeouts=PATIENCE) for d in c.tool_calls]
    assert {d.index for d in deltas} == {0, 1}
    calls = [
        {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in made.tool_calls
    ]
    history = [
        USER,
        {"role": "assistant", "content": "", "reasoning_content": made.reasoning, "tool_calls": calls},
        *({"role": "tool", "tool_call_id": c.id, "name": c.name, "content": "It rains"} for c in made.tool_calls),
    ]
    assert "It rains" in adapter.call(deployment(box), request(*history, tools=[TOOL]), timeout=5).text


def test_structured_output(box, adapter):
    schema = TOOL["function"]["parameters"]
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
    assert json.loads(adapter.call(deployment(box), request(response_format=form), timeout=5).text) == {"city": "Oslo"}


def test_thoughts_are_reasoning(box, adapter):
    whole = adapter.call(deployment(box, "thinker"), request(params={"reasoning_effort": "high"}), timeout=5)
    assert whole.reasoning
    assert whole.usage.reasoning_tokens > 0
    chunks = list(adapter.stream(deployment(box, "thinker"), request(), timeouts=PATIENCE))
    assert "".join(chunk.reasoning for chunk in chunks)
    off = adapter.call(deployment(box, "thinker"), request(params={"reasoning_effort": "none"}), timeout=5)
    assert off.reasoning == ""


def failure(adapter, *args, **more):
    with pytest.raises(ProviderError) as caught:
        adapter.call(*args, timeout=5, **more)
    assert "cohere-key-0001-secret" not in f"{caught.value}{caught.value.body}{caught.value.headers}"
    return caught.value.failure


def test_failures_are_understood(box, adapter):
    assert failure(adapter, deployment(box, key="wrong-key-0123456789"), request()).kind == "auth"
    assert failure(adapter, deployment(box, "none"), request()).kind == "not_found"
    long = failure(adapter, deployment(box), request({"role": "user", "content": "word " * 6000}))
    assert (long.kind, long.limit) == ("context_length", 4000)
    box.fault(503, times=1)
    assert failure(adapter, deployment(box), request()).kind == "overloaded"
    box.fault(500, times=1)
    assert failure(adapter, deployment(box), request()).kind == "server_error"
    box.fault("stream_error", times=1)
    assert failure(adapter, deployment(box), request()).kind == "server_error"


def test_a_minute_is_waited_for_and_a_month_is_used_up(box, adapter):
    for model, kind, per in (("trial", "rate_limit", "minute"), ("monthly", "quota_exhausted", "month")):
        adapter.call(deployment(box, model), request(), timeout=5)
        found = failure(adapter, deployment(box, model), request())
        assert (found.kind, found.unit, found.per, found.limit) == (kind, "requests", per, 1)


def test_a_stream_that_fails_is_a_failure_after_what_was_said(box, adapter):
    box.fault("stream_error", after=4, times=1)
    chunks = adapter.stream(deployment(box), request(), timeouts=PATIENCE)
    assert [next(chunks).text for _ in range(3)][-1]
    with pytest.raises(ProviderError) as caught:
        next(chunks)
    assert caught.value.failure.kind == "server_error"
    box.fault("cut", after=4, times=1)
    with pytest.raises(ProviderError):
        list(adapter.stream(deployment(box), request(), timeouts=PATIENCE))


def test_what_cannot_be_told_was_not_sent(box, adapter):
    found = failure(adapter, deployment(box), request(tools=[TOOL], response_format={"type": "json_object"}))
    assert found.kind == "bad_request"
    assert "was not asked: Cohere takes no response_format together with tools" in found.message
    assert box.stats() == []


def test_models_are_listed(box, adapter):
    provider = Provider("cohere", "cohere", box.url("cohere"))
    listed = adapter.list_models(provider, Secret(box.key("cohere")), timeout=5)
    assert [(m.name, m.context) for m in listed][:2] == [("plain", 4000), ("thinker", 131072)]
    assert listed[1].capabilities == {"tools", "reasoning"}
    with pytest.raises(ProviderError) as caught:
        adapter.list_models(provider, Secret("wrong-key-0123456789"), timeout=5)
    assert caught.value.failure.kind == "auth"


# ---- whatever is asked in OpenAI's shapes, Cohere is sent nothing that it does not know


TEXT = st.text(max_size=8)
PART = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}, optional={"cache_control": st.just({}), "id": TEXT}),
    st.fixed_dictionaries({"type": st.just("image_url"), "image_url": st.just("https://h.test/a.png") | st.fixed_dictionaries({"url": st.just("u")}, optional={"detail": st.just("low"), "format": TEXT})}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": TEXT, "signature": TEXT}),
    st.fixed_dictionaries({"type": st.just("reasoning"), "summary": st.just([])}),
)  # fmt: skip
CALLS = st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True)
FOREIGN = {
    "name": "x",
    "refusal": None,
    "reasoning_content": "hm",
    "annotations": [],
    "audio": None,
    "extra_content": {},
}


@st.composite
def conversations(draw):
    found = []
    for _ in range(draw(st.integers(1, 4))):
        content = draw(TEXT | st.lists(PART, max_size=3))
        role = draw(st.sampled_from(["system", "developer", "user", "assistant"]))
        extra = {key: FOREIGN[key] for key in draw(st.sets(st.sampled_from(sorted(FOREIGN))))}
        message = {**extra, "role": role, "content": content}
        if role == "assistant" and (calls := draw(CALLS)):
            function = {"name": "f", "arguments": draw(st.sampled_from(["", "{}", '{"a":1}']))}
            message["tool_calls"] = [
                {"id": ident, "type": "function", "function": function, "extra_content": {}} for ident in calls
            ]
            found.append(message)
            found += [{"role": "tool", "tool_call_id": ident, "name": "f", "content": draw(TEXT)} for ident in calls]
        else:
            found.append(message)
    return found


PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 2000),
        "presence_penalty": st.floats(-2, 2),
        "max_tokens": st.integers(1, 50),
        "stop": TEXT.filter(bool) | st.lists(TEXT.filter(bool), max_size=4),
        "seed": st.integers(0, 9),
        "n": st.just(1),
        "user": TEXT,
        "parallel_tool_calls": st.booleans(),
        "stream_options": st.just({"include_usage": True}),
        "reasoning_effort": st.sampled_from(["none", "low", "high"]),
        "logit_bias": st.just({}),
    },
)


@settings(max_examples=300, deadline=None)
@given(conversations(), PARAMS, st.sampled_from([None, "auto", "any", "none", "f"]), st.booleans(), st.booleans())
def test_cohere_is_sent_nothing_that_it_does_not_know(messages, params, choice, tools, stream):
    tool = {"type": "function", "function": {"name": "f", "strict": True, "description": ""}}
    asked = Request(
        messages, [tool] if tools else (), choice if tools or choice in (None, "auto") else None, None, params
    )
    try:
        body = Cohere.wire.encode(Model("m"), asked, stream=stream)
    except UnfitError:
        return
    incoming = Incoming("POST", "/v2/chat", {}, body)
    if not json.loads(body)["messages"]:
        with pytest.raises(Malformed, match="list of messages must not be empty"):
            dialect("cohere").read(incoming)
    else:
        assert dialect("cohere").read(incoming).stream is stream
