"""Limits over many deployments in one process, without Redis: LiteLLM's own counters forget from the 29th deployment on."""

from __future__ import annotations

import asyncio
from typing import Any

import litellm
import pytest
from tests.litellm.counting import ALLOWED, Counting, counted, deployments

import rotor_litellm

MANY = 300
OVER = 50
NO_WAIT = {"version": 1, "policy": {"max_wait": "0s"}}


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Counting:
    monkeypatch.setattr(litellm, "custom_provider_map", [])
    return counted()


async def ask(r: Any) -> bool:
    """Whether it was answered."""
    try:
        await r.acompletion(model="many", messages=[{"role": "user", "content": "hello"}], max_tokens=5)
    except litellm.RateLimitError:
        return False
    return True


async def test_three_hundred_deployments_send_what_they_are_allowed_and_no_more(upstream: Counting):
    r = litellm.Router(model_list=deployments(MANY, rotor=True), num_retries=0)
    strategy = rotor_litellm.install(r, NO_WAIT)

    for _ in range(MANY // OVER * ALLOWED):
        assert all(await asyncio.gather(*(ask(r) for _ in range(OVER))))
    refused = await asyncio.gather(*(ask(r) for _ in range(OVER)))

    assert not any(refused)
    assert set(upstream.asked.values()) == {ALLOWED}
    assert len(upstream.asked) == MANY
    assert strategy.rotor._live.health.in_flight == 0


async def test_keys_that_several_entries_share_are_asked_as_often_as_one(upstream: Counting):
    entries = deployments(20, rotor=True)
    for n, written in enumerate(entries):
        written["litellm_params"]["api_key"] = f"key-{n % 4}"
    r = litellm.Router(model_list=entries, num_retries=0)
    rotor_litellm.install(r, NO_WAIT)

    answered = await asyncio.gather(*(ask(r) for _ in range(OVER)))

    assert sum(answered) == 4 * ALLOWED
    assert upstream.beyond == 0


def test_blocking_calls_from_threads_keep_to_the_same_limits(upstream: Counting):
    r = litellm.Router(model_list=deployments(20, rotor=True), num_retries=0)
    rotor_litellm.install(r, NO_WAIT)

    def blocking() -> bool:
        try:
            r.completion(model="many", messages=[{"role": "user", "content": "hello"}], max_tokens=5)
        except litellm.RateLimitError:
            return False
        return True

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(asyncio.to_thread(blocking) for _ in range(OVER)))

    assert sum(asyncio.run(all_of_them())) == 20 * ALLOWED
    assert upstream.beyond == 0
