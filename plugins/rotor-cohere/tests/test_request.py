"""What Cohere is sent: OpenAI's shapes in, Cohere's out."""

from __future__ import annotations

import copy
import json

import pytest

from rotor_cohere.wire import CohereWire
from rotor_core._model import Model, Secret
from rotor_core._request import Request
from rotor_core.adapters.wire import UnfitError

WIRE = CohereWire()
MODEL = Model("command-x")
USER = {"role": "user", "content": "Weather in Oslo?"}


def tool(name="weather", **more):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}, **more}}


def body(*messages, model=MODEL, stream=False, **request):
    sent = Request(list(messages) or [USER], **request)
    before = copy.deepcopy(sent.messages)
    written = json.loads(WIRE.encode(model, sent, stream=stream))
    assert sent.messages == before, "the request was changed"
    return written


def messages(*sent):
    return body(*sent)["messages"]


def test_the_smallest_request():
    assert body() == {"model": "command-x", "messages": [USER], "stream": False}
    assert body(stream=True)["stream"] is True


@pytest.mark.parametrize("base", ["https://h.test", "https://h.test/v1", "https://h.test/v2"])
def test_it_goes_to_the_bare_host_however_that_is_written(base):
    assert WIRE.url(base, "command-x", stream=True) == "https://h.test/v2/chat"
    assert WIRE.models_url(base) == "https://h.test/v1/models?endpoint=chat&page_size=1000"


def test_the_key_is_a_bearer_and_none_where_there_is_none():
    assert WIRE.headers(Secret("k-1")) == {"Authorization": "Bearer k-1"}
    assert WIRE.headers(Secret("")) == {}


def test_messages_hold_only_what_cohere_knows():
    named = {"role": "user", "name": "ann", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "x"}}]}
    old = {"role": "assistant", "content": "Yes", "refusal": None, "reasoning_content": "hm", "audio": None}
    assert messages({"role": "developer", "content": "Be brief"}, named, old, USER) == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes"},
        USER,
    ]


def test_messages_that_say_nothing_are_left_out():
    empty = [
        {"role": role, "content": content} for role in ("system", "user", "assistant") for content in ("", [], None)
    ]
    assert messages(*empty, USER) == [USER]


def test_images_stand_beside_text():
    link = {"type": "image_url", "image_url": {"url": "https://h.test/a.png", "detail": "low", "format": "png"}}
    bare = {"type": "image_url", "image_url": "data:image/png;base64,AA=="}
    (sent,) = messages({"role": "user", "content": [{"type": "text", "text": "What is it?"}, link, bare]})
    assert sent["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://h.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]


def call(arguments="{}", **more):
    return {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": arguments}, **more}


def calling(**message):
    return {"role": "assistant", "content": None, "tool_calls": [call()], **message}


def result(content):
    return {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": content}


@pytest.mark.parametrize(
    "said",
    [
        {"content": "I look it up."},
        {"content": [{"type": "text", "text": "I look it up."}]},
        {"content": "", "tool_plan": "I look it up."},
        {"reasoning_content": "I look it up."},
        {"content": [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "I look it up."}]},
    ],
)
def test_what_was_said_or_thought_beside_calls_is_their_plan(said):
    _, sent, answered = messages(USER, calling(**said), result("rain"))
    assert sent == {"role": "assistant", "tool_plan": "I look it up.", "tool_calls": [call()]}
    assert answered == {"role": "tool", "tool_call_id": "c1", "content": "rain"}


def test_calls_without_a_word_have_no_plan_and_foreign_fields_are_gone():
    foreign = call(extra_content={"google": {"thought_signature": "s"}}, index=0)
    assert messages(USER, calling(tool_calls=[foreign]), result("rain"))[1] == {
        "role": "assistant",
        "tool_calls": [call()],
    }


@pytest.mark.parametrize(
    ("written", "sent"),
    [("", "{}"), (None, "{}"), ({"a": 1}, '{"a": 1}'), ('{"a":1}', '{"a":1}'), ("{", '{"invalid_arguments": "{"}')],
)
def test_arguments_are_json_text(written, sent):
    said = messages(USER, calling(tool_calls=[call(written)]), result("rain"))[1]
    assert said["tool_calls"][0]["function"]["arguments"] == sent


def test_results_may_come_in_parts_and_their_images_follow_them():
    image = {"type": "image_url", "image_url": {"url": "https://h.test/a.png"}}
    *_, answered, shown = messages(USER, calling(), result([{"type": "text", "text": "rain", "id": 3}, image]))
    assert answered == {"role": "tool", "tool_call_id": "c1", "content": "rain"}
    assert (shown["role"], shown["content"][1]) == ("user", image)


def test_a_file_in_a_result_is_told_in_words():
    file = {"type": "document", "source": {"type": "url", "url": "https://h.test/a.pdf"}}
    *_, answered = messages(USER, calling(), result([file]))
    assert "https://h.test/a.pdf" in answered["content"]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"role": "robot", "content": "x"}, "role 'robot'"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "'input_audio'"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "without a URL"),
        ({"role": "user", "content": [{"type": "image", "url": ""}]}, "'image' has neither data nor a URL"),
        (
            {"role": "system", "content": [{"type": "image_url", "image_url": "u"}]},
            "nothing but text in a system message",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_with_its_reason(message, why):
    with pytest.raises(UnfitError, match=why):
        body(message)


# ---- tools


def test_a_tool_has_a_description_and_parameters_and_nothing_else():
    (sent,) = body(tools=[tool(description="Tells it", strict=False)])["tools"]
    assert sent == tool(description="Tells it")
    (bare,) = body(tools=[{"type": "function", "function": {"name": "now"}}])["tools"]
    assert bare["function"] == {"name": "now", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(("strict", "sent"), [((True, True), True), ((True, False), None)])
def test_tools_are_strict_when_all_of_them_are(strict, sent):
    assert body(tools=[tool(f"t{n}", strict=s) for n, s in enumerate(strict)]).get("strict_tools") is sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [(None, None), ("auto", None), ("none", "NONE"), ("any", "REQUIRED"), ("required", "REQUIRED")],
)
def test_a_tool_choice_in_coheres_words(choice, sent):
    assert body(tools=[tool()], tool_choice=choice).get("tool_choice") == sent


@pytest.mark.parametrize("choice", ["time", {"type": "function", "function": {"name": "time"}}])
def test_a_named_tool_is_the_only_one_and_required(choice):
    sent = body(tools=[tool(), tool("time")], tool_choice=choice)
    assert (sent["tools"], sent["tool_choice"]) == ([tool("time")], "REQUIRED")


def test_a_choice_without_tools_is_not_sent():
    assert "tool_choice" not in body(tool_choice="none")


def test_a_tool_that_is_not_there_cannot_be_chosen():
    with pytest.raises(UnfitError, match="'nothing'"):
        body(tools=[tool()], tool_choice="nothing")


def test_tools_of_other_kinds_are_refused():
    with pytest.raises(UnfitError, match="web_search"):
        body(tools=[{"type": "web_search"}])


# ---- structured output


def test_a_schema_stands_in_json_mode():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema, "strict": True}}
    assert body(response_format=form)["response_format"] == {"type": "json_object", "json_schema": schema}
    assert body(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}
    assert "response_format" not in body(response_format={"type": "text"})


def test_tools_and_a_response_format_do_not_go_together():
    with pytest.raises(UnfitError, match="no response_format together with tools"):
        body(tools=[tool()], response_format={"type": "json_object"})
    assert body(tools=[tool()], response_format={"type": "text"})["tools"]


def test_tools_that_may_not_be_called_give_way_to_a_response_format():
    written = body(tools=[tool()], tool_choice="none", response_format={"type": "json_object"})
    assert written["response_format"] == {"type": "json_object"}
    assert written.keys().isdisjoint({"tools", "tool_choice", "strict_tools"})


def test_an_unknown_response_format_is_refused():
    with pytest.raises(UnfitError, match="grammar"):
        body(response_format={"type": "grammar"})


# ---- params


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"top_p": 0.5, "top_k": 9, "seed": 1}, {"p": 0.5, "k": 9, "seed": 1}),
        ({"stop": "."}, {"stop_sequences": ["."]}),
        ({"stop": [".", "!"]}, {"stop_sequences": [".", "!"]}),
        ({"stop": []}, {}),
        ({"temperature": 1.7, "top_p": 1, "top_k": 900}, {"temperature": 1.0, "p": 0.99, "k": 500}),
        ({"presence_penalty": -1.5, "frequency_penalty": 2}, {"frequency_penalty": 1.0}),
        ({"presence_penalty": 0, "frequency_penalty": 0.0}, {}),
        ({"n": 1, "logit_bias": {}, "user": "u", "metadata": {}, "parallel_tool_calls": False}, {}),
        ({"prompt_cache_retention": "24h", "prompt_cache_key": "k", "modalities": ["text"], "top_logprobs": 0}, {}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True}),
        ({"seed": None, "stream_options": {"include_usage": True}}, {}),
        ({"model": "other", "stream": True, "messages": []}, {}),
        (
            {"safety_mode": "STRICT", "documents": [{"data": {}}]},
            {"safety_mode": "STRICT", "documents": [{"data": {}}]},
        ),
        ({"thinking": {"type": "enabled", "token_budget": 9}}, {"thinking": {"type": "enabled", "token_budget": 9}}),
    ],
)
def test_params_in_coheres_words_and_scales(params, sent):
    written = body(params=params)
    assert written == {"model": "command-x", "messages": [USER], "stream": False, **sent}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"n": 2}, "n is 2"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"stop": list("abcdef")}, "at most 5"),
    ],
)
def test_params_that_would_be_lost_are_refused(params, why):
    with pytest.raises(UnfitError, match=why):
        body(params=params)


@pytest.mark.parametrize(
    ("effort", "kind"), [("none", "disabled"), ("minimal", "disabled"), ("low", "enabled"), ("high", "enabled")]
)
def test_an_effort_turns_thinking_on_or_off(effort, kind):
    assert body(params={"reasoning_effort": effort})["thinking"] == {"type": kind}


def test_a_model_that_is_known_not_to_reason_is_not_told_of_it():
    plain = Model("command-x", capabilities=frozenset({"tools"}))
    assert "thinking" not in body(model=plain, params={"reasoning_effort": "high"})
    able = Model("command-x", capabilities=frozenset({"reasoning"}))
    assert body(model=able, params={"reasoning_effort": "high"})["thinking"] == {"type": "enabled"}
