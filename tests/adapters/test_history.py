"""Histories that other providers left behind, as a strict server takes them."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.histories import PICTURE, USER, asked, call, result

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.history import Manner, neutral, strict_id
from rotor_core.adapters.media import media_of
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.openai_wire import decode
from rotor_core.adapters.parts import parts_of, text_of


def test_a_plain_history_is_passed_on_as_the_same_messages():
    plain = [{"role": "system", "content": "s"}, USER, {"role": "assistant", "content": "hello"}, USER]
    assert all(made is given for made, given in zip(neutral(plain), plain, strict=True))


def test_tool_calls_and_their_results_in_openais_form_are_unchanged():
    plain = [USER, asked(call("call_1"), call("call_2", "sub", '{"a": 1}')), result("call_1"), result("call_2", "é")]
    assert neutral(plain) == plain


def test_nothing_that_was_given_is_changed():
    given = [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "image", "url": "https://x.test/i"}],
        },
        asked(call("", "add", {"a": 1}, extra_content={"google": {"thought_signature": "s"}}), reasoning_content="hm"),
        result(None, [{"type": "text", "text": "3"}, {"type": "image", "base64": "AAAA", "mime_type": "image/png"}]),
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "3"}]},
    ]
    before = copy.deepcopy(given)
    neutral(given, Manner(answers_results=True, names=False))
    assert given == before


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "hm", "signature": "abc"},
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "reasoning_content", "reasoning_content": {"text": "hm"}},
        {"type": "server_tool_use", "id": "s", "name": "search", "input": {}},
        {"type": "executable_code", "executable_code": "1+1"},
    ],
)
def test_what_only_an_assistants_author_understands_is_left_out(block):
    made = neutral([{"role": "assistant", "content": [block, {"type": "text", "text": "So: "}, "3"]}])
    assert made == [{"role": "assistant", "content": "So: 3"}]


def test_an_assistants_foreign_fields_are_left_out():
    foreign = {
        "reasoning_content": "hm",
        "reasoning": "hm",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "index": 0,
    }
    assert neutral([{"role": "assistant", "content": "3", **foreign}]) == [{"role": "assistant", "content": "3"}]


def test_fields_that_a_server_wants_back_are_kept():
    manner = Manner(own_fields=frozenset({"reasoning_content"}))
    given = {"role": "assistant", "content": "3", "reasoning_content": "hm", "reasoning": "hm"}
    assert neutral([given], manner) == [{"role": "assistant", "content": "3", "reasoning_content": "hm"}]


@pytest.mark.parametrize("said", [{"refusal": "No."}, {"content": [{"type": "refusal", "refusal": "No."}]}])
def test_a_refusal_is_what_was_said(said):
    assert neutral([{"role": "assistant", "content": None, **said}]) == [{"role": "assistant", "content": "No."}]


@pytest.mark.parametrize(
    "content", [None, "", [], [{"type": "thinking", "thinking": "hm"}], [{"type": "text", "text": ""}]]
)
def test_an_assistants_message_that_says_nothing_is_left_out(content):
    assert neutral([USER, {"role": "assistant", "content": content}, USER]) == [USER, USER]


@pytest.mark.parametrize("content", ["", None, [], [{"type": "thinking", "thinking": "hm"}]])
def test_beside_tool_calls_an_empty_content_is_null(content):
    assert neutral([asked(call(), content=content)]) == [asked(call())]


def test_text_beside_tool_calls_stays():
    assert neutral([asked(call(), content=[{"type": "text", "text": "Let me see."}])])[0]["content"] == "Let me see."


# ---- content and roles


@pytest.mark.parametrize(
    "block",
    [
        PICTURE,
        {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source_type": "base64", "mime_type": "image/png", "data": "AAAA"},
        {"type": "image", "base64": "AAAA", "mime_type": "image/png", "id": "lc_1"},
        {"type": "image", "url": "data:image/png;base64,AAAA"},
        {"inline_data": {"mime_type": "image/png", "data": "AAAA"}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {**PICTURE, "cache_control": {"type": "ephemeral"}},
    ],
)
def test_images_of_every_form_become_openais(block):
    made = neutral([{"role": "user", "content": ["what?", block]}])
    assert made == [{"role": "user", "content": [{"type": "text", "text": "what?"}, PICTURE]}]


def test_an_images_detail_is_kept():
    assert media_of({"type": "input_image", "image_url": "https://x.test/i", "detail": "low"}) == {
        "type": "image_url",
        "image_url": {"url": "https://x.test/i", "detail": "low"},
    }


def test_text_parts_become_one_text_since_not_every_server_takes_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "input_text", "text": "b"}, "c"]
    for role in ("user", "system"):
        assert neutral([{"role": role, "content": parts}]) == [{"role": role, "content": "a\nb\nc"}]


def test_keys_of_parts_that_a_server_reads_are_kept():
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}, "citations": None}
    made = neutral([{"role": "user", "content": [part]}], Manner(part_keys=frozenset({"cache_control"})))
    assert made == [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}
    ]
    assert neutral([{"role": "user", "content": [part]}]) == [{"role": "user", "content": "a"}]


def test_a_users_part_of_an_unknown_kind_is_left_to_the_server():
    part = {"type": "video_url", "video_url": {"url": "https://x.test/v"}}
    assert neutral([{"role": "user", "content": [part]}]) == [{"role": "user", "content": [part]}]


def test_developer_is_system_but_for_those_who_know_the_role():
    given = [{"role": "developer", "content": "s"}]
    assert neutral(given) == [{"role": "system", "content": "s"}]
    assert neutral(given, Manner(developer=True)) == given


def test_names_are_written_in_the_letters_that_are_allowed_or_left_out():
    given = [{"role": "user", "content": "hi", "name": "Ann Müller <a>"}]
    assert neutral(given)[0]["name"] == "Ann_M_ller_a_"
    assert neutral(given, Manner(names=False)) == [USER]


def test_a_message_that_is_no_mapping_is_refused():
    with pytest.raises(TypeError, match="a str"):
        neutral(["hi"])


def test_words_and_parts_of_a_content_can_be_read_alone():
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, PICTURE, "b"]
    assert text_of(content) == "a\nb"
    assert text_of(None) == ""
    assert parts_of(content) == [{"type": "text", "text": "a"}, PICTURE, {"type": "text", "text": "b"}]


# ---- whatever comes


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)

KINDS = "text thinking refusal image image_url input_text tool_use tool_result tool_call inline_data file x".split()

blocks = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(KINDS) | anything,
        **dict.fromkeys(
            "text id tool_use_id name input content image_url source url data thinking refusal".split(), anything
        ),
    },
)

calls = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "", "x y"]) | anything,
        "type": st.just("function") | anything,
        "function": st.fixed_dictionaries({}, optional={"name": anything, "arguments": anything}) | anything,
        "extra_content": anything,
    },
)

messages = st.fixed_dictionaries(
    {"role": st.sampled_from("user assistant tool system developer function other".split()) | anything},
    optional={
        "content": anything | st.lists(blocks | anything, max_size=3),
        "tool_calls": st.lists(calls | anything, max_size=3) | anything,
        "tool_call_id": st.sampled_from(["a", "b", "", "x y"]) | anything,
        "function_call": anything,
        "name": anything,
        "reasoning_content": anything,
    },
)

STRICT = Manner(names=False, answers_results=True, tool_id=strict_id)


@given(
    st.lists(messages, max_size=6), st.sampled_from([Manner(), STRICT, Manner(developer=True, media_in_results=True)])
)
def test_any_history_comes_through_once_and_a_plain_one_is_left_alone(history, manner):
    before = copy.deepcopy(history)
    made = neutral(history, manner)
    assert history == before
    json.dumps(made)
    called = [c["id"] for m in made for c in m.get("tool_calls", ())]
    assert len(set(called)) == len(called)
    assert all(isinstance(c["function"]["name"], str) for m in made for c in m.get("tool_calls", ()))
    assert neutral(made, manner) == made


# ---- through the wire


def test_every_openai_wire_sends_a_foreign_history_plainly():
    history = [USER, {"role": "assistant", "content": "x", "reasoning_content": "hm"}]
    body = json.loads(OpenAIWire().encode(Model("m"), Request(history), stream=False))
    assert body["messages"] == [USER, {"role": "assistant", "content": "x"}]


SIGNED = {
    "id": "c",
    "type": "function",
    "index": 0,
    "function": {"name": "add", "arguments": "{}"},
    "extra_content": {"google": {"thought_signature": "s"}},
}


def test_extra_content_of_a_tool_call_is_read_from_an_answer_and_from_a_stream():
    body = {"choices": [{"message": {"content": None, "tool_calls": [SIGNED]}, "finish_reason": "tool_calls"}]}
    assert decode(json.dumps(body).encode()).tool_calls[0].extra == SIGNED["extra_content"]
    reader = StreamReader()
    data = {"choices": [{"index": 0, "delta": {"tool_calls": [SIGNED]}, "finish_reason": "tool_calls"}]}
    chunks = list(reader.feed(b"data: " + json.dumps(data).encode() + b"\n\ndata: [DONE]\n\n"))
    assert chunks[0].tool_calls[0].extra == SIGNED["extra_content"]
    whole = StreamReader({"content-type": "application/json"})
    assert list(whole.feed(json.dumps(body).encode())) == []
    assert next(iter(whole.end())).tool_calls[0].extra == SIGNED["extra_content"]
