"""Whatever history a caller has, it is refused here, by name, or it is one that Google's rules let pass."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError
from rotor_core.sandbox.dialects import dialect
from rotor_core.sandbox.dialects.base import Incoming
from rotor_gemini.wire import GeminiWire

MODELS = st.sampled_from(
    ["gemini-3.6-flash", "gemini-2.5-flash", "gemini-3.1-pro-preview", "gemma-4-31b-it", "gemma-3-27b-it"]
)
PARTS = st.sampled_from(
    [
        {"type": "text", "text": "a"},
        {"type": "text", "text": ""},
        {"type": "thinking", "thinking": "hm", "signature": "x"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
    ]
)
WORDS = st.sampled_from(["", "a", "{}", '{"a": 1}', " "]) | st.none()
CONTENT = WORDS | st.lists(PARTS, max_size=3)
CALL = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["c1", "c2", "", None]),
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {
                "name": st.sampled_from(["add", "now"]),
                "arguments": st.sampled_from(["{}", "", '{"a": 1}', "oops", "[]"]),
            }
        ),
    },
    optional={"extra_content": st.just({"acme": {"state": "x"}})},
)
SAID = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "developer"]), "content": CONTENT})
SPOKEN = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer"]), "content": WORDS}
) | st.fixed_dictionaries({"role": st.just("user"), "content": CONTENT})
"""What no provider refuses: instructions are of text."""
ANSWER = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": CONTENT}, optional={"tool_calls": st.lists(CALL, max_size=3)}
)
RESULT = st.fixed_dictionaries(
    {"role": st.just("tool"), "tool_call_id": st.sampled_from(["c1", "c2", ""]), "content": CONTENT}
)


@st.composite
def answered(draw) -> list[dict]:
    """An answer with calls, and all their results: in any order by ids of their own, or in that of the calls without any."""
    message = draw(ANSWER)
    calls = message.get("tool_calls", [])
    with_ids = draw(st.booleans())
    for n, call in enumerate(calls):
        call["id"] = f"c{n}" if with_ids else draw(st.sampled_from(["", None]))
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(CONTENT)} for call in calls]
    return [message, *(draw(st.permutations(results)) if with_ids else results)]


SOUND = answered() | SPOKEN.map(lambda m: [m])
STEPS = st.lists(
    SOUND | SOUND | SAID.map(lambda m: [m]) | ANSWER.map(lambda m: [m]) | RESULT.map(lambda m: [m]), max_size=5
)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]),
        "max_tokens": st.integers(1, 100),
        "stop": st.sampled_from(["x", ["x", ""], []]),
        "temperature": st.floats(0, 2),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from(
            [
                {"type": "json_object"},
                {
                    "type": "json_schema",
                    "json_schema": {"schema": {"$ref": "#/$defs/A", "description": "x", "$defs": {"A": {"const": 1}}}},
                },
            ]
        ),
    },
)
TOOL = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"const": 1}}}},
}


@settings(max_examples=400, deadline=None)
@given(
    STEPS, MODELS, PARAMS, st.sampled_from([(), (TOOL,)]), st.sampled_from([None, "auto", "none", "required", "add"])
)
def test_what_is_sent_is_what_google_takes(steps, model, params, tools, choice):
    messages = [{"role": "user", "content": "hi"}, *(message for step in steps for message in step)]
    before = json.dumps(messages)
    try:
        body = GeminiWire().encode(Model(model), Request(messages, tools, choice, params=params), stream=False)
    except UnfitError:
        return
    finally:
        assert json.dumps(messages) == before
    asked = dialect("gemini").read(Incoming("POST", f"/v1beta/models/{model}:generateContent", {}, body))
    assert asked.messages


@settings(max_examples=150, deadline=None)
@given(st.lists(SOUND, min_size=1, max_size=6), MODELS)
def test_a_history_in_which_every_call_is_answered_is_never_refused(steps, model):
    messages = [{"role": "user", "content": "hi"}, *(message for step in steps for message in step)]
    body = GeminiWire().encode(Model(model), Request(messages), stream=True)
    assert dialect("gemini").read(Incoming("POST", f"/v1beta/models/{model}:generateContent", {}, body)).messages
