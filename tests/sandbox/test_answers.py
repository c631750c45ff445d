"""What is answered: a tool call where one is wanted, JSON where it has to be, prose else."""

from __future__ import annotations

import json

import pytest

from rotor_core.sandbox.answers.compose import compose
from rotor_core.sandbox.conversation import Asked, Malformed, Tool
from rotor_core.sandbox.tokens import PromptCache, pieces, prompt_tokens

TEXT = {"type": "string"}


def tool(name, description="", **properties):
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(properties)})


WEATHER = tool("get_weather", "Get the weather.", location=TEXT)
TIME = tool("get_time", "Tells the time in a city.", city=TEXT)
ADD = tool("my_adder", "Adds two integers, a and b.", a={"type": "integer"}, b={"type": "integer"})
MAGIC = tool(
    "magic_function", "Applies magic.", input={"type": "integer", "exclusiveMinimum": -9, "exclusiveMaximum": 9}
)
REPORT = tool("WeatherReport", "", city=TEXT, temperature={"type": "number"})
PING = Tool("ping", "Checks the connection.", {})


def user(said):
    return {"role": "user", "content": said}


def called(name, ident="1"):
    call = {"id": ident, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def result(said, ident="1"):
    return {"role": "tool", "tool_call_id": ident, "content": said}


def ask(said, *tools, messages=None, **more):
    return compose(Asked("m", messages or [user(said)], tuple(tools), **more), (30, 60))


def calls(written):
    return [(c.name, json.loads(c.arguments)) for c in written.calls]


@pytest.mark.parametrize(
    ("said", "tools", "expected"),
    [
        ("What is the weather in San Francisco, CA?", [WEATHER, TIME], [("get_weather", {"location": "San Francisco, CA"})]),
        ("What is 1 + 2", [ADD], [("my_adder", {"a": 1, "b": 2})]),
        ("What is the value of magic_function(3)? Use the tool.", [MAGIC], [("magic_function", {"input": 3})]),
        ("What is the value of ping()? Use the tool.", [PING], [("ping", {})]),
        ("Weather in Paris and London?", [WEATHER], [("get_weather", {"location": "Paris"}), ("get_weather", {"location": "London"})]),
        ("Weather in Paris and the time in Tokyo?", [WEATHER, TIME], [("get_weather", {"location": "Paris"}), ("get_time", {"city": "Tokyo"})]),
        ("Call magic_function(3) and magic_function(5)", [MAGIC], [("magic_function", {"input": 3}), ("magic_function", {"input": 5})]),
        ("Hello!", [WEATHER, ADD], []),
        ("Tell me a story.", [WEATHER], []),
    ],
)  # fmt: skip
def test_left_to_itself_it_calls_what_the_text_speaks_of(said, tools, expected):
    written = ask(said, *tools)
    assert calls(written) == expected
    assert written.finish == ("tool_calls" if expected else "stop")


def test_without_parallel_calls_there_is_one():
    assert calls(ask("Weather in Paris and London?", WEATHER, parallel=False)) == [
        ("get_weather", {"location": "Paris"})
    ]


def test_none_means_text_and_required_means_a_call():
    assert ask("Weather in Paris?", WEATHER, choice="none").text
    assert calls(ask("Hello!", MAGIC, WEATHER, choice="required"))[0][0] in {"magic_function", "get_weather"}


def test_a_tool_that_is_named_is_called():
    assert calls(ask("Hello!", WEATHER, MAGIC, choice="required", forced="magic_function"))[0][0] == "magic_function"


def test_after_a_result_it_answers_with_it():
    written = ask("", WEATHER, messages=[user("Weather in Paris?"), called("get_weather"), result("Sunny, 21 degrees")])
    assert (written.calls, written.text) == ((), "get_weather says: Sunny, 21 degrees.")


def test_a_result_that_is_an_error_is_told_too():
    written = ask("", ADD, messages=[user("What is 1 + 2"), called("my_adder"), result("Error: no b")])
    assert written.text == "my_adder says: Error: no b."


def test_an_older_result_does_not_answer_a_new_question():
    history = [
        user("Weather in Paris?"),
        called("get_weather"),
        result("Sunny"),
        {"role": "assistant", "content": "Sunny."},
    ]
    assert calls(ask("", WEATHER, messages=[*history, user("And the weather in Rome?")])) == [
        ("get_weather", {"location": "Rome"})
    ]


def test_structured_output_by_tools_calls_the_tool_first_and_then_the_form():
    question = user("What is the weather in Paris?")
    assert calls(ask("", WEATHER, REPORT, messages=[question], choice="required"))[0][0] == "get_weather"
    later = [question, called("get_weather"), result("Sunny, 21 degrees")]
    assert calls(ask("", WEATHER, REPORT, messages=later, choice="required")) == [
        ("WeatherReport", {"city": "Paris", "temperature": 21})
    ]


def test_a_loop_that_forces_calls_ends_in_the_form_again_and_again():
    history = [
        user("Weather in Paris?"),
        called("get_weather"),
        result("Sunny"),
        called("WeatherReport", "2"),
        result("Error", "2"),
    ]
    assert calls(ask("", WEATHER, REPORT, messages=history, choice="required"))[0][0] == "WeatherReport"


def test_an_agent_comes_to_an_end_whatever_its_tools():
    messages, tools = [user("Weather and time and sum of 1 and 2 in Paris and Rome, then again?")], [WEATHER, TIME, ADD]
    for turn in range(10):
        written = ask("", *tools, messages=messages)
        if not written.calls:
            break
        for n, c in enumerate(written.calls):
            ident = f"{turn}-{n}"
            messages += [called(c.name, ident), result("done", ident)]
    assert written.text
    assert turn <= len(tools)


def test_text_is_about_what_was_asked_and_the_same_each_time():
    assert "cats" in ask("Tell me a joke about cats.").text
    assert ask("Why is the sky blue?") == ask("Why is the sky blue?")
    assert ask("Why is the sky blue?").text != ask("Why is the sea blue?").text


def test_an_answer_is_as_long_as_the_model_writes():
    for said in ("one", "two", "three", "four"):
        assert 30 <= ask(said).completion_tokens < 100


def test_max_tokens_cuts_and_says_so():
    written = ask("Why is the sky blue?", max_tokens=5)
    assert (len(pieces(written.text)), written.finish, written.completion_tokens) == (5, "length", 5)


def test_a_stop_sequence_ends_the_text_before_it():
    written = ask("Why is the sky blue?", stop=("never there", "speaking"))
    assert written.text == "This is the sandbox "
    assert written.finish == "stop"


def test_max_tokens_cuts_through_a_tool_call():
    written = ask("Weather in San Francisco, CA?", WEATHER, max_tokens=9)
    assert written.finish == "length"
    assert written.completion_tokens <= 9
    with pytest.raises(json.JSONDecodeError):
        json.loads(written.calls[0].arguments)


def test_reasoning_comes_first_and_counts():
    written = ask("Why is the sky blue?", think="high")
    assert written.thoughts
    assert written.reasoning_tokens >= 60
    assert written.completion_tokens == written.reasoning_tokens + len(pieces(written.text))
    short = ask("Why is the sky blue?", think="high", max_tokens=10)
    assert (short.text, short.finish, short.reasoning_tokens) == ("", "length", 10)
    assert ask("Why?", think="none").thoughts == ""


def test_reasoning_can_stand_in_the_text():
    written = ask("Why?", think="low", thoughts="inline")
    assert written.text.startswith("<think>")
    assert written.thoughts == ""


def test_a_schema_is_filled():
    schema = {
        "type": "object",
        "properties": {"city": TEXT, "degrees": {"type": "integer"}},
        "required": ["city", "degrees"],
    }
    assert json.loads(ask("It has 30 degrees in Rome", shape="schema", schema=schema).text) == {
        "city": "Rome",
        "degrees": 30,
    }


@pytest.mark.parametrize(
    ("said", "keys"),
    [
        ("Answer in JSON with 'setup' and 'punchline' keys.", {"setup", "punchline"}),
        ('JSON like {"name": "x", "age": 3}', {"name", "age"}),
        (
            'Use this JSON schema: {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}',
            {"a"},
        ),
        ("Some JSON, please {not this}", {"answer"}),
    ],
)
def test_json_mode_finds_its_keys_in_the_messages(said, keys):
    assert json.loads(ask(said, shape="json").text).keys() == keys


def test_an_example_gives_the_types_too():
    found = json.loads(ask('JSON like {"n": 3, "b": true, "list": [1.5], "in": {"x": null}}', shape="json").text)
    assert isinstance(found["n"], int)
    assert found["b"] is True
    assert isinstance(found["list"], list)
    assert found["in"] == {"x": None}


def test_a_schema_that_cannot_be_filled_is_the_askers_fault():
    with pytest.raises(Malformed, match=r"\$ref '#/nowhere'"):
        ask("x", shape="schema", schema={"$ref": "#/nowhere"})


def test_several_messages_of_the_user_are_one_question():
    written = ask("", WEATHER, messages=[user("What is the weather"), user("in Oslo?")])
    assert calls(written) == [("get_weather", {"location": "Oslo"})]


def test_text_in_parts_is_read():
    parts = [
        {"type": "text", "text": "What is the weather in Oslo?"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ]
    assert calls(ask("", WEATHER, messages=[user(parts)])) == [("get_weather", {"location": "Oslo"})]


def test_a_conversation_without_a_user_is_answered():
    assert ask("", messages=[{"role": "system", "content": "Speak of trees."}]).text


def test_a_prompt_is_counted_by_its_length_its_messages_and_its_tools():
    short, long = Asked("m", [user("a" * 42)]), Asked("m", [user("a" * 84)])
    assert (prompt_tokens(short), prompt_tokens(long)) == (17, 27)
    assert prompt_tokens(Asked("m", [user("a" * 42)], (WEATHER,))) > 17 + 20
    assert prompt_tokens(Asked("m", [user("汉" * 42)])) > 30
    image = [{"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}}]
    assert prompt_tokens(Asked("m", [user(image)])) == 92


def test_a_long_beginning_is_cached_for_whoever_sent_it():
    cache = PromptCache()
    system = {"role": "system", "content": "word " * 2000}
    first, second = Asked("m", [system, user("one")]), Asked("m", [system, user("two")])
    total = prompt_tokens(first)
    assert cache.cached("k", first, total) == 0
    cached = cache.cached("k", second, total)
    assert cached % 128 == 0
    assert 1024 <= cached < total
    assert cache.cached("other", second, total) == 0
    assert cache.cached("k", Asked("m", [user("short")]), 10) == 0
