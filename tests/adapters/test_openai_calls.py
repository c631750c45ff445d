"""Tool calls in pieces, as servers of OpenAI's dialect really send them. No wire is needed: these are their chunks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._outcome import ToolCall, ToolCallDelta
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.openai_wire import decode


def streamed(*chunks: list[dict]) -> list[ToolCall]:
    reader = StreamReader()
    events = [{"id": "r1", "choices": [{"index": 0, "delta": {"tool_calls": pieces}}]} for pieces in chunks]
    events.append({"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    given = [c for event in events for c in reader.feed(f"data: {json.dumps(event)}\n\n".encode())]
    given += [*reader.feed(b"data: [DONE]\n\n"), *reader.end()]
    made: dict[int, list[ToolCallDelta]] = {}
    for delta in (d for chunk in given for d in chunk.tool_calls):
        made.setdefault(delta.index, []).append(delta)
    assert [len({d.id for d in deltas if d.id}) for deltas in made.values()] == [1] * len(made), "a call has one id"
    return [_joined(made[number]) for number in sorted(made)]


def _joined(deltas: list[ToolCallDelta]) -> ToolCall:
    """As callers put pieces together: a name that is said twice would stand there twice."""
    extra = {key: value for d in deltas for key, value in d.extra.items()}
    ident = next(d.id for d in deltas if d.id)
    return ToolCall(ident, "".join(d.name or "" for d in deltas), "".join(d.arguments for d in deltas), extra)


def calls(*chunks: list[dict]) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in streamed(*chunks)]


def piece(name=None, arguments=None, **more) -> dict:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"type": "function", "function": function, **more}


def test_whole_calls_that_all_have_the_number_0_and_no_id_are_several():
    """Older Ollama, and gateways in front of Gemini: one call a chunk."""
    assert calls(
        [piece("read", '{"path":"a"}', index=0)],
        [piece("read", '{"path":"b"}', index=0)],
        [piece("list", "{}", index=0)],
    ) == [("read", '{"path":"a"}'), ("read", '{"path":"b"}'), ("list", "{}")]


@pytest.mark.parametrize("ident", ["", None])
def test_whole_calls_without_number_and_id_are_several_in_one_chunk_and_in_several(ident):
    """Google's endpoint of this dialect."""
    given = (
        [piece("f", "{}", id=ident), piece("f", "{}", id=ident)],
        [piece("f", '{"x":1}', id=ident)],
        [piece("g", "{}")],
    )
    assert calls(*given) == [("f", "{}"), ("f", "{}"), ("f", '{"x":1}'), ("g", "{}")]


def test_calls_without_number_go_on_in_pieces_that_name_nothing():
    """Google's endpoint, where it streams arguments."""
    assert calls(
        [piece("f", '{"x', id="a")],
        [{"id": "", "type": "", "function": {"arguments": '":1}'}}],
        [piece("g", "", id="b"), piece(None, "{")],
        [piece(None, "}")],
    ) == [("f", '{"x":1}'), ("g", "{}")]


def test_pieces_without_number_find_their_call_by_its_id():
    assert calls(
        [piece("f", "{", id="a")],
        [piece("g", "{", id="b")],
        [piece(None, "}", id="a")],
        [piece(None, '"x":1}', id="b")],
    ) == [("f", "{}"), ("g", '{"x":1}')]


def test_pieces_of_one_number_find_their_call_by_its_id():
    assert calls(
        [piece("f", "{", id="a", index=0)],
        [piece("g", "{", id="b", index=0)],
        [piece(None, "}", id="a", index=0)],
        [piece(None, '"x":1}', id="b", index=0)],
    ) == [("f", "{}"), ("g", '{"x":1}')]


@pytest.mark.parametrize("more", [{"id": "a"}, {}], ids=["with its id", "without an id"])
def test_a_call_whose_name_comes_with_every_piece_is_one(more):
    """vLLM repeats the id; others the name as well."""
    given = ["", '{"x":', ' {"y": 2}', "}", ""]
    assert calls(*([piece("f", text, index=0, **more)] for text in given)) == [("f", '{"x": {"y": 2}}')]


def test_an_id_that_is_another_in_every_piece_makes_no_calls():
    given = [
        piece("f", "", index=0, id="r1"),
        piece("f", '{"x"', index=0, id="r2"),
        piece("f", ":1}", index=0, id="r3"),
    ]
    given[1]["function"].pop("name")
    found = streamed(*([one] for one in given))
    assert [(c.id, c.name, c.arguments) for c in found] == [("r1", "f", '{"x":1}')]


def test_calls_of_one_number_without_ids_whose_arguments_come_later_are_several():
    assert calls(
        [piece("f", "", index=0)],
        [piece(None, '{"x":1}', index=0)],
        [piece("f", "", index=0)],
        [piece(None, '{"x"', index=0)],
        [piece(None, ":2}", index=0)],
        [piece("g", "", index=0)],
        [piece(None, "{}", index=0)],
    ) == [("f", '{"x":1}'), ("f", '{"x":2}'), ("g", "{}")]


def test_calls_that_are_numbered_may_be_interleaved_and_need_no_ids():
    assert calls(
        [piece("f", "{", index=0), piece("g", "{", index=1)],
        [piece(None, '"y":1}', index=1), piece(None, "}", index=0)],
    ) == [("f", "{}"), ("g", '{"y":1}')]


def test_calls_of_one_id_that_are_numbered_are_several():
    assert calls([piece("f", '{"x":1}', index=0, id="f")], [piece("f", '{"x":2}', index=1, id="f")]) == [
        ("f", '{"x":1}'),
        ("f", '{"x":2}'),
    ]


def test_a_name_in_pieces_is_one_name():
    assert calls([piece("get_", "", index=0, id="a")], [piece("time", "", index=0)], [piece(None, "{}", index=0)]) == [
        ("get_time", "{}")
    ]


def test_what_a_model_made_a_mess_of_ends_where_the_next_name_begins():
    assert calls([piece("f", '{"x', index=0)], [piece("g", "{}", index=0)]) == [("f", '{"x'), ("g", "{}")]


def test_a_signature_alone_belongs_to_the_call_before_it():
    """Google's endpoint: a chunk with nothing but `extra_content`."""
    extra = {"google": {"thought_signature": "s"}}
    (call,) = streamed([piece("f", "{}", id="a")], [{"extra_content": extra}])
    assert call == ToolCall("a", "f", "{}", extra)


def test_a_call_without_an_id_gets_one_that_is_its_own_and_always_the_same():
    given = [piece("f", "{}", index=0)], [piece("f", '{"x":1}', index=0)]
    first, again = streamed(*given), streamed(*given)
    assert first == again
    assert len({call.id for call in first}) == 2
    assert all(call.id and len(call.id) <= 40 for call in first)


def test_a_whole_answers_calls_without_ids_get_ids_too():
    message = {"tool_calls": [piece("f", "{}"), piece("f", "{}", id="")]}
    body = json.dumps({"id": "r1", "choices": [{"message": message, "finish_reason": "tool_calls"}]}).encode()
    first, second = decode(body, {}).tool_calls
    assert first.id
    assert second.id
    assert first.id != second.id
    assert decode(body, {}).tool_calls == (first, second)


ARGUMENTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=4) | st.just({"a": {}}), max_size=2)
CALLS = st.lists(st.tuples(st.sampled_from(["f", "g"]), ARGUMENTS.map(json.dumps)), min_size=1, max_size=4)


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def as_openai(n, name, text, size):
    return [piece(name, "", index=n, id=f"id{n}"), *(piece(None, part, index=n) for part in cut(text, size))]


def with_every_id(n, name, text, size):
    """vLLM."""
    return [
        piece(name, "", index=n, id=f"id{n}"),
        *(piece(None, part, index=n, id=f"id{n}") for part in cut(text, size)),
    ]


def all_of_number_0(n, name, text, size):
    return [one | {"index": 0} for one in as_openai(n, name, text, size)]


def without_ids(n, name, text, size):
    return [{"index": 0, "function": one["function"]} for one in as_openai(n, name, text, size)]


def whole_without_ids(n, name, text, size):  # noqa: ARG001  as the others
    """Ollama."""
    return [piece(name, text, index=0)]


def without_numbers(n, name, text, size):
    """Google's endpoint."""
    first, *rest = cut(text, size)
    return [piece(name, first, id=f"id{n}"), *(piece(None, part, id="") for part in rest)]


@pytest.mark.parametrize(
    "told", [as_openai, with_every_id, all_of_number_0, without_ids, whole_without_ids, without_numbers]
)
@given(made=CALLS, size=st.integers(1, 9), together=st.booleans())
def test_calls_come_out_as_they_were_whoever_tells_them_and_however_they_are_cut(told, made, size, together):
    pieces = [told(n, name, text, size) for n, (name, text) in enumerate(made)]
    chunks = [[one] for of_call in pieces for one in of_call]
    if together and told in (as_openai, with_every_id):
        longest = max(map(len, pieces))
        chunks = [[of_call[at] for of_call in pieces if at < len(of_call)] for at in range(longest)]
    assert calls(*chunks) == made


def test_calls_that_are_numbered_keep_their_pieces_though_every_piece_has_one_id():
    assert calls(
        [piece("f", "{", index=0, id="x"), piece("g", "{", index=1, id="x")],
        [piece(None, '"y":1}', index=1, id="x"), piece(None, "}", index=0, id="x")],
    ) == [("f", "{}"), ("g", '{"y":1}')]
