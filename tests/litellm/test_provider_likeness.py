"""An answer of `rotor/...` beside the one that LiteLLM itself gets from the same endpoint: what its users look at is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import litellm
import pytest
from litellm.integrations.custom_logger import CustomLogger
from tests.litellm.doors import ADD, directly, opened, over, tools_work
from tests.litellm.made import HELLO
from tests.waiting import until

from rotor_core._outcome import Answer, Chunk, ToolCall, ToolCallDelta
from rotor_core.sandbox import Sandbox
from rotor_litellm.answers import Pieces, answered
from rotor_litellm.asked import request_of
from rotor_litellm.provider import RotorProvider

LAB: dict[str, Any] = {
    "providers": {
        "one": {
            "keys": ["one-secret-key"],
            "models": {
                "m": {
                    "context": 32000,
                    "capabilities": ["tools", "json_schema", "vision"],
                    "price": {"input": 1, "output": 2},
                }
            },
        }
    }
}
PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ],
    }
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Sandbox]:
    with Sandbox(LAB) as box:
        yield box


@pytest.fixture
def rotor(lab: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RotorProvider]:
    monkeypatch.delenv("ROTOR_STORE")
    with opened(over(lab, pools={"fast": ["one/m"]})) as provider:
        yield provider


def both(lab: Sandbox) -> tuple[dict[str, Any], dict[str, Any]]:
    return directly(lab), {"model": "rotor/fast"}


def same_tokens(one: Any, other: Any) -> bool:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return all(getattr(one, name) == getattr(other, name) > 0 for name in names)


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": HELLO, "max_tokens": 10},
        {"messages": HELLO, "max_completion_tokens": 10, "seed": 3, "temperature": 0.1, "stop": ["x"]},
        {"messages": PICTURE, "max_tokens": 10},
        {"messages": HELLO, "max_tokens": 10, "user": "ann", "metadata": {"a": 1}, "max_retries": 0, "timeout": 20},
        {"messages": HELLO, "max_tokens": 10, "extra_body": {"unheard_of": 3}, "never_heard_of": 4},
    ],
)
async def test_a_whole_answer(lab: Sandbox, rotor: RotorProvider, asked: dict[str, Any]):
    theirs, ours = [await litellm.acompletion(**door, **asked) for door in both(lab)]

    assert ours.choices[0].message.content == theirs.choices[0].message.content
    assert ours.choices[0].finish_reason == theirs.choices[0].finish_reason
    assert same_tokens(ours.usage, theirs.usage)
    assert ours.usage.prompt_tokens_details.cached_tokens == 0
    assert ours.usage.completion_tokens_details.reasoning_tokens == 0
    assert ours.id.startswith("chatcmpl-sandbox")
    assert ours.model == "one/m"


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_stream(lab: Sandbox, rotor: RotorProvider, blocking: bool):
    asked: dict[str, Any] = {
        "messages": HELLO, "max_tokens": 12, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    if blocking:
        theirs, ours = [list(litellm.completion(**door, **asked)) for door in both(lab)]
    else:
        theirs, ours = [[c async for c in await litellm.acompletion(**door, **asked)] for door in both(lab)]

    def text(chunks: list[Any]) -> str:
        return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)

    assert text(ours) == text(theirs)
    assert same_tokens(ours[-1].usage, theirs[-1].usage)
    ended = [[c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] for chunks in (ours, theirs)]  # fmt: skip
    assert ended[0] == ended[1] == ["length"]
    assert len({c.id for c in ours}) == len({c.created for c in ours}) == len({c.model for c in ours}) == 1
    assert ours[0].id.startswith("chatcmpl-sandbox")
    assert [c.choices[0].delta.role for c in ours if c.choices].count("assistant") == 1
    assert same_tokens(litellm.stream_chunk_builder(ours).usage, theirs[-1].usage)


@tools_work
@pytest.mark.parametrize("stream", [False, True])
async def test_calls_of_tools(lab: Sandbox, rotor: RotorProvider, stream: bool):
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": "Use add to add 1 and 2."}], "tools": [ADD]}
    answers = [await litellm.acompletion(**door, **asked, stream=stream) for door in both(lab)]
    if stream:
        answers = [litellm.stream_chunk_builder([c async for c in answer]) for answer in answers]
    theirs, ours = [answer.choices[0] for answer in answers]

    assert ours.finish_reason == theirs.finish_reason == "tool_calls"
    assert ours.message.tool_calls[0].function == theirs.message.tool_calls[0].function
    assert ours.message.tool_calls[0].id.startswith("call_")
    assert not ours.message.content

    said = {"role": "tool", "tool_call_id": ours.message.tool_calls[0].id, "content": "3"}
    more = await litellm.acompletion(model="rotor/fast", messages=[*asked["messages"], ours.message, said], tools=[ADD])
    assert "3" in more.choices[0].message.content


async def test_what_it_cost_is_known_to_litellm_of_streams_too(lab: Sandbox, rotor: RotorProvider):
    costs: dict[str, float] = {}

    class Books(CustomLogger):
        async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
            costs[kwargs["litellm_call_id"]] = kwargs["response_cost"]

    litellm.callbacks.append(Books())
    asked: dict[str, Any] = {"model": "rotor/fast", "messages": HELLO, "max_tokens": 10}
    whole = await litellm.acompletion(**asked, litellm_call_id="whole")
    chunks = [c async for c in await litellm.acompletion(**asked, stream=True, litellm_call_id="in-pieces")]
    await until(lambda: {"whole", "in-pieces"} <= costs.keys())

    price = (whole.usage.prompt_tokens + 2 * whole.usage.completion_tokens) / 1e6
    assert costs["whole"] == pytest.approx(price)
    assert costs["in-pieces"] == pytest.approx(price)
    assert litellm.completion_cost(whole) == whole._hidden_params["response_cost"] == pytest.approx(price)
    assert litellm.completion_cost(litellm.stream_chunk_builder(chunks)) == pytest.approx(price)


async def test_litellm_is_told_what_models_and_pools_can_do(rotor: RotorProvider):
    assert rotor.engine.catalog

    for name in ("rotor/fast", "rotor/auto", "rotor/one/m"):
        assert litellm.supports_function_calling(name)
        assert litellm.supports_vision(name)
        assert not litellm.supports_reasoning(name)
        assert litellm.get_model_info(name)["max_input_tokens"] == 32000


async def test_another_engines_figures_take_the_place_of_the_ones_before(lab: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROTOR_STORE")
    for price in (1.0, 3.0):
        config = over(lab, pools={"fast": ["one/m"]})
        config["providers"]["one"]["models"]["m"]["price"] = {"input": price, "output": price}
        with opened(config) as provider:
            assert provider.engine.catalog
            assert litellm.get_model_info("rotor/one/m")["input_cost_per_token"] == pytest.approx(price / 1e6)


async def test_what_somebody_else_registered_under_the_same_name_stays(lab: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROTOR_STORE")
    monkeypatch.setitem(litellm.model_cost, "rotor/fast", {"max_input_tokens": 7})
    with opened(over(lab, pools={"fast": ["one/m"]})) as provider:
        assert provider.engine.catalog

        assert litellm.get_model_info("rotor/fast")["max_input_tokens"] == 7
        assert litellm.supports_vision("rotor/fast")


async def test_a_router_over_it_takes_nothing_away(lab: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROTOR_STORE")
    with opened(over(lab, pools={"fast": ["one/m"]})):
        r = litellm.Router([{"model_name": "ours", "litellm_params": {"model": "rotor/fast"}}])
        answer = await r.acompletion(model="ours", messages=HELLO, max_tokens=5)

        assert answer._hidden_params["response_cost"] > 0
        assert litellm.completion_cost(answer) == answer._hidden_params["response_cost"]
        assert litellm.supports_vision("rotor/fast")


async def test_what_a_later_configuration_says_is_known_from_then_on(lab: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROTOR_STORE")
    told = []
    for capabilities in (["tools"], ["vision"]):
        config = over(lab, pools={"fast": ["one/m"]})
        config["providers"]["one"]["models"]["m"]["capabilities"] = capabilities
        with opened(config) as provider:
            assert provider.engine.catalog
            told.append((litellm.supports_function_calling("rotor/fast"), litellm.supports_vision("rotor/fast")))

    assert told == [(True, False), (False, True)]


async def test_also_where_a_router_has_written_down_what_was_known_before(
    lab: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    """It lists all that LiteLLM could know of the model, most of it as None: nobody's word against ours."""
    monkeypatch.delenv("ROTOR_STORE")
    for capabilities in (["tools"], ["vision"]):
        config = over(lab, pools={"fast": ["one/m"]})
        config["providers"]["one"]["models"]["m"]["capabilities"] = capabilities
        with opened(config) as provider:
            assert provider.engine.catalog
            litellm.Router([{"model_name": "ours", "litellm_params": {"model": "rotor/fast"}}])
            assert litellm.supports_vision("rotor/fast") is ("vision" in capabilities)
            assert litellm.supports_function_calling("rotor/fast") is ("tools" in capabilities)


async def test_each_piece_of_a_stream_says_who_answers(rotor: RotorProvider):
    chunks = [c async for c in await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=5, stream=True)]

    first = chunks[0]._hidden_params
    assert first["rotor"]["model"] == "one/m"
    assert first["rotor"]["attempts"] == 1
    assert first["additional_headers"]["x-rotor-provider"] == "one"


async def test_other_chat_endpoints_are_answered(rotor: RotorProvider):
    text = await litellm.atext_completion(model="rotor/fast", prompt="Hello", max_tokens=5)
    message = await litellm.anthropic_messages(model="rotor/fast", messages=HELLO, max_tokens=5)

    assert text.choices[0].text
    assert text.usage.completion_tokens == 5
    assert message["content"][0]["text"]
    assert message["usage"]["output_tokens"] == 5


@tools_work
async def test_responses_are_answered(rotor: RotorProvider):
    answer = await litellm.aresponses(model="rotor/fast", input="Hello", max_output_tokens=5)
    events = [
        e async for e in await litellm.aresponses(model="rotor/fast", input="Hello", max_output_tokens=5, stream=True)
    ]

    assert answer.usage.output_tokens == 5
    assert events[-1].type == "response.incomplete"  # cut off after five tokens, as asked
    assert events[-1].response.usage.output_tokens == 5


async def test_what_a_provider_wants_back_with_a_tool_call_travels_with_it(rotor: RotorProvider):
    extra = {"google": {"thought_signature": "x"}}
    result = await rotor.engine.achat(HELLO, model="fast")
    result = replace(result, answer=Answer("", (ToolCall("a", "add", "{}", extra),)))

    whole = answered(litellm.ModelResponse(), result)
    pieces = Pieces("fast", {})
    parts = [*pieces.of(Chunk(tool_calls=(ToolCallDelta(0, "a", "add", "{}", extra),))), *pieces.last(result)]

    for answer in (whole, litellm.stream_chunk_builder(parts)):
        call = answer.choices[0].message.tool_calls[0]
        assert call.provider_specific_fields == {"extra_content": extra}
        assert answer.choices[0].finish_reason == "tool_calls"
        back = request_of({"model": "fast", "messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]})
        assert back.messages[0]["tool_calls"][0]["extra_content"] == extra
        assert "provider_specific_fields" not in back.messages[0]["tool_calls"][0]


async def test_an_answer_without_a_word_is_empty_and_not_none(rotor: RotorProvider):
    result = replace(await rotor.engine.achat(HELLO, model="fast"), answer=Answer("", reasoning="Hm."))

    message = answered(litellm.ModelResponse(), result).choices[0].message
    assert message.content == ""
    assert message.reasoning_content == "Hm."


async def test_a_stream_of_nothing_but_its_end_is_an_answer(rotor: RotorProvider):
    result = await rotor.engine.achat(HELLO, model="fast")

    parts = list(Pieces("fast", {}).last(result))
    assert parts[0].choices[0].delta.role == "assistant"
    assert parts[-1].choices[0].finish_reason == "stop"
