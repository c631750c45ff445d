"""What Cohere's answers and streams say, and what is none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_cohere.wire import CohereWire
from rotor_core._outcome import Answer, ToolCall, Usage
from rotor_core.adapters.wire import LiveModel, WireError

WIRE = CohereWire()
USAGE = {"billed_units": {"input_tokens": 4, "output_tokens": 2}, "tokens": {"input_tokens": 70, "output_tokens": 3}}


def answer(message=None, **more):
    said = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}], **(message or {})}
    return {"id": "a-1", "message": said, "finish_reason": "COMPLETE", "usage": USAGE, **more}


def decoded(data):
    return WIRE.decode(json.dumps(data).encode(), {"x": "y"})


def test_text_is_all_text_parts_and_thoughts_are_reasoning():
    parts = [{"type": "thinking", "thinking": "Hm. "}, {"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    found = decoded(answer({"content": parts}))
    assert (found.text, found.reasoning, found.finish_reason, found.id) == ("AB", "Hm. ", "stop", "a-1")
    assert found.headers == {"x": "y"}


def test_a_plan_is_reasoning_and_calls_are_calls():
    calls = [{"id": "w_1", "type": "function", "function": {"name": "w", "arguments": '{"a":1}'}}]
    found = decoded(answer({"content": None, "tool_plan": "I look.", "tool_calls": calls}, finish_reason="TOOL_CALL"))
    assert (found.text, found.reasoning, found.finish_reason) == ("", "I look.", "tool_calls")
    assert found.tool_calls == (ToolCall("w_1", "w", '{"a":1}'),)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("NEW", "new"),
        (None, None),
    ],
)
def test_finish_reasons_in_openais_words(said, means):
    assert decoded(answer(finish_reason=said)).finish_reason == means


@pytest.mark.parametrize("said", ["ERROR", "TIMEOUT"])
def test_an_answer_that_failed_is_none(said):
    with pytest.raises(WireError, match=said):
        decoded(answer(finish_reason=said))


@pytest.mark.parametrize(
    ("usage", "means"),
    [
        (USAGE, Usage(70, 3)),
        ({**USAGE, "cached_tokens": 48}, Usage(70, 3, 48)),
        ({"tokens": {"input_tokens": 70.0, "output_tokens": 9.0, "reasoning_tokens": 5}}, Usage(70, 9, 0, 5)),
        ({"tokens": {"input_tokens": 7, "output_tokens": 1, "image_tokens": 259}}, Usage(7, 1, beside_input=259)),
        ({"billed_units": {"input_tokens": 4, "output_tokens": 2}}, Usage(4, 2)),
        ({"billed_units": {"search_units": 1}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage_is_what_the_model_read_and_wrote(usage, means):
    assert decoded(answer(usage=usage)).usage == means


def test_images_are_charged_beside_the_prompt():
    usage = Usage(7, 1, beside_input=259)
    assert (usage.input_tokens, usage.charged_input) == (7, 266)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (b"[]", "list"),
        (b"{}", "without a message"),
        (b'{"id":"1","message":"internal server error"}', "error with a status of success"),
    ],
)
def test_what_is_no_answer_is_said_to_be_none(content, why):
    with pytest.raises(WireError, match=why):
        WIRE.decode(content, {})


def test_an_error_of_status_200_keeps_its_words():
    with pytest.raises(WireError) as caught:
        WIRE.decode(b'{"id":"1","message":"too many tokens"}', {})
    assert json.loads(caught.value.error_body)["message"] == "too many tokens"


# ---- streams


def sse(*events):
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def event(kind, message=None, **more):
    return {"type": kind, **({"delta": {"message": message}} if message is not None else {}), **more}


START = event("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}, id="s-1")
END = {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {**USAGE, "cached_tokens": 16}}}


def text(piece, index=0):
    return event("content-delta", {"content": {"text": piece}}, index=index)


def call(piece, index):
    return event("tool-call-delta", {"tool_calls": {"function": {"arguments": piece}}}, index=index)


def started(name, index):
    made = {"id": f"{name}_1", "type": "function", "function": {"name": name, "arguments": ""}}
    return event("tool-call-start", {"tool_calls": made}, index=index)


WHOLE = sse(
    START,
    event("content-start", {"content": {"type": "thinking", "thinking": "H"}}, index=0),
    event("content-delta", {"content": {"thinking": "m."}}, index=0),
    event("content-end", index=0),
    event("content-start", {"content": {"type": "text", "text": ""}}, index=1),
    text("Hel", 1),
    event("citation-start", {"citations": {"start": 0, "end": 2, "text": "no text"}}, index=0),
    text("lo", 1),
    event("content-end", index=1),
    event("tool-plan-delta", {"tool_plan": " Look."}),
    started("a", 0),
    call('{"x":', 0),
    call("1}", 0),
    event("tool-call-end", index=0),
    started("b", 1),
    call("{}", 1),
    END,
) + b"data: [DONE]\n\n"  # fmt: skip


def read(raw, size=10**9, headers=None):
    reader = WIRE.reader({"content-type": "text/event-stream"} if headers is None else headers)
    chunks = [chunk for at in range(0, len(raw), size) for chunk in reader.feed(raw[at : at + size])]
    return [*chunks, *reader.end()], reader


@settings(deadline=None)
@given(st.integers(1, 400))
def test_a_stream_is_read_however_it_is_cut(size):
    chunks, reader = read(WHOLE, size)
    assert "".join(c.text for c in chunks) == "Hello"
    assert "".join(c.reasoning for c in chunks) == "Hm. Look."
    deltas = [d for c in chunks for d in c.tool_calls]
    assert [(d.index, d.id, d.name, d.arguments) for d in deltas] == [
        (0, "a_1", "a", ""), (0, None, None, '{"x":'), (0, None, None, "1}"), (1, "b_1", "b", ""), (1, None, None, "{}"),
    ]  # fmt: skip
    last = chunks[-1]
    assert (last.finish_reason, last.usage, last.id) == ("stop", Usage(70, 3, 16), "s-1")
    assert [c for c in chunks if c.usage or c.finish_reason] == [last]
    assert [bool(c.headers) for c in chunks] == [True] + [False] * (len(chunks) - 1)
    assert (reader.done, reader.notes) == (True, 1)
    assert reader.opening.startswith(b"event: message-start")


def test_it_is_done_at_its_last_event_and_needs_no_done():
    reader = WIRE.reader({})
    list(reader.feed(sse(START, text("Hi"), END)))
    assert reader.done
    assert [c.finish_reason for c in reader.end()] == ["stop"]
    assert list(reader.feed(b"data: [DONE]\n\n")) == []


@pytest.mark.parametrize(
    "raw", [sse(START, text("Hi")), sse(START, text("Hi"), END)[:-80], sse(START, text("Hi")) + b"data: [DONE]\n\n"]
)
def test_a_stream_without_its_end_is_broken(raw):
    with pytest.raises(WireError, match="broke off"):
        read(raw)


@pytest.mark.parametrize("raw", [b"", b": hello\n\n", b"data: [DONE]\n\n"])
def test_what_is_no_stream_is_said_to_be_none(raw):
    with pytest.raises(WireError, match="no event stream"):
        read(raw)


@pytest.mark.parametrize(
    ("trouble", "body"),
    [
        (
            sse({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "it broke"}}),
            '{"message": "it broke"}',
        ),
        (sse({"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}), None),
        (b'data: {"id":"1","message":"it broke"}\n\n', '{"id": "1", "message": "it broke"}'),
        (b"event: error\ndata: it broke\n\n", "it broke"),
    ],
)
def test_an_error_in_a_stream_comes_after_what_was_said(trouble, body):
    chunks = WIRE.reader({}).feed(sse(START, text("Hi")) + trouble)
    assert next(chunks).text == "Hi"
    with pytest.raises(WireError) as caught:
        next(chunks)
    assert caught.value.error_body == body


def test_one_json_body_instead_of_a_stream_becomes_one_chunk():
    calls = [{"id": "w_1", "type": "function", "function": {"name": "w", "arguments": "{}"}}]
    (chunk,), _ = read(json.dumps(answer({"tool_calls": calls})).encode(), 5, {"content-type": "application/json"})
    assert (chunk.text, chunk.finish_reason, chunk.usage) == ("Hi", "stop", Usage(70, 3))
    assert [(c.id, c.name) for c in chunk.tool_calls] == [("w_1", "w")]


def test_a_last_event_without_its_empty_line_still_counts():
    chunks, _ = read(sse(START, text("Hi"), END).rstrip())
    assert chunks[-1].usage == Usage(70, 3, 16)


# ---- models


def test_models_with_what_they_can_and_how_much():
    listed = {
        "models": [
            {
                "name": "command-x",
                "context_length": 256000.0,
                "features": ["tools", "json_mode", "strict_tools"],
                "endpoints": ["chat"],
            },
            {"name": "command-y", "features": None},
            {"context_length": 5},
        ]
    }
    assert WIRE.models(json.dumps(listed).encode()) == (
        LiveModel("command-x", 256000, capabilities=frozenset({"tools", "json_mode"})),
        LiveModel("command-y"),
    )


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"message":"no"}'])
def test_what_is_no_list_of_models_is_said_to_be_none(content):
    with pytest.raises(WireError):
        WIRE.models(content)


# ---- whatever comes, it is an answer or a `WireError`


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["ERROR", "text", "COMPLETE"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                """type delta message content text thinking tool_calls tool_plan function name arguments id index usage tokens
            input_tokens finish_reason error models features context_length""".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=16,
)
KINDS = st.sampled_from(
    """message-start content-start content-delta tool-plan-delta tool-call-start tool-call-delta message-end other""".split()
)


@settings(deadline=None)
@given(ANY)
def test_any_json_is_an_answer_or_none(data):
    content = json.dumps(data).encode()
    for read_, kind in ((lambda: WIRE.decode(content, {}), Answer), (lambda: WIRE.models(content), tuple)):
        try:
            found = read_()
        except WireError:
            continue
        assert isinstance(found, kind)


@settings(deadline=None)
@given(st.lists(st.tuples(KINDS, ANY, ANY), max_size=4))
def test_any_events_are_a_stream_or_none(events):
    made = [
        {"type": kind, "delta": {"message": said, **(more if isinstance(more, dict) else {})}, "index": more}
        for kind, said, more in events
    ]
    try:
        chunks, _ = read(sse(*made))
    except WireError:
        return
    assert chunks[-1].finish_reason is None or isinstance(chunks[-1].finish_reason, str)
