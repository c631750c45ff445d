"""Whatever JSON is sent, it is answered or refused: nothing a client can write is a bug of the sandbox."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core.sandbox.answers.compose import compose
from rotor_core.sandbox.conversation import Counted, Malformed
from rotor_core.sandbox.dialects import DIALECTS, dialect
from rotor_core.sandbox.dialects.base import Exchange, Incoming
from rotor_core.sandbox.tokens import prompt_tokens

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
WORDS = st.sampled_from(
    """role content name tool_calls tool_call_id id type function arguments parameters description text image_url url
    json_schema schema properties required include_usage detail""".split()
) | st.text(max_size=3)  # fmt: skip
ANY = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=12
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer", "robot"])
MESSAGE = st.fixed_dictionaries(
    {"role": ROLES},
    optional={"content": st.text(max_size=40) | ANY, "tool_calls": ANY, "tool_call_id": ANY, "name": ANY},
)
TOOL = st.fixed_dictionaries(
    {"type": st.just("function"), "function": st.fixed_dictionaries({"name": st.text(max_size=8)}, optional={"parameters": ANY, "description": ANY})}
)  # fmt: skip
BODY = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": st.lists(MESSAGE, max_size=5) | ANY},
    optional={
        "tools": st.lists(TOOL, max_size=3) | ANY,
        "tool_choice": st.sampled_from(["auto", "none", "required"]) | ANY,
        "response_format": st.fixed_dictionaries({"type": st.sampled_from(["json_object", "json_schema", "text"])}, optional={"json_schema": ANY}) | ANY,
        "max_tokens": st.integers(-1, 60) | ANY,
        "stop": ANY,
        "stream": ANY,
        "stream_options": ANY,
        "reasoning_effort": ANY,
        "reasoning_format": st.sampled_from(["raw", "parsed", "hidden"]) | ANY,
        "n": ANY,
        "parallel_tool_calls": ANY,
    },
)  # fmt: skip

PATHS = {"cohere": "/v2/chat", "gemini": "/v1beta/models/m:generateContent"}


@settings(max_examples=600, deadline=None)
@given(BODY, st.sampled_from(DIALECTS))
def test_any_body_is_answered_or_refused(body, name):
    spoken = dialect(name)
    try:
        path = PATHS.get(name, "/v1/chat/completions")
        asked = spoken.read(Incoming("POST", path, {}, json.dumps(body).encode()))
        written = compose(asked, (5, 20))
    except Malformed as caught:
        problem, asked = caught, None
    if asked is None:
        assert spoken.malformed(problem).status in {400, 422}
        return
    prompt = prompt_tokens(asked)
    exchange = Exchange(asked, written, Counted(prompt, written.completion_tokens), 1, 1.7e9, 0.0)
    assert json.loads(spoken.answer(exchange, ()).body)
    assert spoken.is_end(list(spoken.events(exchange))[-1])
    assert prompt > 0
    assert asked.max_tokens is None or written.completion_tokens <= asked.max_tokens


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_that_are_no_request_are_refused(content):
    with pytest.raises((Malformed, ValueError)):
        dialect("openai").read(Incoming("POST", "/v1/chat/completions", {}, content))
