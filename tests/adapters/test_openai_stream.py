import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._outcome import Chunk, ToolCallDelta, Usage
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.wire import WireError


def event(finish=None, **more) -> str:
    content = more.pop("delta", {})
    data = {"id": "c1", "model": "m1", "choices": [{"index": 0, "delta": content, "finish_reason": finish}], **more}
    return f"data: {json.dumps(data)}\n\n"


def usage_event(**more) -> str:
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    return f"data: {json.dumps({'id': 'c1', 'choices': [], 'usage': usage, **more})}\n\n"


DONE = "data: [DONE]\n\n"


def read(*pieces: str | bytes, headers=None) -> list[Chunk]:
    reader = StreamReader(headers or {})
    chunks = [c for piece in pieces for c in reader.feed(piece.encode() if isinstance(piece, str) else piece)]
    return [*chunks, *reader.end()]


def seen(chunks: list[Chunk]) -> tuple:
    return (
        "".join(c.text for c in chunks),
        "".join(c.reasoning for c in chunks),
        chunks[-1].finish_reason,
        chunks[-1].usage,
    )


def test_text_comes_in_pieces_and_the_end_in_one_last_chunk():
    chunks = read(event(delta={"content": "He"}), event(delta={"content": "llo"}), event("stop"), usage_event(), DONE)
    assert [c.text for c in chunks] == ["He", "llo", ""]
    assert [c.finish_reason for c in chunks] == [None, None, "stop"]
    assert [c.usage for c in chunks] == [None, None, Usage(5, 2)]
    assert {(c.model, c.id) for c in chunks} == {("m1", "c1")}


def test_the_first_chunk_has_the_headers_even_when_it_shows_nothing():
    chunks = read(
        event(delta={"role": "assistant", "content": ""}), event(delta={"content": "x"}), DONE, headers={"x-a": "1"}
    )
    assert [dict(c.headers) for c in chunks] == [{"x-a": "1"}, {}, {}]
    assert [c.has_content for c in chunks] == [False, True, False]


def test_usage_and_finish_reason_that_come_twice_are_given_once():
    usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 2}}
    chunks = read(event("stop", **usage, x_groq=usage), event("stop", **usage), usage_event(), DONE)
    assert [(c.finish_reason, c.usage) for c in chunks] == [("stop", Usage(5, 2))]


def test_usage_of_null_does_not_wipe_what_was_said():
    assert seen(read(usage_event(), event("stop", usage=None), DONE))[3] == Usage(5, 2)


def test_pieces_of_parallel_tool_calls_keep_their_index():
    def call(**one):
        return event(delta={"tool_calls": [one]})

    chunks = read(
        call(index=0, id="a", function={"name": "f", "arguments": ""}),
        call(index=0, function={"arguments": '{"x'}),
        call(index=1, id="b", function={"name": "g", "arguments": "{}"}),
        call(index=0, function={"arguments": '":1}'}),
        event("tool_calls"),
        DONE,
    )
    assert [d for c in chunks for d in c.tool_calls] == [
        ToolCallDelta(0, "a", "f", ""),
        ToolCallDelta(0, None, None, '{"x'),
        ToolCallDelta(1, "b", "g", "{}"),
        ToolCallDelta(0, None, None, '":1}'),
    ]


def test_calls_that_all_have_the_number_0_are_told_apart_by_their_ids():
    def piece(**more) -> str:
        return event(delta={"tool_calls": [more]})

    chunks = read(
        piece(index=0, id="a", function={"name": "f", "arguments": "{"}),
        piece(index=0, id="a", function={"name": "f", "arguments": "}"}),
        piece(index=0, id="b", function={"name": "g", "arguments": "{"}),
        piece(index=0, function={"arguments": "}"}),
        piece(index=1, id="c", function={"name": "h", "arguments": "{}"}),
        piece(index=0, id="d", function={"name": "i", "arguments": "{}"}),
        event("tool_calls"),
        DONE,
    )
    found = [(d.index, d.id, d.arguments) for c in chunks for d in c.tool_calls]
    assert found == [(0, "a", "{"), (0, "a", "}"), (1, "b", "{"), (1, None, "}"), (2, "c", "{}"), (3, "d", "{}")]


def test_an_id_that_changes_without_a_name_is_the_same_call():
    pieces = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]
    pieces += [{"index": 0, "id": "b", "function": {"arguments": "}"}}]
    chunks = read(*(event(delta={"tool_calls": [one]}) for one in pieces), event("tool_calls"), DONE)
    assert [d.index for c in chunks for d in c.tool_calls] == [0, 0]


def test_whole_tool_calls_without_an_index_are_counted():
    calls = [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}, {"id": "b", "function": {"name": "g"}}]
    chunks = read(event(delta={"tool_calls": calls}), event("tool_calls"), DONE)
    assert chunks[0].tool_calls == (ToolCallDelta(0, "a", "f", '{"x": 1}'), ToolCallDelta(1, "b", "g", ""))


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
def test_reasoning_is_told_apart_from_text(delta):
    assert seen(read(event(delta=delta), event(delta={"content": "x"}), event("stop"), DONE))[:2] == ("x", "hm")


def test_azures_first_chunk_without_choices_and_comments_are_no_trouble():
    first = 'data: {"id": "", "model": "", "choices": [], "prompt_filter_results": []}\n\n'
    chunks = read(": OPENROUTER PROCESSING\n\n", first, event(delta={"content": "x"}), event("stop"), DONE)
    assert seen(chunks)[0] == "x"
    assert chunks[-1].model == "m1"


def test_other_choices_than_the_first_are_left_out():
    other = 'data: {"choices": [{"index": 1, "delta": {"content": "no"}}]}\n\n'
    assert seen(read(other, event("stop", delta={"content": "x"}), DONE))[0] == "x"


def test_nothing_after_done_is_read():
    reader = StreamReader()
    chunks = list(reader.feed((event("stop", delta={"content": "x"}) + DONE + event(delta={"content": "no"})).encode()))
    assert reader.done
    assert [c.text for c in chunks] == ["x"]


@pytest.mark.parametrize("ending", [(event("stop"),), (DONE,), (event("stop").rstrip("\n"),), (DONE.rstrip("\n"),)])
def test_a_finish_reason_or_done_is_an_end(ending):
    assert seen(read(event(delta={"content": "x"}), *ending))[0] == "x"


@pytest.mark.parametrize(
    ("pieces", "problem"),
    [
        ((), "no event stream"),
        (("Internal error",), "no event stream"),
        (("<html></html>\n\n",), "no event stream"),
        ((event(delta={"content": "x"}),), "broke off"),
        ((event(delta={"content": "x"}), 'data: {"choices": [{"index": 0, "delta": {"cont'), "broke off"),
        ((event(delta={"content": "x"}), "data: {oops\n\n"), "not JSON"),
        ((event(delta={"content": "x"}), "data: [1]\n\n"), "a list"),
        ((event(delta={"content": "x"}), b"data: \xff\n\n"), "not UTF-8"),
    ],
)
def test_a_stream_without_its_end_is_refused(pieces, problem):
    with pytest.raises(WireError, match=problem) as caught:
        read(*pieces)
    assert caught.value.error_body is None


@pytest.mark.parametrize(
    "error",
    [
        'event: error\ndata: {"error": {"message": "no", "code": "tool_use_failed"}}\n\n',
        'data: {"error": {"message": "no"}, "choices": []}\n\n',
        'data: {"object": "error", "message": "no"}\n\n',
        'data: {"error": {"message": "no"}}',
    ],
)
def test_an_error_in_the_stream_keeps_its_own_account_and_what_came_before(error):
    reader = StreamReader()
    chunks: list[Chunk] = []

    def collect() -> None:
        for chunk in reader.feed((event(delta={"content": "x"}) + error).encode()):
            chunks.append(chunk)
        chunks.extend(reader.end())

    with pytest.raises(WireError) as caught:
        collect()
    assert [c.text for c in chunks] == ["x"]
    assert "no" in (caught.value.error_body or "")


def test_a_whole_answer_instead_of_a_stream_becomes_one_chunk():
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    data = {
        "id": "c",
        "model": "m",
        "choices": [{"message": {"content": "x", "tool_calls": [call]}, "finish_reason": "stop"}],
    }
    headers = {"content-type": "application/json; charset=utf-8"}
    raw = json.dumps(data).encode()
    (chunk,) = read(raw[:9], raw[9:], headers=headers)
    assert (chunk.text, chunk.finish_reason, chunk.model, chunk.headers) == ("x", "stop", "m", headers)
    assert chunk.tool_calls == (ToolCallDelta(0, "a", "f", "{}"),)


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json"])
def test_a_stream_without_measure_is_refused_before_it_fills_the_memory(content_type):
    reader = StreamReader({"content-type": content_type})
    reader._events.max_event = 1000
    with pytest.raises(WireError, match="1000 bytes|too large"):
        list(reader.feed(b"data: " + b"x" * 2000))


def test_an_event_without_data_is_none():
    assert seen(read("data: \n\n", "data:\n\n", event("stop", delta={"content": "x"}), DONE))[0] == "x"


STREAM = (
    event(delta={"role": "assistant", "content": ""})
    + ": keep-alive\n\n"
    + event(delta={"reasoning": "hm é"})
    + event(delta={"content": "日"})
    + event(delta={"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]})
    + event("stop")
    + usage_event()
    + DONE
).encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_the_chunks_are_the_same_however_the_bytes_are_cut(cuts):
    places = sorted({0, len(STREAM), *cuts})
    pieces = [STREAM[a:b] for a, b in zip(places, places[1:], strict=False)]

    def told(chunks):
        return [(c.text, c.reasoning, c.tool_calls, c.finish_reason, c.usage) for c in chunks]

    assert told(read(*pieces)) == told(read(STREAM))


@pytest.mark.parametrize("events", [b"", b'data: {"type":"message-start"}\n\ndata: {"delta":{"text":"hi"}}\n\n'])
def test_a_stream_that_ends_without_an_answer_in_it_is_no_empty_answer(events):
    reader = StreamReader()
    assert not [chunk for chunk in reader.feed(events + b"data: [DONE]\n\n") if chunk.has_content]

    with pytest.raises(WireError, match="without an answer"):
        list(reader.end())


def test_a_stream_that_has_said_something_may_leave_out_why_it_ended():
    reader = StreamReader()
    [*reader.feed(b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n')]

    assert [chunk.finish_reason for chunk in reader.end()] == [None]


@pytest.mark.parametrize(
    "last",
    [
        b'{"choices":[{"delta":{"content":"lo"},"finish_reason":"error"}]}',
        b'{"choices":[{"delta":{"content":"lo"},"error":{"message":"upstream"}}]}',
    ],
)
def test_a_stream_that_its_provider_gives_up_fails_after_what_it_said(last):
    reader, said = StreamReader(), []
    begun = b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\ndata: '
    with pytest.raises(WireError):
        said.extend(chunk.text for chunk in reader.feed(begun + last + b"\n\ndata: [DONE]\n\n"))
    assert "".join(said) == "Hello"


def test_groqs_word_that_a_stream_was_stopped_is_an_error():
    reader = StreamReader()
    with pytest.raises(WireError) as caught:
        list(reader.feed(b'data: {"choices":[],"x_groq":{"error":"over capacity"}}\n\ndata: [DONE]\n\n'))
    assert "over capacity" in caught.value.error_body
