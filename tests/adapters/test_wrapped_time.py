"""Time, for the adapter of chat models that live in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.adapters.conftest import deployment
from tests.virtual_time import in_virtual_time

pytest.importorskip("langchain_core")

from dataclasses import replace

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from rotor_core import ProviderError
from rotor_core._health import Timeouts
from rotor_core._request import Request
from rotor_langchain import wrapped_adapter
from rotor_langchain.wrapped_adapter import LangChainAdapter


class Slow(BaseChatModel):
    """Plays its steps: seconds to wait, or text to say. `sleep`: how a blocking call waits."""

    steps: list[Any]
    sleep: Any = time.sleep
    closed: list[bool] = []

    @property
    def _llm_type(self) -> str:
        return "slow"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        self.sleep(sum(step for step in self.steps if isinstance(step, float)))
        return ChatResult(generations=[ChatGeneration(message=AIMessage("late"))])

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        for step in self.steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, Exception):
                raise step
        return ChatResult(generations=[ChatGeneration(message=AIMessage("hello"))])

    def _stream(self, *_: Any, **__: Any) -> Any:
        for step in self.steps:
            if isinstance(step, float):
                self.sleep(step)
            else:
                yield ChatGenerationChunk(message=AIMessageChunk(step))

    async def _astream(self, *_: Any, **__: Any) -> Any:
        try:
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield ChatGenerationChunk(message=AIMessageChunk(step))
        finally:
            self.closed.append(True)


def at(*steps: Any, **more: Any) -> Any:
    return replace(deployment("http://model.invalid"), handle=Slow(steps=list(steps), closed=[], **more))


async def failure_of(doing: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await doing
    assert caught.value.request_sent
    return caught.value


ASK = Request([], source="hi")
ADAPTER = LangChainAdapter()


async def astream(where: Any, timeouts: Timeouts) -> list[str]:
    return [chunk.text async for chunk in ADAPTER.astream(where, ASK, timeouts=timeouts)]


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Read what a model of these steps says; its waits pass at once."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def read(*steps: Any, timeouts: Timeouts) -> list[str]:
        return [chunk.text for chunk in ADAPTER.stream(at(*steps, sleep=sleep), ASK, timeouts=timeouts)]

    monkeypatch.setattr(wrapped_adapter, "time", SimpleNamespace(monotonic=lambda: now))
    return read


@in_virtual_time
async def test_a_call_is_cut_off():
    error = await failure_of(ADAPTER.acall(at(30.0), ASK, timeout=0.1))
    assert error.failure.kind == "timeout"
    assert "within 0.1 s (total timeout)" in str(error)
    assert asyncio.get_running_loop().time() == pytest.approx(0.1)


@in_virtual_time
async def test_a_models_own_timeout_is_told_as_its_own():
    with pytest.raises(ProviderError, match="TimeoutError: mine") as caught:
        await ADAPTER.acall(at(TimeoutError("mine")), ASK, timeout=9.0)
    assert caught.value.failure.kind == "timeout"


@pytest.mark.parametrize(
    ("steps", "timeouts", "which", "after"),
    [
        ((30.0,), Timeouts(0.1, 9.0, 9.0), "first-chunk", 0.1),
        (("", 0.05, "", 30.0), Timeouts(0.15, 9.0, 9.0), "first-chunk", 0.15),
        (("a", 30.0), Timeouts(9.0, 0.1, 9.0), "between", 0.1),
        (("a", 0.05, "b", 30.0), Timeouts(9.0, 9.0, 0.15), "total", 0.15),
    ],
)
@in_virtual_time
async def test_a_stream_is_cut_off_and_says_by_which(steps, timeouts, which, after):
    where = at(*steps)
    error = await failure_of(astream(where, timeouts))
    assert error.failure.kind == "timeout"
    assert which in str(error)
    assert asyncio.get_running_loop().time() == pytest.approx(after)
    assert where.handle.closed


@in_virtual_time
async def test_who_leaves_a_stream_early_closes_the_models():
    where = at("a", "b")
    chunks = ADAPTER.astream(where, ASK, timeouts=Timeouts(9.0, 9.0, 9.0))
    assert (await anext(chunks)).text == "a"
    await chunks.aclose()
    assert where.handle.closed


@in_virtual_time
async def test_a_stream_in_time_is_whole():
    assert "".join(await astream(at("a", 0.01, "b"), Timeouts(9.0, 9.0, 9.0))) == "ab"


def test_a_blocking_call_is_taken_however_late():
    # The wait is real: who would cut it off could do so by any clock.
    assert ADAPTER.call(at(0.05), ASK, timeout=0.01).text == "late"


def test_late_content_of_a_blocking_stream_is_taken_and_late_emptiness_is_not(stream: Callable[..., list[str]]):
    assert "".join(stream(0.1, "a", 0.1, "b", timeouts=Timeouts(0.01, 0.01, 9.0))) == "ab"
    with pytest.raises(ProviderError, match="first-chunk"):
        stream(0.1, "", "a", timeouts=Timeouts(0.01, 9.0, 9.0))
    with pytest.raises(ProviderError, match="between"):
        stream("a", 0.1, "", "b", timeouts=Timeouts(9.0, 0.01, 9.0))


def test_a_blocking_stream_ends_at_its_total(stream: Callable[..., list[str]]):
    with pytest.raises(ProviderError, match="total"):
        stream("a", 0.1, "b", timeouts=Timeouts(9.0, 9.0, 0.05))
