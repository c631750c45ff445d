"""Calls of tools in a history, their signatures and their results, in Gemini's words."""

from __future__ import annotations

import json

import pytest
from gemini_requests import NEW, OLD, body, call, result, said, user

from rotor_core.adapters.wire import UnfitError

UNSIGNED = "skip_thought_signature_validator"


def test_calls_and_their_results_with_names_ids_and_signatures():
    made = body(
        user("a"),
        said("Let me see.", call("c1", "add", '{"a": 1}', signature="c2ln"), call("c2", "now")),
        result("12:00", "c2"),
        result('{"sum": 3}', "c1"),
        user("and?"),
    )
    assert made["contents"][1] == {
        "role": "model",
        "parts": [
            {"text": "Let me see."},
            {"functionCall": {"id": "c1", "name": "add", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
            {"functionCall": {"id": "c2", "name": "now", "args": {}}},
        ],
    }
    assert made["contents"][2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "c1", "name": "add", "response": {"sum": 3}}},
            {"functionResponse": {"id": "c2", "name": "now", "response": {"output": "12:00"}}},
        ],
    }
    assert made["contents"][3] == {"role": "user", "parts": [{"text": "and?"}]}


def signatures(model, *steps):
    made = body(user("a"), *steps, model=model)
    parts = [part for turn in made["contents"] for part in turn["parts"] if "functionCall" in part]
    return [part.get("thoughtSignature") for part in parts]


@pytest.mark.parametrize(
    ("model", "foreign"),
    [
        (NEW, UNSIGNED),
        ("gemini-flash-latest", UNSIGNED),
        ("gemini-4-argon", UNSIGNED),
        (OLD, None),
        ("gemma-4-31b-it", None),
    ],
)
def test_the_first_call_of_a_step_that_another_provider_made_is_let_pass_where_a_signature_is_wanted(model, foreign):
    step = [said(None, call("c1"), call("c2")), result("1", "c1"), result("2", "c2")]
    assert signatures(model, *step, said(None, call("c3")), result("3", "c3")) == [foreign, None, foreign]


def test_a_signature_is_never_replaced():
    assert signatures(
        NEW, said(None, call("c1", signature="c2ln"), call("c2")), result("1", "c1"), result("2", "c2")
    ) == ["c2ln", None]
    assert signatures(OLD, said(None, call("c1", signature="c2ln")), result("1", "c1")) == ["c2ln"]


def test_what_other_providers_want_back_with_a_call_stays_here():
    foreign = {**call(), "extra_content": {"acme": {"state": "x"}}}
    assert "acme" not in json.dumps(body(user("a"), said(None, foreign), result("1")))


def test_calls_without_ids_are_answered_in_their_order_and_by_name():
    calls = [call(None, "add"), call("", "now"), call(None, "add")]
    results = [result("12:00", None, name="now"), result("1", None, name="add"), result("2", "")]
    made = body(user("a"), said(None, *calls), *results)
    responses = [part["functionResponse"] for part in made["contents"][2]["parts"]]
    told = [(response["name"], response["response"]["output"]) for response in responses]
    assert told == [("add", "1"), ("now", "12:00"), ("add", "2")]
    asked = [part["functionCall"]["id"] for part in made["contents"][1]["parts"]]
    assert [response["id"] for response in responses] == asked
    assert len(set(asked)) == 3


def test_an_id_that_comes_again_in_a_later_step_means_the_later_call():
    made = body(
        user("a"), said(None, call("c", "first")), result("1", "c"), said(None, call("c", "second")), result("2", "c")
    )
    assert [turn["parts"][0]["functionResponse"]["name"] for turn in made["contents"][2::2]] == ["first", "second"]


@pytest.mark.parametrize(
    ("arguments", "args"),
    [
        ("", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a": ', {"invalid_arguments": '{"a": '}),
        ("[1]", {"invalid_arguments": "[1]"}),
        ('{"a": NaN}', {"invalid_arguments": '{"a": NaN}'}),
    ],
)
def test_arguments_are_an_object_whatever_was_written(arguments, args):
    made = body(user("a"), said(None, call(arguments=arguments)), result("1"))
    assert made["contents"][1]["parts"][0]["functionCall"]["args"] == args


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("", {"output": ""}),
        (None, {"output": ""}),
        ("[1, 2]", {"output": "[1, 2]"}),
        ('{"a": {"b": null}}', {"a": {"b": None}}),
        ('{"id": 12345678901234567890}', {"output": '{"id": 12345678901234567890}'}),
        ('{"a": Infinity}', {"output": '{"a": Infinity}'}),
        ("{broken", {"output": "{broken"}),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {"output": "a\nb"}),
    ],
)
def test_a_result_is_an_object_and_loses_nothing(content, response):
    made = body(user("a"), said(None, call()), result(content))
    assert made["contents"][2]["parts"][0]["functionResponse"]["response"] == response


def test_an_image_in_a_result_goes_with_it_where_that_is_known_and_beside_it_elsewhere():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    inline = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    new, old = (
        body(user("a"), said(None, call()), result([picture]), user("?"), model=m)["contents"] for m in (NEW, OLD)
    )
    assert new[2]["parts"][0]["functionResponse"]["parts"] == [inline]
    assert [turn["parts"] for turn in old[3:]] == [[inline, {"text": "?"}]]
    assert "parts" not in old[2]["parts"][0]["functionResponse"]


def test_a_call_of_a_tool_that_is_no_function_is_answered_too():
    custom = {"id": "c1", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}
    made = body(user("a"), said(None, custom), result("1"))
    assert made["contents"][1]["parts"][0]["functionCall"] == {"id": "c1", "name": "run", "args": {"input": "print(1)"}}
    assert made["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": "1"}


def test_files_of_a_result_go_with_it_and_sounds_beside_it():
    shown = [
        {"type": "file", "base64": "aGk=", "mime_type": "application/pdf"},
        {"type": "audio", "base64": "aGk=", "mime_type": "audio/wav"},
    ]
    made = body(user("a"), said(None, call()), result(["see", *shown]), user("?"))["contents"]
    (response,) = made[2]["parts"]
    assert response["functionResponse"]["response"] == {"output": "see"}
    assert response["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "application/pdf", "data": "aGk="}}]
    assert made[3]["parts"] == [{"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}, {"text": "?"}]


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([user("a"), said(None, call()), user("b")], "'c1' .add. has no result"),
        ([user("a"), said(None, call())], "has no result"),
        ([user("a"), said(None, call("c1"), call("c2")), result("1", "c1")], "'c2'"),
        ([user("a"), result("1")], "'c1' answers no call"),
        ([user("a"), said(None, call()), result("1"), result("2")], "answers no call"),
        ([user("a"), said(None, call(name=""))], "has no name"),
    ],
)
def test_calls_and_results_that_do_not_match_are_named(messages, named):
    with pytest.raises(UnfitError, match=named):
        body(*messages)
