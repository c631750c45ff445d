"""Calls that are cancelled and streams that are left, at random points, blocking and not: no reservation outlives its lease."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import litellm
import pytest
from litellm.integrations.custom_logger import CustomLogger
from tests.litellm.leaving import SPEC, aleft_soon, cancelled, expire, left, left_blocking, left_soon, made
from tests.litellm.made import HELLO, entry, free, router

import rotor_litellm
from rotor_core._errors import StoreError
from rotor_core.sandbox import Sandbox
from rotor_litellm.trail import Held, _lost, asweep, note, noted, sweep, under_way

CALLS = 80


@pytest.fixture(autouse=True)
def nothing_lost_before() -> None:
    """What others lost is let go of now, and not where something is counted here."""
    gc.collect()
    sweep()


@pytest.fixture(scope="module")
def house() -> Iterator[Sandbox]:
    with Sandbox(SPEC) as box:
        yield box


@pytest.mark.parametrize("seed", [1, 2])
async def test_calls_cut_off_anywhere_leave_nothing(house: Sandbox, seed: int):
    house.reset()
    r, strategy = made(house, "1s")

    how = await cancelled(r, CALLS, 30, seed)

    assert how.total() == CALLS
    assert await aleft_soon(strategy) == {}


def test_blocking_calls_that_time_out_and_streams_that_are_left_leave_nothing(house: Sandbox):
    house.reset()
    r, strategy = made(house, "1s")

    how = left_blocking(r, CALLS, 6, 3)

    assert how.total() == CALLS
    assert left_soon(strategy) == {}


class Objects(CustomLogger):
    """Refuses one call between its choice and its sending."""

    done = False

    async def async_pre_call_check(self, deployment: Any, parent_otel_span: Any) -> Any:
        if not self.done:
            self.done = True
            raise litellm.BadRequestError("not this one", "m", "openai")
        return deployment


async def test_the_next_request_of_a_task_does_not_wait_for_what_the_one_before_chose_and_did_not_call(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"concurrent": 1}])), disable_cooldowns=True, num_retries=0)
    strategy = rotor_litellm.install(r)
    litellm.callbacks.append(Objects())
    with pytest.raises(litellm.BadRequestError, match="not this one"):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    await r.acompletion(model="lab", messages=HELLO, max_tokens=5, metadata={"rotor": {"max_wait": 0}})

    assert await aleft_soon(strategy) == {}


async def test_a_request_that_chooses_twice_in_a_row_with_keys_of_its_own_holds_one(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"concurrent": 1}])), disable_cooldowns=True, num_retries=0)
    strategy = rotor_litellm.install(r)

    async def several() -> None:
        for _ in range(2):  # LiteLLM calls a deployment of its own making, which nobody chose
            await r.acompletion(
                model="lab",
                messages=HELLO,
                max_tokens=5,
                api_key=box.key("one", 2),
                metadata={"rotor": {"max_wait": 0}},
            )

    await asyncio.create_task(several())

    assert left(strategy).get("reservations", 0) <= 1  # the last one, until another begins or it expires


async def test_what_is_never_told_of_is_over_when_its_lease_is(house: Sandbox):
    house.reset()
    r, strategy = made(house, "1s")
    kept = [await r.acompletion(model="well", messages=HELLO, max_tokens=10, stream=True) for _ in range(5)]
    assert left(strategy) == {"reservations": 5, "in flight": 5, "followed": 5}

    assert expire(strategy) == {}
    assert kept


async def test_a_choice_whose_request_ends_before_its_call_is_given_back_whole(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"requests": 5, "per": "day"}])))
    strategy = rotor_litellm.install(r)

    async def chooses_and_does_not_call() -> None:
        await r.async_get_available_deployment(model="lab", request_kwargs={"metadata": {"model_group": "lab"}})

    await asyncio.create_task(chooses_and_does_not_call())

    assert await aleft_soon(strategy) == {}
    assert strategy.rotor.status()["deployments"][0]["limits"][0]["used"] == 0


async def chosen(r: Any, **kwargs: Any) -> str:
    """The deployment of a choice that is not called."""
    asked = {"metadata": {"model_group": "lab"}, **kwargs}
    return (await r.async_get_available_deployment(model="lab", request_kwargs=asked))["model_info"]["id"]


async def test_what_one_chose_and_did_not_call_is_nobodys_who_is_begun_after_it(box: Sandbox):
    """Each of these tasks finds the trail of the first choice in its context, and a client's own trace id in common."""
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    await chosen(r, litellm_trace_id="ours")

    await asyncio.gather(*(asyncio.create_task(chosen(r, litellm_trace_id="ours")) for _ in range(2)))

    assert left(strategy)["reservations"] == 3


async def test_a_choice_is_of_one_ledger(box: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """Two routers, each with a ledger of its own, may know their deployments by equal names."""
    first = router(entry(box, "one", rotor=free()))
    before = rotor_litellm.install(first)
    await chosen(first)
    monkeypatch.setenv("ROTOR_STORE", "memory://another")
    second = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(second)

    await chosen(second)
    await asweep()

    assert left(strategy)["reservations"] == 1
    assert left(before) == {}


async def test_a_choice_that_has_expired_is_made_anew(box: Sandbox):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    await chosen(r)
    await chosen(r)
    assert left(strategy)["reservations"] == 1

    expire(strategy, for_good=True)
    await chosen(r)

    assert left(strategy)["reservations"] == 1


def loses_one(r: Any) -> None:
    """A choice that nobody calls, in a context that is gone."""

    async def chooses() -> None:
        await r.async_get_available_deployment(model="lab", request_kwargs={"metadata": {"model_group": "lab"}})

    asyncio.run(chooses())
    gc.collect()


async def test_on_an_event_loop_what_was_lost_is_settled_without_blocking_it(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    await asyncio.to_thread(loses_one, r)
    store = strategy.rotor._live.store

    def blocking(*_: Any, **__: Any) -> None:
        raise AssertionError("the loop was blocked")

    monkeypatch.setattr(type(store), "settle", blocking)
    settled = []

    async def awaited(_: Any, ident: str, *__: Any, **___: Any) -> tuple[()]:
        settled.append(ident)
        return ()

    monkeypatch.setattr(type(store), "asettle", awaited)
    await asweep()

    assert len(settled) == 1
    assert under_way() == 0


async def test_a_store_that_is_away_does_not_fail_a_request_that_finds_what_others_lost(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    await asyncio.to_thread(loses_one, r)
    await asyncio.to_thread(loses_one, r)

    def away(*_: Any, **__: Any) -> None:
        raise StoreError("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(type(strategy.rotor._live.store), "settle", away)
        sweep()
        await asyncio.to_thread(loses_one, r)
        await asweep()

    assert strategy.rotor._live.health.in_flight == 0


def held_until(instant: float) -> Held:
    """A call of another engine, whose clock stands still at nought."""
    engine: Any = SimpleNamespace(store=SimpleNamespace(now=lambda: 0.0))
    reservation: Any = SimpleNamespace(expires_at=instant, deployment="d", id="r")
    nothing: Any = None
    return Held(engine, nothing, nothing, reservation, "d", 0.0, 1, streamed=False)


def test_a_call_that_is_over_is_not_looked_for(box: Sandbox):
    held = held_until(-1.0)
    assert held.end()

    note(held, "late")

    assert noted("late", "d") is None
    assert under_way() == 0


def test_expired_calls_are_looked_for_while_other_threads_begin_and_end_theirs():
    switching, troubles, gate = sys.getswitchinterval(), [], threading.Barrier(4)

    def works(which: int) -> None:
        gate.wait()
        try:
            for n in range(3000):
                held = held_until(1.0)
                note(held, f"{which}-{n}")
                assert not list(_lost())
                held.end()
        except Exception as error:
            troubles.append(error)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=works, args=(which,)) for which in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switching)

    assert troubles == []
    assert under_way() == 0
