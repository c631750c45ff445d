"""Answers and streams cut at any byte: a beginning, and never a whole."""

import json
import random

from tests.adapters.conftest import (
    Caller,
    Scripted,
    answer_bytes,
    chunked,
    closing,
    delta,
    deployment,
    failure_of,
    said,
    stream_bytes,
)

from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.wire import WireError


def call_piece(arguments: str, **more: object) -> str:
    return delta(tool_calls=[{"index": 0, "function": {"arguments": arguments}, **more}])


def raw(event: str) -> str:
    """The event with its characters as they are, not escaped."""
    return f"data: {json.dumps(json.loads(event[6:]), ensure_ascii=False)}\n\n"


EVENTS = [
    delta(role="assistant", content=""),
    raw(delta(content="Grüße 👋")),
    delta(content=" und\nmehr"),
    delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "add", "arguments": '{"a'}}]),
    raw(call_piece('": "ä')),
    call_piece('"}'),
    delta("tool_calls"),
]

USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 2}}\n\n'

FULL_TEXT, FULL_ARGUMENTS = "Grüße 👋 und\nmehr", '{"a": "ä"}'


def is_beginning(chunks) -> bool:
    text = "".join(c.text for c in chunks)
    arguments = "".join(d.arguments for c in chunks for d in c.tool_calls)
    return FULL_TEXT.startswith(text) and FULL_ARGUMENTS.startswith(arguments)


def test_a_stream_cut_at_any_byte_is_its_beginning_and_never_looks_complete():
    whole = "".join((*EVENTS, USAGE, "data: [DONE]\n\n")).encode()
    assert "👋".encode() in whole
    finished = whole.index(b'"finish_reason": "tool_calls"') + len(b'"finish_reason": "tool_calls"}]}')
    for cut in range(len(whole)):
        reader = StreamReader()
        chunks = []
        try:
            chunks += reader.feed(whole[:cut])
            chunks += reader.end()
        except WireError:
            assert cut < finished
        else:
            assert cut >= finished
            assert chunks[-1].finish_reason == "tool_calls"
        assert is_beginning(chunks)


async def test_a_connection_cut_at_any_byte_is_never_a_whole_answer(caller: Caller, server: Scripted):
    whole = stream_bytes(*EVENTS, USAGE, "data: [DONE]\n\n")
    last = len(whole) - len(b"0\r\n\r\n") - len(chunked("data: [DONE]\n\n")) + len(b"e\r\ndata: [DONE]\n")
    cuts = [*range(0, last, 7), *random.Random(4).sample(range(last), 60), last - 1]
    for cut in cuts:
        server.script = [closing(whole[:cut])]
        error = await failure_of(caller.stream(deployment(server.base_url)))
        assert error.failure.kind == "connection"
        assert error.request_sent
        assert is_beginning(error.chunks)
        assert not any(c.finish_reason for c in error.chunks)


async def test_an_answer_cut_at_any_byte_is_none(caller: Caller, server: Scripted):
    whole = answer_bytes(said("Grüße 👋"))
    for cut in range(0, len(whole), 5):
        server.script = [closing(whole[:cut])]
        error = await failure_of(caller.call(deployment(server.base_url)))
        assert error.failure.kind == "connection"
