"""What is sent: a conversation in OpenAI's shapes in Gemini's words, and nothing that Gemini would refuse."""

from __future__ import annotations

import copy
import json
import re

import pytest

from rotor_core._model import Model, Secret
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError
from rotor_gemini.generations import generation_of
from rotor_gemini.schema import cleaned
from rotor_gemini.wire import GeminiWire

NEW, OLD = "gemini-3.6-flash", "gemini-2.5-flash"
UNSIGNED = "skip_thought_signature_validator"


def body(*messages, model=NEW, **about):
    request = Request(list(messages), **about)
    before = copy.deepcopy(request.messages), copy.deepcopy(dict(request.params))
    made = json.loads(GeminiWire().encode(Model(model), request, stream=False))
    assert (request.messages, dict(request.params)) == before  # never rewritten in place
    return made


def user(content):
    return {"role": "user", "content": content}


def said(content, *calls):
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {})}


def call(ident="c1", name="add", arguments="{}", signature=None):
    made = {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}
    return {**made, "extra_content": {"google": {"thought_signature": signature}}} if signature else made


def result(content, ident="c1", **more):
    return {"role": "tool", "tool_call_id": ident, "content": content, **more}


def config(model=NEW, **params):
    return body(user("hi"), model=model, params=params).get("generationConfig")


def function(name="add", parameters=None, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


# ---- where to, and as whom ----------------------------------------------------------------------------------------


def test_the_url_names_the_model_and_how_it_is_to_answer():
    wire = GeminiWire()
    assert (
        wire.url("http://x/v1beta", "gemma-4-31b-it", stream=False)
        == "http://x/v1beta/models/gemma-4-31b-it:generateContent"
    )
    assert (
        wire.url("http://x/v1beta", NEW, stream=True) == f"http://x/v1beta/models/{NEW}:streamGenerateContent?alt=sse"
    )
    assert (
        wire.url("http://x/v1beta", "tunedModels/my one", stream=False)
        == "http://x/v1beta/tunedModels/my%20one:generateContent"
    )
    assert wire.models_url("http://x/v1beta") == "http://x/v1beta/models?pageSize=1000"


def test_the_key_goes_into_a_header_and_an_empty_one_nowhere():
    assert GeminiWire().headers(Secret("abc")) == {"x-goog-api-key": "abc"}
    assert GeminiWire().headers(Secret("")) == {}


# ---- turns --------------------------------------------------------------------------------------------------------


def test_roles_and_instructions_in_their_places():
    made = body(
        {"role": "system", "content": "Be brief."},
        user("hi"),
        said("hello"),
        {"role": "developer", "content": "In French."},
        user("again"),
    )
    assert made["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In French."}]}
    assert made["contents"] == [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"text": "hello"}]},
        {"role": "user", "parts": [{"text": "again"}]},
    ]


def test_messages_of_one_side_are_one_turn():
    made = body(user("a"), user("b"), said("c"), said("d"), user("e"))
    assert [[part["text"] for part in turn["parts"]] for turn in made["contents"]] == [["a", "b"], ["c", "d"], ["e"]]


def test_instructions_alone_become_what_the_user_says():
    made = body({"role": "system", "content": "Say hello."})
    assert made == {"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]}


@pytest.mark.parametrize("empty", ["", None, []])
def test_an_empty_answer_leaves_no_turn_and_an_empty_question_a_space(empty):
    made = body(user("a"), said(empty), user(empty or ""), said("b"), user("c"))
    assert [turn["role"] for turn in made["contents"]] == ["user", "model", "user"]
    assert made["contents"][0]["parts"] == [{"text": "a"}, {"text": " "}]


def test_a_conversation_that_begins_with_an_answer_gets_a_word_before_it():
    made = body(said("Hello, how can I help?"), user("hi"))
    assert [turn["role"] for turn in made["contents"]] == ["user", "model", "user"]
    assert made["contents"][0]["parts"][0]["text"]


def test_older_gemmas_are_told_instructions_by_the_user():
    made = body({"role": "system", "content": "Be brief."}, user("hi"), model="gemma-3-27b-it")
    assert made == {"contents": [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "hi"}]}]}
    assert "systemInstruction" in body({"role": "system", "content": "Be brief."}, user("hi"), model="gemma-4-31b-it")


def test_a_refusal_and_thinking_of_others_in_the_history():
    thinking = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}]
    made = body(
        user("a"), {"role": "assistant", "content": None, "refusal": "No."}, user("b"), said(thinking), user("c")
    )
    assert [turn["parts"] for turn in made["contents"][1::2]] == [[{"text": "No."}], [{"text": "b"}]]


# ---- parts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "made"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
        ({"type": "image_url", "image_url": "data:image/svg+xml,%3Csvg/%3E"}, {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}}),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png?b=c"}}, {"fileData": {"fileUri": "https://x.test/a.png?b=c", "mimeType": "image/png"}}),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a"}}, {"fileData": {"fileUri": "https://x.test/a"}}),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}, {"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}}),
        ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "flac"}}, {"inlineData": {"mimeType": "audio/flac", "data": "aGk="}}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}}, {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}}),
        ({"type": "file", "file": {"file_data": "aGk=", "filename": "a.txt"}}, {"inlineData": {"mimeType": "text/plain", "data": "aGk="}}),
        ({"type": "file", "file": {"file_id": "https://x.test/files/1"}}, {"fileData": {"fileUri": "https://x.test/files/1"}}),
        ({"type": "file", "file": {"file_data": "https://x.test/a.pdf"}}, {"fileData": {"fileUri": "https://x.test/a.pdf", "mimeType": "application/pdf"}}),
        ({"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}}, {"fileData": {"fileUri": "https://x.test/a.mp4", "mimeType": "video/mp4"}}),
        ({"type": "audio", "url": "https://x.test/a.mp3"}, {"fileData": {"fileUri": "https://x.test/a.mp3", "mimeType": "audio/mpeg"}}),
    ],
)  # fmt: skip
def test_parts_of_every_kind(part, made):
    assert body(user(["What is this?", part]))["contents"][0]["parts"] == [{"text": "What is this?"}, made]


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"type": "video_url", "video_url": {}}, "'video_url'"),
        ({"type": "image_url", "image_url": {}}, "neither data nor a URL"),
        ({"type": "image_url", "image_url": "data:image/png;base64"}, "without data"),
        ({"type": "image", "mime_type": "image/png"}, "'image' has neither data nor a URL"),
        ({"type": "input_audio", "input_audio": {}}, "has no data"),
    ],
)
def test_what_has_no_form_is_named(part, named):
    with pytest.raises(UnfitError, match=named):
        body(user([part]))


@pytest.mark.parametrize(
    "messages",
    [[], [said(None)], [{"role": "critic", "content": "x"}], [{"role": "system", "content": [{"type": "image_url", "image_url": "https://x.test/a.png"}]}]],
)  # fmt: skip
def test_conversations_that_are_none_are_refused(messages):
    with pytest.raises(UnfitError):
        body(*messages)


# ---- calls and results --------------------------------------------------------------------------------------------


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


# ---- tools --------------------------------------------------------------------------------------------------------


def test_tools_are_declared_with_their_schemas_as_they_are():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    made = body(
        user("a"),
        tools=[
            function("add", schema, description="Adds.", strict=True),
            function("now", {"type": "object", "properties": {}}),
            function("then"),
        ],
    )
    assert made["tools"] == [{"functionDeclarations": [{"name": "add", "description": "Adds.", "parametersJsonSchema": schema}, {"name": "now"}, {"name": "then"}]}]  # fmt: skip
    assert "toolConfig" not in made


def test_googles_own_tools_go_beside_the_functions():
    made = body(user("a"), tools=[{"google_search": {}}, function(), {"urlContext": {}}])
    assert made["tools"] == [{"functionDeclarations": [{"name": "add"}]}, {"googleSearch": {}}, {"urlContext": {}}]


@pytest.mark.parametrize(
    ("tool", "named"),
    [
        ({"type": "web_search"}, "'web_search'"),
        (function("1st"), "'1st'"),
        (function("a" * 129), "128 at most"),
        ("add", "None"),
    ],
)
def test_tools_that_gemini_refuses_are_named(tool, named):
    with pytest.raises(UnfitError, match=named):
        body(user("a"), tools=[tool])


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("any", {"mode": "ANY"}),
        ("add", {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        ({"type": "function", "function": {"name": "add"}}, {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function()]}}, {"mode": "ANY", "allowedFunctionNames": ["add"]}),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "add"}]}, {"mode": "VALIDATED", "allowedFunctionNames": ["add"]}),
    ],
)  # fmt: skip
def test_a_choice_of_tool(choice, made):
    assert body(user("a"), tools=[function()], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": made}
    assert "toolConfig" not in body(user("a"), tool_choice=choice)


def test_a_choice_that_gemini_does_not_know_is_named():
    with pytest.raises(UnfitError, match="'custom'"):
        body(user("a"), tools=[function()], tool_choice={"type": "custom"})


def test_schemas_are_cleaned_and_left_as_they_were():
    schema = {
        "$defs": {"Kind": {"const": "a", "title": "Kind"}},
        "properties": {
            "kind": {"$ref": "#/$defs/Kind", "description": "x", "default": {"const": 1}},
            "const": {"anyOf": [{"const": 1}, {"type": "null"}]},
            "data": {"default": {"const": 1}, "enum": [{"const": 1}]},
        },
        "required": ["const"],
    }
    before = copy.deepcopy(schema)
    assert cleaned(schema) == {
        "$defs": {"Kind": {"enum": ["a"], "title": "Kind"}},
        "properties": {
            "kind": {"$ref": "#/$defs/Kind"},
            "const": {"anyOf": [{"enum": [1]}, {"type": "null"}]},
            "data": {"default": {"const": 1}, "enum": [{"const": 1}]},
        },
        "required": ["const"],
    }
    assert schema == before


# ---- parameters ---------------------------------------------------------------------------------------------------


def test_openais_parameters_in_googles_words():
    made = config(
        temperature=0.5, top_p=0.9, top_k=40, max_tokens=100, stop="###", seed=7, n=2, presence_penalty=0.1,
        frequency_penalty=0.2, logprobs=True, top_logprobs=3,
    )  # fmt: skip
    assert made == {
        "temperature": 0.5, "topP": 0.9, "topK": 40, "maxOutputTokens": 100, "stopSequences": ["###"], "seed": 7,
        "candidateCount": 2, "presencePenalty": 0.1, "frequencyPenalty": 0.2, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip
    assert config(max_tokens=5, max_completion_tokens=9) == {"maxOutputTokens": 9}
    assert config(stop=["a", "", "b"]) == {"stopSequences": ["a", "b"]}


def test_what_says_nothing_is_not_sent():
    assert config(temperature=None, stop=[], n=1, user="ada", metadata={}, store=True, parallel_tool_calls=False,
                  stream_options={"include_usage": True}, service_tier="auto", modalities=["text"], logit_bias={},
                  prompt_cache_options={"mode": "x"}) is None  # fmt: skip


def test_a_tier_that_google_does_not_have_is_none():
    told = [
        body(user("hi"), params={"service_tier": tier}).get("serviceTier") for tier in ("scale", "default", "priority")
    ]
    assert told == [None, None, "priority"]


def test_googles_own_names_go_to_their_place_in_either_spelling_and_win():
    made = body(
        user("hi"),
        params={
            "safety_settings": [{"category": "X"}],
            "cachedContent": "cachedContents/1",
            "thinkingConfig": {"thinkingBudget": -1},
            "reasoning_effort": "low",
            "media_resolution": "MEDIA_RESOLUTION_LOW",
            "generation_config": {"topP": 0.1},
            "top_p": 0.9,
            "service_tier": "flex",
        },
    )
    assert made["safetySettings"] == [{"category": "X"}]
    assert (made["cachedContent"], made["serviceTier"]) == ("cachedContents/1", "flex")
    assert made["generationConfig"] == {
        "topP": 0.1,
        "thinkingConfig": {"thinkingBudget": -1},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }


def test_a_generation_config_in_either_spelling_says_each_thing_once():
    made = config(
        top_p=0.9,
        max_tokens=9,
        generation_config={"top_p": 0.1, "thinking_config": {"thinking_budget": 1}},
        generationConfig={"maxOutputTokens": 5, "topK": 3},
        reasoning_effort="low",
    )
    assert made == {"topP": 0.1, "maxOutputTokens": 5, "topK": 3, "thinkingConfig": {"thinking_budget": 1}}


@pytest.mark.parametrize("name", ["logit_bias", "temprature", "moderation", "web_search_options"])
def test_a_parameter_that_gemini_does_not_have_is_named(name):
    with pytest.raises(UnfitError, match=f"no parameter `{name}`"):
        config(**{name: {"a": 1}})


def test_other_modalities_than_text_are_refused():
    with pytest.raises(UnfitError, match="responseModalities"):
        config(modalities=["text", "audio"])


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        (OLD, "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        (OLD, "minimal", {"thinkingBudget": 1024, "includeThoughts": True}),
        (OLD, "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        (OLD, "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        (OLD, "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        (NEW, "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        (NEW, "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemma-4-31b-it", "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (NEW, "none", {"thinkingLevel": "MINIMAL", "includeThoughts": False}),
        (NEW, "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.7-flash", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "none", {"thinkingLevel": "LOW", "includeThoughts": False}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemma-4-31b-it", "low", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemma-4-31b-it", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_of_reasoning_as_each_generation_is_told_it(model, effort, thinking):
    assert config(model, reasoning_effort=effort) == {"thinkingConfig": thinking}


@pytest.mark.parametrize("model", [OLD, NEW, "gemma-4-31b-it"])
def test_an_effort_of_no_meaning_is_named_and_that_of_no_effort_is_not_told(model):
    for effort in ("default", "auto", ""):
        assert config(model, reasoning_effort=effort) is None
    for effort in ("hihg", 5, {"a": 1}, ["low"]):
        with pytest.raises(UnfitError, match=rf"{re.escape(repr(effort))}.*minimal, low, medium"):
            config(model, reasoning_effort=effort)


def test_models_that_do_not_think_are_told_nothing_of_it():
    for model in ("gemini-2.0-flash", "gemma-3-27b-it"):
        assert config(model, reasoning_effort="high", include_reasoning=True) is None


def test_thoughts_are_shown_or_hidden_as_asked():
    assert config(include_reasoning=True) == {"thinkingConfig": {"includeThoughts": True}}
    assert config(reasoning_effort="high", include_reasoning=False)["thinkingConfig"]["includeThoughts"] is False


def test_the_form_of_the_answer():
    schema = {"type": "object", "properties": {"a": {"const": 1}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema, "strict": True}}
    json_type = {"responseMimeType": "application/json"}
    made = {**json_type, "responseJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}}}
    assert body(user("a"), response_format=wanted)["generationConfig"] == made
    assert config(response_format=wanted) == made
    assert config(response_format={"type": "json_object"}) == json_type
    assert config(response_format={"type": "text"}) is None
    with pytest.raises(UnfitError, match="'grammar'"):
        config(response_format={"type": "grammar"})


def test_tools_and_a_form_go_together_from_the_third_generation_on():
    both = {"tools": [function()], "response_format": {"type": "json_object"}}
    assert body(user("a"), **both)["tools"]
    with pytest.raises(UnfitError, match="not both"):
        body(user("a"), model=OLD, **both)


def test_what_a_generation_knows_is_read_from_its_name():
    assert [generation_of(m).thinking for m in ("gemini-1.5-pro", OLD, NEW, "my-tuned-model")] == [
        None,
        "budget",
        "level",
        "level",
    ]
    assert not generation_of("gemini-1.0-pro").system
