"""Rotor as a provider of LiteLLM's: `rotor/fast` from litellm's own functions, over real HTTP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import litellm
import pytest
from tests.litellm.doors import ADD, TOWN, opened, over, tools_work
from tests.litellm.made import HELLO

from rotor_core.sandbox import Sandbox
from rotor_litellm.provider import RotorProvider


@pytest.fixture
def rotor(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RotorProvider]:
    monkeypatch.delenv("ROTOR_STORE")
    with opened(over(box)) as provider:
        yield provider


@pytest.mark.parametrize("model", ["rotor/fast", "rotor/auto", "rotor/one/m"])
async def test_a_pool_answers_as_a_model(rotor: RotorProvider, model: str):
    answer = await litellm.acompletion(model=model, messages=HELLO, max_tokens=20)
    blocking = await asyncio.to_thread(litellm.completion, model=model, messages=HELLO, max_tokens=20)

    for one in (answer, blocking):
        assert one.choices[0].message.content
        assert one.usage.total_tokens > 0
        assert one.model in {"one/m", "two/m"}
        assert one._hidden_params["rotor"]["attempts"] == 1


async def test_it_fails_over_and_says_so(box: Sandbox, rotor: RotorProvider):
    box.fault(503, provider="one", times=10)
    stories = [
        (await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=5))._hidden_params for _ in range(3)
    ]

    assert {s["rotor"]["provider"] for s in stories} == {"two"}
    assert any(v == "two" for k, v in stories[0]["additional_headers"].items() if k.endswith("x-rotor-provider"))


async def test_a_stream_comes_in_pieces_and_ends_with_its_usage(rotor: RotorProvider):
    stream = await litellm.acompletion(
        model="rotor/fast", messages=HELLO, max_tokens=30, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    said = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert len(said) > 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] in (
        ["stop"],
        ["length"],
    )
    assert next(c.usage for c in reversed(chunks) if getattr(c, "usage", None)).completion_tokens > 0


def test_a_blocking_stream(rotor: RotorProvider):
    chunks = list(litellm.completion(model="rotor/fast", messages=HELLO, max_tokens=30, stream=True))

    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


@tools_work
async def test_tools_are_called_whole_and_in_pieces(rotor: RotorProvider):
    asked: dict[str, Any] = {
        "model": "rotor/fast",
        "messages": [{"role": "user", "content": "Use add to add 1 and 2."}],
        "tools": [ADD],
    }

    whole = await litellm.acompletion(**asked)
    chunks = [c async for c in await litellm.acompletion(**asked, stream=True)]

    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.tool_calls[0].function.name == "add"
    rebuilt = litellm.stream_chunk_builder(chunks)
    assert rebuilt.choices[0].message.tool_calls[0].function.name == "add"
    assert rebuilt.choices[0].finish_reason == "tool_calls"


async def test_structured_output(rotor: RotorProvider):
    answer = await litellm.acompletion(model="rotor/fast", messages=HELLO, response_format=TOWN)

    assert '"name"' in answer.choices[0].message.content


async def test_an_unknown_pool_is_not_found_and_the_nearest_is_named(rotor: RotorProvider):
    with pytest.raises(litellm.NotFoundError, match="did you mean 'fast'") as caught:
        await litellm.acompletion(model="rotor/fest", messages=HELLO)

    assert "configuration" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (401, litellm.AuthenticationError),
        (503, litellm.ServiceUnavailableError),
        (429, litellm.RateLimitError),
        (500, litellm.InternalServerError),
    ],
)
async def test_when_all_fail_the_error_is_litellms_and_tells_the_story(
    box: Sandbox, rotor: RotorProvider, fault: int, error: type[Exception]
):
    box.fault(fault)

    with pytest.raises(error) as caught:
        await litellm.acompletion(model="rotor/fast", messages=HELLO, max_retries=0)

    assert "one/m" in str(caught.value)
    assert "two/m" in str(caught.value)
    assert box.key("one") not in str(caught.value)


async def test_a_stream_that_breaks_raises_litellms_error(box: Sandbox, rotor: RotorProvider):
    box.fault("cut", after=3)

    with pytest.raises(litellm.ServiceUnavailableError):
        async for _ in await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=60, stream=True):
            pass


async def test_leaving_a_stream_early_leaves_nothing_in_flight(rotor: RotorProvider):
    stream: Any = await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=200, stream=True)
    await anext(stream)
    await stream.completion_stream.aclose()

    engine = rotor.engine._engine
    assert engine is not None
    assert engine.health.in_flight == 0
