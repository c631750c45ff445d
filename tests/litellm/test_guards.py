"""How long LiteLLM is told to wait for a call: less than by itself where that is known to be enough, never longer than the user says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import litellm
import pytest
from litellm.integrations.custom_logger import CustomLogger
from tests.litellm.made import HELLO, entry, free, router

import rotor_litellm
from rotor_core._policy.patience import BETWEEN
from rotor_core.sandbox import Sandbox

LEARNED = 30
"""Answers after which it is known how long such calls take."""


class Spy(CustomLogger):
    """What each call is given for a timeout, after Rotor has had its say."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> None:
        self.seen.append(kwargs.get("timeout"))


@pytest.fixture
def spy() -> Iterator[Spy]:
    spy = Spy()
    yield spy
    litellm.callbacks.remove(spy)


async def learned(box: Sandbox, spy: Spy, *, stream: bool) -> Any:
    """A router that knows its deployment as a fast one."""
    r = router(entry(box, "one", rotor=free()))
    rotor_litellm.install(r)
    litellm.callbacks.append(spy)  # after Rotor's
    for _ in range(LEARNED):
        await waits(r, spy, stream=stream)
    return r


async def waits(r: Any, spy: Spy, *, stream: bool, **more: Any) -> Any:
    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5, stream=stream, **more)
    if stream:
        _ = [chunk async for chunk in answer]
    return spy.seen[-1]


async def test_a_whole_answer_is_waited_for_as_long_as_such_answers_take_and_no_part_of_a_users_timeout_is_longer(
    box: Sandbox, spy: Spy
):
    r = await learned(box, spy, stream=False)

    seconds = await waits(r, spy, stream=False)
    mixed = await waits(r, spy, stream=False, timeout=httpx.Timeout(50, connect=0.9, pool=None))

    assert seconds < BETWEEN
    assert mixed.as_dict() == {"connect": 0.9, "read": seconds, "write": seconds, "pool": seconds}
    for said in (0.8, httpx.Timeout(0.8, connect=0.2)):
        assert await waits(r, spy, stream=False, timeout=said) == said


async def test_a_stream_may_pause_between_chunks_however_fast_its_first_one_comes(box: Sandbox, spy: Spy):
    r = await learned(box, spy, stream=True)

    assert await waits(r, spy, stream=True) == BETWEEN
    for said in (0.8, httpx.Timeout(0.8, connect=0.2)):
        assert await waits(r, spy, stream=True, timeout=said) == said
