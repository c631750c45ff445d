"""Streams of `rotor/...`: begun early for the proxy's headers, given up at any point, and never anything left of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import litellm
import pytest
from tests.litellm.doors import held_by, opened, over
from tests.litellm.made import HELLO
from tests.waiting import until

from rotor_core.sandbox import Sandbox
from rotor_litellm.provider import RotorProvider
from rotor_litellm.streams import HEADERS

LIMITS = [{"concurrent": 4}, {"requests": 1000, "per": "day"}, {"tokens": 1_000_000, "per": "day"}]
LAB: dict[str, Any] = {
    "providers": {
        name: {"keys": [f"{name}-secret-key"], "models": {"m": {"context": 32000, "limits": LIMITS}}}
        for name in ("one", "two")
    }
}


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Sandbox]:
    with Sandbox(LAB) as box:
        yield box


@pytest.fixture
def lab(running_lab: Sandbox) -> Iterator[Sandbox]:
    running_lab.reset()
    yield running_lab
    running_lab.release()


@pytest.fixture
def rotor(lab: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RotorProvider]:
    monkeypatch.delenv("ROTOR_STORE")
    with opened(over(lab)) as provider:
        yield provider


async def begun(**more: Any) -> Any:
    """A stream of which the first piece has been read."""
    stream: Any = await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=200, stream=True, **more)
    await anext(stream)
    return stream


async def whole() -> list[Any]:
    """All of a stream's pieces."""
    asked: dict[str, Any] = {"model": "rotor/fast", "messages": HELLO, "max_tokens": 10, "stream": True}
    return [piece async for piece in await litellm.acompletion(**asked)]


async def whole_blocking() -> list[Any]:
    """The same on LiteLLM's blocking path."""
    asked: dict[str, Any] = {"model": "rotor/fast", "messages": HELLO, "max_tokens": 10, "stream": True}
    return await asyncio.to_thread(lambda: list(litellm.completion(**asked)))


def nothing_is_left(provider: RotorProvider) -> bool:
    gc.collect()
    return held_by(provider) == (0, 0)


async def test_a_stream_that_is_closed_leaves_nothing(rotor: RotorProvider):
    stream = await begun()
    assert held_by(rotor)[0] == 1

    await stream.aclose()

    assert held_by(rotor) == (0, 0)


async def test_a_stream_that_is_dropped_leaves_nothing(rotor: RotorProvider):
    streams = [await begun() for _ in range(3)]
    assert held_by(rotor)[0] == 3

    streams.clear()

    await until(lambda: nothing_is_left(rotor))


async def test_a_stream_that_is_never_read_takes_nothing(lab: Sandbox, rotor: RotorProvider):
    await litellm.acompletion(model="rotor/fast", messages=HELLO, stream=True)

    assert lab.summary()["requests"] == 0
    assert held_by(rotor) == (0, 0)


async def test_a_task_that_is_cancelled_while_it_reads_leaves_nothing(lab: Sandbox, rotor: RotorProvider):
    lab.fault("slow", seconds=60.0)
    reading = asyncio.create_task(begun())
    await until(lambda: held_by(rotor)[0] == 1)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    await until(lambda: held_by(rotor) == (0, 0))


async def test_calls_that_are_cancelled_leave_nothing(lab: Sandbox, rotor: RotorProvider):
    lab.fault("hang", seconds=60.0)
    calls = [
        asyncio.create_task(litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=5)) for _ in range(12)
    ]
    await until(lambda: held_by(rotor)[0] == 8)  # as many as may be at once; four wait

    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)

    await until(lambda: held_by(rotor) == (0, 0))


async def test_a_blocking_stream_that_is_dropped_leaves_nothing(rotor: RotorProvider):
    def begun_and_dropped() -> None:
        next(litellm.completion(model="rotor/fast", messages=HELLO, max_tokens=200, stream=True))

    await asyncio.to_thread(begun_and_dropped)

    await until(lambda: nothing_is_left(rotor))  # LiteLLM's logging may hold it for a moment


def test_a_blocking_stream_fails_where_it_is_asked_for(lab: Sandbox, rotor: RotorProvider):
    lab.fault(401)

    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(model="rotor/fast", messages=HELLO, stream=True)


async def test_the_proxy_says_in_its_headers_who_answers_before_a_stream_is_read(lab: Sandbox, rotor: RotorProvider):
    lab.fault(503, provider="one")
    stream: Any = await litellm.acompletion(
        model="rotor/fast", messages=HELLO, max_tokens=10, stream=True, litellm_call_id="call-1"
    )

    told = await HEADERS.async_post_call_response_headers_hook({"litellm_call_id": "call-1"}, None, stream)
    again = await HEADERS.async_post_call_response_headers_hook({"litellm_call_id": "call-1"}, None, stream)
    chunks = [c async for c in stream]

    assert told is not None
    assert told["x-rotor-provider"] == "two"
    assert told["x-rotor-attempts"] in {"1", "2"}
    assert again == told
    assert "".join(c.choices[0].delta.content or "" for c in chunks)
    assert chunks[-1].choices[0].finish_reason in {"stop", "length"}
    assert held_by(rotor) == (0, 0)


async def test_the_proxy_says_it_of_whole_answers_and_nothing_of_others_calls(rotor: RotorProvider):
    answer = await litellm.acompletion(model="rotor/fast", messages=HELLO, max_tokens=5)

    told = await HEADERS.async_post_call_response_headers_hook({}, None, answer)
    other = await HEADERS.async_post_call_response_headers_hook(
        {"litellm_call_id": "no"}, None, litellm.ModelResponse()
    )

    assert told is not None
    assert told["x-rotor-model"] in {"one/m", "two/m"}
    assert other is None


@pytest.mark.parametrize("streamed", [whole, whole_blocking])
async def test_each_piece_says_who_answers_but_the_last_which_litellm_makes(
    rotor: RotorProvider, streamed: Callable[[], Awaitable[list[Any]]]
):
    *pieces, last = await streamed()

    assert len(pieces) > 1
    assert {piece._hidden_params["rotor"]["provider"] for piece in pieces} <= {"one", "two"}
    assert last.choices[0].finish_reason
    assert "rotor" not in last._hidden_params


async def test_what_went_wrong_before_the_headers_is_the_readers(lab: Sandbox, rotor: RotorProvider):
    lab.fault(401)
    stream: Any = await litellm.acompletion(model="rotor/fast", messages=HELLO, stream=True, litellm_call_id="call-2")

    await HEADERS.async_post_call_response_headers_hook({"litellm_call_id": "call-2"}, None, stream)

    with pytest.raises(litellm.AuthenticationError):
        await anext(stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_router_neither_retries_what_has_waited_nor_loses_its_fallback(
    lab: Sandbox, rotor: RotorProvider, stream: bool
):
    rotor._config = over(lab, policy={"max_wait": 0})
    lab.fault(429, retry_after=60.0, provider="one", times=1)
    lab.fault(429, retry_after=60.0, provider="two", times=1)
    other = {"model": "openai/m", "api_base": lab.url("two"), "api_key": lab.key("two")}
    r = litellm.Router(
        [{"model_name": "ours", "litellm_params": {"model": "rotor/fast"}}, {"model_name": "other", "litellm_params": other}],
        num_retries=3, retry_after=0,
    )  # fmt: skip

    async def said(**more: Any) -> str:
        answer: Any = await r.acompletion(model="ours", messages=HELLO, max_tokens=5, stream=stream, **more)
        if not stream:
            return str(answer.choices[0].message.content)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in answer])

    with pytest.raises(litellm.RateLimitError) as caught:
        await said()
    refused = lab.summary()["requests"]
    text = await said(fallbacks=["other"])

    assert refused == 2
    assert int(caught.value.response.headers["retry-after"]) > 50
    assert text
    assert lab.summary()["requests"] == 3
