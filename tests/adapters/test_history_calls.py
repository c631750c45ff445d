"""Calls of tools in histories that other providers left behind: their ids, their arguments and their many forms."""

import json
import re
from types import MappingProxyType

import pytest
from tests.adapters.histories import USER, asked, call, ids, result

from rotor_core.adapters.history import Manner, arguments_text, neutral, strict_id, usual_id

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


def test_a_call_of_a_tool_that_is_no_function_becomes_one_so_that_its_result_has_a_call():
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    assert neutral([asked(custom), result()]) == [asked(call("call_1", "run", '{"input": "print(1)"}')), result()]
