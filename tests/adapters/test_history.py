"""Histories that other providers left behind, as a strict server takes them."""

import copy
import json
import re
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._model import Model
from rotor_core._request import Request
from rotor_core.adapters.history import Manner, arguments_text, neutral, strict_id, usual_id
from rotor_core.adapters.media import media_of
from rotor_core.adapters.openai_compatible import OpenAIWire
from rotor_core.adapters.openai_stream import StreamReader
from rotor_core.adapters.openai_wire import decode
from rotor_core.adapters.parts import parts_of, text_of
from rotor_core.adapters.wire import UnfitError

USER = {"role": "user", "content": "hi"}


def call(given: str | None = "call_1", name: str = "add", arguments: object = "{}", **more) -> dict:
    return {"id": given, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def asked(*calls: dict, content: object = None, **more) -> dict:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def result(answers: str | None = "call_1", content: object = "3", **more) -> dict:
    return {"role": "tool", "tool_call_id": answers, "content": content, **more}


def ids(messages) -> tuple[list[str], list[str]]:
    made = [c["id"] for m in messages for c in m.get("tool_calls", ())]
    return made, [m["tool_call_id"] for m in messages if m["role"] == "tool"]


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


# ---- ids


@pytest.mark.parametrize(
    "given", ["call_abc", "toolu_01Abc-9", "functions.get_weather:0", "chatcmpl-tool-12ab", "9Ae3bDef2"]
)
def test_ids_of_usual_shapes_are_kept(given):
    assert ids(neutral([asked(call(given)), result(given)])) == ([given], [given])


@pytest.mark.parametrize("given", ["fc_1|call_2", "x" * 200, "ün", "a b"])
def test_ids_of_other_shapes_are_replaced_alike_in_calls_and_results(given):
    made, answered = ids(neutral([asked(call(given)), result(given)]))
    assert made == answered
    assert re.fullmatch(r"call_[A-Za-z0-9]{24}", made[0])
    assert ids(neutral([USER, asked(call(given)), result(given)])) == (made, answered), (
        "whatever else is in the history"
    )


@pytest.mark.parametrize("missing", [None, ""])
def test_missing_ids_are_made_and_results_find_their_calls_by_name_or_by_order(missing):
    history = [
        asked(call(missing, "add"), call(missing, "sub")),
        result(missing, "1", name="sub"),
        result(missing, "2"),
    ]
    made, answered = ids(neutral(history))
    assert len(set(made)) == 2
    assert answered == [made[1], made[0]]
    assert ids(neutral(history)) == (made, answered), "the same every time"


def test_ids_that_come_again_in_every_answer_are_told_apart():
    turn = [asked(call("call_0")), result("call_0")]
    made, answered = ids(neutral([*turn, *turn, *turn]))
    assert made[0] == "call_0"
    assert len(set(made)) == 3
    assert made == answered


def test_one_id_for_two_calls_of_an_answer_becomes_two():
    made, answered = ids(neutral([asked(call("add"), call("add")), result("add", "1"), result("add", "2")]))
    assert len(set(made)) == 2
    assert made == answered


def test_a_result_that_no_call_asked_for_keeps_its_own_id():
    assert ids(neutral([result("call_7")])) == ([], ["call_7"])


def test_ids_of_the_strict_kind_have_forty_plain_characters_at_most():
    assert strict_id("toolu_01Abc-9") == "toolu_01Abc-9"
    for foreign in ("functions.f:0", "x" * 41):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", strict_id(foreign))
    assert usual_id("functions.f:0") == "functions.f:0"


# ---- calls


def test_arguments_are_the_json_of_an_object():
    assert arguments_text('{"a": 1}') == '{"a": 1}'
    assert json.loads(arguments_text({"a": "é"})) == {"a": "é"}
    assert [arguments_text(empty) for empty in (None, "", " ")] == ["{}"] * 3
    assert json.loads(arguments_text('{"a": ')) == {"invalid_arguments": '{"a": '}
    assert json.loads(arguments_text("[1]")) == {"invalid_arguments": "[1]"}
    assert json.loads(arguments_text(MappingProxyType({"a": (1, 2)}))) == {"a": [1, 2]}


def test_a_call_has_openais_fields_only():
    given = call("c", index=3, extra_content={"google": {"thought_signature": "s"}}, response_item_id="fc_1")
    assert neutral([asked(given)]) == [asked(call("c"))]


def test_extra_content_is_kept_for_whoever_understands_it():
    given = call("c", extra_content={"google": {"thought_signature": "s"}, "acme": {"a": 1}})
    made = neutral([asked(given)], Manner(understands=frozenset({"google"})))
    assert made[0]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


def test_anthropics_calls_and_results_are_read():
    history = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "3"}]},
                {"type": "text", "text": "And now?"},
            ],
        },
    ]
    assert neutral(history) == [
        asked(call("toolu_1", "add", '{"a": 1}')),
        result("toolu_1", "3"),
        {"role": "user", "content": "And now?"},
    ]


def test_a_call_that_stands_in_the_content_and_beside_it_is_made_once():
    block = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}
    assert neutral([asked(call("toolu_1"), content=[block])]) == [asked(call("toolu_1"))]


def test_openais_old_function_calls_become_tool_calls():
    history = [
        {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}},
        {"role": "function", "name": "add", "content": "3"},
    ]
    made = neutral(history)
    assert [m["role"] for m in made] == ["assistant", "tool"]
    assert ids(made)[0] == ids(made)[1]


# ---- results


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("3", "3"),
        (None, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, "b"], "a\nb"),
        ({"sum": 3}, '{"sum": 3}'),
        (3, "3"),
        ([1, {"a": 2}], '[1, {"a": 2}]'),
        ([{"type": "json", "json": {"a": 1}}], '{"type": "json", "json": {"a": 1}}'),
    ],
)
def test_a_results_content_is_a_text(content, text):
    assert neutral([asked(call()), result("call_1", content, name="add", status="success")])[1] == result(
        "call_1", text
    )


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def test_images_of_results_follow_in_a_users_message_after_the_last_result():
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    made = neutral([asked(call("a"), call("b")), result("a", ["see", block]), result("b"), USER])
    assert [m["role"] for m in made] == ["assistant", "tool", "tool", "user", "user"]
    assert made[1]["content"] == "see"
    assert made[3]["content"][1:] == [PICTURE]
    assert neutral([asked(call()), result("call_1", [block])])[-1]["content"][1:] == [PICTURE], "also at the very end"


def test_images_of_results_stay_where_a_server_takes_them_there():
    made = neutral([asked(call()), result("call_1", [PICTURE])], Manner(media_in_results=True))
    assert made[1:] == [result("call_1", [PICTURE])]


def test_a_user_who_speaks_after_a_result_is_preceded_by_the_assistant_where_a_server_wants_that():
    history = [USER, asked(call()), result(), USER]
    assert [m["role"] for m in neutral(history)] == ["user", "assistant", "tool", "user"]
    made = neutral(history, Manner(answers_results=True))
    assert [m["role"] for m in made] == ["user", "assistant", "tool", "assistant", "user"]
    assert made[3]["content"]


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


# ---- media and data in results

PDF = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (PDF, PDF),
        (SOUND, SOUND),
        ({"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "filename": "a.pdf", "id": "lc_1"}, PDF),
        (
            {
                "type": "file",
                "source_type": "base64",
                "data": "AAAA",
                "mime_type": "application/pdf",
                "filename": "a.pdf",
            },
            PDF,
        ),
        ({"type": "media", "mime_type": "application/pdf", "data": "AAAA", "title": "a.pdf"}, PDF),
        ({"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}, PDF),
        (
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "cache_control": {"type": "ephemeral"},
            },
            PDF,
        ),
        (
            {
                "type": "resource",
                "name": "a.pdf",
                "resource": {"uri": "r://a", "mimeType": "application/pdf", "blob": "AAAA"},
            },
            PDF,
        ),
        ({"type": "file", "file_id": "file-1"}, {"type": "file", "file": {"file_id": "file-1"}}),
        (
            {"type": "file", "url": "https://a.example/b.pdf", "mime_type": "application/pdf"},
            {"type": "file", "file": {"file_data": "https://a.example/b.pdf", "filename": "file.pdf"}},
        ),
        ({"type": "audio", "base64": "AAAA", "mime_type": "audio/x-wav"}, SOUND),
        ({"type": "audio", "data": "AAAA", "mimeType": "audio/wav", "annotations": {"audience": ["user"]}}, SOUND),
        ({"type": "audio", "url": "data:audio/wav;base64,AAAA"}, SOUND),
        ({"type": "media", "mime_type": "audio/wav", "data": "AAAA"}, SOUND),
        ({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, SOUND),
        (
            {"type": "audio", "url": "https://a.example/b.wav", "mime_type": "audio/wav"},
            {"type": "audio_url", "audio_url": {"url": "https://a.example/b.wav"}},
        ),
        (
            {"type": "video", "url": "https://a.example/b.mp4", "mime_type": "video/mp4"},
            {"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}},
        ),
        ({"type": "image", "data": "AAAA", "mimeType": "image/png"}, PICTURE),
    ],
)
def test_files_and_sounds_of_results_follow_in_a_users_message_as_images_do(block, part):
    made = neutral([asked(call()), result("call_1", ["see", block])])
    assert made[1]["content"] == "see"
    assert made[2]["content"][1:] == [part]
    assert neutral([{"role": "user", "content": [block]}])[0]["content"] == [part], "and a user's are the same"


def test_files_and_sounds_of_results_stay_where_a_server_takes_them_there():
    made = neutral([asked(call()), result("call_1", [PDF, SOUND])], Manner(media_in_results=True))
    assert made[1:] == [result("call_1", [PDF, SOUND])]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "user", "name": "Ada"},
        {"type": "text", "text": "hi", "author": "bob"},
        {"type": "reasoning", "reasoning": "so"},
        {"text": "hi"},
        {"type": "image", "caption": "no image at all"},
        {"type": "file", "name": "a.txt", "url": "https://a.example/a.txt", "size": 3},
        [{"type": "file", "name": "a.txt", "data": "plain"}, {"a": 1}],
        {"type": "file", "name": "a.py", "mime_type": "text/x-python", "data": "print('hi')"},
        {"type": "file", "name": "a.py", "mime_type": "text/x-python", "data": "abcde"},
        {"type": "file", "name": "a.pdf", "mimeType": "application/pdf", "url": "https://a.example/a.pdf"},
        [{"type": "video", "title": "cats", "url": "https://a.example/v"}, {"a": 1}],
        [{"text": "hi", "score": 0.5}, {"text": "ho", "score": 0.25}],
        [{"a": 1}],
        [{"a": 1}, {"type": "b", "c": 2}],
        [[1, 2], [3]],
        ["a", {"b": 1}],
    ],
)
def test_plain_data_of_a_result_is_the_json_that_it_is(data):
    assert json.loads(neutral([asked(call()), result("call_1", data)])[1]["content"]) == data


@pytest.mark.parametrize(
    ("blocks", "lines"),
    [
        ([{"type": "text", "text": "hi"}, {"type": "text", "text": "hi", "author": "bob"}], ["hi", {"type": "text", "text": "hi", "author": "bob"}]),
        ([{"type": "search_result", "source": "s", "title": "t"}, {"a": 1}], [[{"type": "search_result", "source": "s", "title": "t"}, {"a": 1}]]),
        ([{"type": "text", "text": "hi"}, {"a": 1}], ["hi", {"a": 1}]),
        ([{"type": "image", "url": "data:image/png;base64,AAAA", "caption": "a cat"}], [{"caption": "a cat"}]),
        ([{"type": "image", "base64": "AAAA", "mime_type": "image/png", "title": "a cat", "id": "cat-7"}], [{"title": "a cat", "id": "cat-7"}]),
        ([{"type": "image", "base64": "AAAA", "mime_type": "image/png", "id": "lc_7"}], [""]),
        ([{"type": "text", "text": "hi", "annotations": None, "meta": None}, {"type": "text", "text": None}], ["hi"]),
        ([{"type": "resource", "resource": {"uri": "r://a", "text": "b"}}], [{"type": "resource", "resource": {"uri": "r://a", "text": "b"}}]),
    ],
)  # fmt: skip
def test_what_of_a_blocks_fields_is_not_known_is_told_as_json(blocks, lines):
    told = neutral([asked(call()), result("call_1", blocks)])[1]["content"].split("\n")
    assert told == [line if isinstance(line, str) else json.dumps(line) for line in lines]


@pytest.mark.parametrize("part", [PDF, SOUND, {"type": "mystery", "mystery": 1}])
def test_a_part_that_a_server_is_known_not_to_take_makes_the_request_unfit_for_it(part):
    looks = Manner(takes=frozenset({"image_url"}))
    with pytest.raises(UnfitError, match=f"'{part['type']}', but text, image_url"):
        neutral([{"role": "user", "content": ["see", part]}], looks)
    assert neutral([{"role": "user", "content": [PICTURE]}], looks)


@pytest.mark.parametrize("kind", ["image", "audio", "video"])
def test_a_block_that_shows_nothing_is_refused_for_that(kind):
    with pytest.raises(UnfitError, match=f"'{kind}' has neither data nor a URL"):
        neutral(
            [{"role": "user", "content": [{"type": kind, "mime_type": "a/b"}]}], Manner(takes=frozenset({"image_url"}))
        )


def test_a_file_by_its_url_is_told_from_one_that_is_sent():
    by_url = {"type": "file", "file": {"file_data": "https://a.example/b.pdf"}}
    takes_files = Manner(takes=frozenset({"file"}))
    assert neutral([{"role": "user", "content": [PDF]}], takes_files)
    with pytest.raises(UnfitError, match="'file_url'"):
        neutral([{"role": "user", "content": [by_url]}], takes_files)


def test_a_call_of_a_tool_that_is_no_function_becomes_one_so_that_its_result_has_a_call():
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    assert neutral([asked(custom), result()]) == [asked(call("call_1", "run", '{"input": "print(1)"}')), result()]


TEXT_ONLY = Manner(takes=frozenset())


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "url", "url": "https://x.test/y.pdf"}},
        {"type": "document_url", "document_url": "https://x.test/y.pdf"},
        {"type": "image_url", "image_url": {"url": "https://x.test/y.png"}},
        {"type": "video_url", "video_url": {"url": "https://x.test/y.mp4"}},
        {"type": "audio_url", "audio_url": {"url": "https://x.test/y.wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ],
)
def test_what_a_result_only_points_at_is_told_as_json_where_it_cannot_be_shown(block):
    (_, made) = neutral([asked(call()), result("call_1", [block])], TEXT_ONLY)
    shown = media_of(block) or block
    assert json.loads(made["content"]) == shown
    assert neutral([made], TEXT_ONLY) == [made]


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (PDF, "a file a.pdf, application/pdf, not shown"),
        ({"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}}, "a file a.pdf, application/pdf, not shown"),
        (SOUND, "a sound, audio/wav, not shown"),
        (PICTURE, "an image, image/png, not shown"),
        ({"type": "video", "base64": "AAAA", "mime_type": "video/mp4"}, "a video, video/mp4, not shown"),
        (
            {"type": "resource", "title": "a.zip", "resource": {"uri": "r://a", "mimeType": "application/zip", "blob": "AAAA"}},
            "a file a.zip, application/zip, not shown",
        ),
    ],
)  # fmt: skip
def test_what_a_result_holds_is_named_where_it_cannot_be_shown(block, text):
    assert neutral([asked(call()), result("call_1", ["see", block]), USER], TEXT_ONLY)[1:] == [
        result("call_1", f"see\n{text}"),
        USER,
    ]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("data:application/pdf;base64,AAAA", {**PDF, "file": {**PDF["file"], "filename": "file.pdf"}}),
        ("data:audio/wav;base64,AAAA", SOUND),
        ("data:video/mp4;base64,AAAA", {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}),
    ],
)
def test_what_stands_as_an_images_url_and_says_that_it_is_none_is_what_it_says(url, part):
    for block in (
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": url},
        {"type": "input_image", "image_url": url},
    ):
        assert neutral([{"role": "user", "content": [block]}]) == [{"role": "user", "content": [part]}]


@pytest.mark.parametrize("url", ["data:;base64,AAAA", "data:application/octet-stream;base64,AAAA", "https://x.test/i"])
def test_what_stands_as_an_images_url_and_does_not_say_what_it_is_stays_one(url):
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    assert neutral([message]) == [message]


def test_of_nothing_a_result_has_only_text():
    for content in ({"type": "text", "text": None}, [{"type": "text", "text": None}]):
        assert neutral([asked(call()), result("call_1", content)])[1]["content"] == ""
