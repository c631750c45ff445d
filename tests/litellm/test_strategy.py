"""Rotor as the strategy of a litellm.Router, over real HTTP on loopback: who is chosen, and what is left when calls have ended."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Any

import litellm
import pytest
from litellm.router_utils.fallback_event_handlers import AttemptedFallbackTargets
from tests.litellm.made import HELLO, PAID, by, entry, free, router
from tests.waiting import until

import rotor_litellm
from rotor_core._ledger import AS_RESERVED
from rotor_core.sandbox import Sandbox
from rotor_litellm.fallbacks import goes_on
from rotor_litellm.trail import CURRENT, sweep


def left(strategy: rotor_litellm.RotorStrategy) -> int:
    """Reservations that are open, and calls that health takes to be under way."""
    engine = strategy.rotor._engine
    assert engine is not None
    return len(engine.store._book.open) + engine.health.in_flight  # type: ignore[attr-defined]


async def until_settled(strategy: rotor_litellm.RotorStrategy) -> None:
    """LiteLLM tells of streams' ends from a task of its own."""
    await until(lambda: not left(strategy))


async def test_free_deployments_go_first_and_paid_ones_when_these_are_full(box: Sandbox):
    r = router(
        entry(box, "one", rotor={"price": PAID}), entry(box, "two", rotor=free(limits=[{"requests": 2, "per": "day"}]))
    )
    rotor_litellm.install(r)

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(4)]

    assert [by(a) for a in answers] == ["two-1", "two-1", "one-1", "one-1"]
    assert [a._hidden_params["rotor"]["free"] for a in answers] == [True, True, False, False]


def test_blocking_calls_are_chosen_for_and_settled_alike(box: Sandbox):
    r = router(
        entry(box, "one", rotor={"price": PAID}), entry(box, "two", rotor=free(limits=[{"requests": 1, "per": "day"}]))
    )
    strategy = rotor_litellm.install(r)

    answers = [r.completion(model="lab", messages=HELLO, max_tokens=5) for _ in range(2)]

    assert [by(a) for a in answers] == ["two-1", "one-1"]
    asyncio.run(until_settled(strategy))


async def test_requests_wait_for_capacity_instead_of_failing_and_nobody_is_refused_upstream(box: Sandbox):
    limit = [{"requests": 2, "per": 0.5, "window": "rolling"}]
    r = router(entry(box, "one", rotor=free(limits=limit)))
    strategy = rotor_litellm.install(r)

    answers = await asyncio.gather(*(r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(5)))

    assert max(a._hidden_params["rotor"]["waited_s"] for a in answers) >= 0.5
    assert box.summary()["by_status"] == {"200": 5}
    assert left(strategy) == 0


async def test_a_refusal_says_when_capacity_returns_and_is_litellms_own_error(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"requests": 1, "per": "hour", "window": "rolling"}])))
    strategy = rotor_litellm.install(r)
    await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    with pytest.raises(litellm.RateLimitError) as caught:
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert 3500 < int(caught.value.response.headers["retry-after"]) <= 3602
    assert "one-1" in str(caught.value)
    assert box.summary()["requests"] == 1
    assert left(strategy) == 0


async def test_a_callers_deadline_bounds_the_wait(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"requests": 1, "per": 20, "window": "rolling"}])))
    rotor_litellm.install(r)
    await r.acompletion(model="lab", messages=HELLO, max_tokens=5)
    began = time.monotonic()

    with pytest.raises(litellm.RateLimitError):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5, metadata={"rotor": {"deadline": 0.2}})

    assert time.monotonic() - began < 2


async def test_deployments_of_one_key_share_its_limits(box: Sandbox):
    limit = free(limits=[{"requests": 3, "per": "day"}])
    r = router(
        entry(box, "one", id="a", rotor=limit),
        entry(box, "one", id="b", rotor=limit),
        entry(box, "two", id="rest", rotor={"price": PAID}),
    )
    rotor_litellm.install(r)

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(5)]

    assert sorted(by(a) == "rest" for a in answers) == [False, False, False, True, True]


async def test_rpm_of_litellms_own_is_a_limit(box: Sandbox):
    r = router(
        entry(box, "one", rpm=2, input_cost_per_token=0, output_cost_per_token=0),
        entry(box, "two", rotor={"price": PAID}),
    )
    rotor_litellm.install(r)

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(3)]

    assert [by(a) for a in answers] == ["one-1", "one-1", "two-1"]


@pytest.mark.parametrize("fault", [500, 503, 401, 429, "reset"])
async def test_a_retry_goes_elsewhere_and_knows_what_was_tried(box: Sandbox, fault: Any):
    box.fault(fault, provider="one")
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}))
    strategy = rotor_litellm.install(r)

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert by(answer) == "two-1"
    assert answer._hidden_params["rotor"]["attempts"] == 2
    assert left(strategy) == 0


async def test_a_key_that_was_revoked_is_tried_once(box: Sandbox):
    box.fault(401, provider="one")
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}))
    rotor_litellm.install(r)

    for _ in range(4):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert box.summary()["by_status"] == {"401": 1, "200": 4}


async def test_a_fallback_group_is_asked_without_waiting_in_the_first(box: Sandbox):
    limit = free(limits=[{"requests": 1, "per": 20, "window": "rolling"}])
    r = router(
        entry(box, "one", group="free", rotor=limit),
        entry(box, "two", group="paid", rotor={"price": PAID}),
        fallbacks=[{"free": ["paid"]}],
    )
    rotor_litellm.install(r)
    await r.acompletion(model="free", messages=HELLO, max_tokens=5)
    began = time.monotonic()

    answer = await r.acompletion(model="free", messages=HELLO, max_tokens=5)

    assert by(answer) == "two-1"
    assert time.monotonic() - began < 5


NEXT = {"proxy_server_request": {"body": {"fallbacks": ["b"]}}}


@pytest.mark.parametrize(
    ("settings", "model", "kwargs", "waits"),
    [
        ({"fallbacks": [{"a": ["b"]}]}, "a", {}, False),
        ({"fallbacks": [{"a": ["b"]}]}, "b", {}, True),
        ({"default_fallbacks": ["b"]}, "a", {}, False),
        ({"default_fallbacks": ["b"]}, "b", {}, True),
        ({"fallbacks": [{"a": ["b"]}]}, "a", {"metadata": {"_disable_fallbacks": True}}, True),
        ({}, "a", NEXT, False),
        ({}, "b", NEXT, True),
        ({"fallbacks": [{"a": ["b"]}]}, "a", {"proxy_server_request": {"body": {"fallbacks": []}}}, True),
        ({"fallbacks": [{"a": ["b"]}, {"b": ["a"]}]}, "b", {"attempted_targets": ["a", "b"]}, True),
        ({"fallbacks": [{"a": ["b", "c"]}, {"b": ["a"]}]}, "b", {"attempted_targets": ["a", "b"]}, False),
    ],
)
def test_a_full_group_is_waited_for_unless_the_request_may_still_go_to_another(
    box: Sandbox, settings: Any, model: str, kwargs: dict[str, Any], waits: bool
):
    r = router(*(entry(box, "one", group=name, id=name, rotor=free()) for name in "abc"), **settings)
    if "attempted_targets" in kwargs:
        kwargs = {**kwargs, "attempted_targets": AttemptedFallbackTargets(frozenset(kwargs["attempted_targets"]))}

    assert goes_on(r, model, kwargs) is not waits


async def test_of_two_groups_that_are_each_others_fallback_one_is_waited_for(box: Sandbox):
    limit = free(limits=[{"requests": 1, "per": 0.5, "window": "rolling"}])
    r = router(
        entry(box, "one", group="a", rotor=limit), entry(box, "two", group="b", rotor=limit),
        fallbacks=[{"a": ["b"]}, {"b": ["a"]}],
    )  # fmt: skip
    rotor_litellm.install(r)

    answers = [by(await r.acompletion(model="a", messages=HELLO, max_tokens=5)) for _ in range(3)]

    assert answers[:2] == ["one-1", "two-1"]


async def test_a_stream_is_settled_at_its_end_with_what_it_used(box: Sandbox):
    r = router(entry(box, "one", rotor=free(limits=[{"tokens": 100_000, "per": "day", "window": "rolling"}])))
    strategy = rotor_litellm.install(r)

    stream = await r.acompletion(
        model="lab", messages=HELLO, max_tokens=30, stream=True, stream_options={"include_usage": True}
    )
    assert left(strategy) > 0
    chunks = [chunk async for chunk in stream]
    await until_settled(strategy)

    usage = next(c.usage for c in reversed(chunks) if getattr(c, "usage", None))
    limits = strategy.rotor.status()["deployments"][0]["limits"]
    assert limits[0]["used"] == pytest.approx(usage.total_tokens, abs=1)
    assert limits[0]["reserved"] == 0


async def test_streams_and_calls_that_are_abandoned_leave_nothing_behind(box: Sandbox):
    box.fault("hang", provider="one")
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)

    async def ask(**more: Any) -> None:
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5, **more)

    tasks = [asyncio.create_task(ask(stream=bool(n % 2))) for n in range(10)]
    await until(lambda: next(iter(box.faults().values()))["met"] >= 10)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    del task
    tasks.clear()
    CURRENT.set(None)
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0)
    sweep()

    assert left(strategy) == 0


async def test_what_nobody_ends_is_let_go_when_its_reservation_expires(box: Sandbox):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    engine = strategy.rotor._engine
    assert engine is not None
    stream = await r.acompletion(model="lab", messages=HELLO, max_tokens=5, stream=True)
    held = CURRENT.get().held  # type: ignore[union-attr]
    assert held is not None
    assert left(strategy) == 2
    engine.store.settle(held.reservation.id, AS_RESERVED)  # as the ledger does at the lease's end
    object.__setattr__(held.reservation, "expires_at", 0.0)
    sweep()

    assert left(strategy) == 0
    await stream.aclose()


async def test_a_selection_without_a_call_takes_nothing(box: Sandbox):
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 1, "per": "day"}])), entry(box, "two", rotor={"price": PAID})
    )
    strategy = rotor_litellm.install(r)

    for _ in range(5):
        chosen = await r.async_get_available_deployment(model="lab", request_kwargs={})
        assert chosen["model_info"]["id"] == "one-1"

    assert left(strategy) == 0
    assert strategy.rotor.status()["deployments"][0]["limits"][0]["used"] == 0


async def test_a_deployment_that_is_chosen_and_not_called_is_given_back_by_the_retry(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    r = router(entry(box, "one", rotor=free()))
    strategy = rotor_litellm.install(r)
    failures = iter([RuntimeError("the client could not be made")])

    def broken(**_: Any) -> None:
        for error in failures:
            raise error

    monkeypatch.setattr(r, "_get_async_openai_model_client", broken)

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert by(answer) == "one-1"
    assert left(strategy) == 0


async def test_a_model_that_is_a_deployments_id_is_held_to_its_limits(box: Sandbox):
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 1, "per": "hour", "window": "rolling"}])),
        entry(box, "two", rotor=free()),
    )
    rotor_litellm.install(r)

    answer = await r.acompletion(model="one-1", messages=HELLO, max_tokens=5)

    assert by(answer) == "one-1"
    with pytest.raises(litellm.RateLimitError):
        await r.acompletion(model="one-1", messages=HELLO, max_tokens=5)


async def test_several_routers_do_not_disturb_each_other(box: Sandbox):
    first = router(
        entry(box, "one", id="mine", rotor=free(limits=[{"requests": 1, "per": "day"}])),
        entry(box, "two", id="mine-paid", rotor={"price": PAID}),
    )
    second = router(entry(box, "two", key=2, id="other", rotor=free()))
    plain = router(entry(box, "one", key=2, id="plain"))
    one, two = rotor_litellm.install(first), rotor_litellm.install(second)

    answers = await asyncio.gather(
        *(
            r.acompletion(model="lab", messages=HELLO, max_tokens=5)
            for r in (first, second, plain, first, second, plain)
        )
    )

    assert [by(a) for a in answers] in (
        ["mine", "other", "plain", "mine-paid", "other", "plain"],
        ["mine-paid", "other", "plain", "mine", "other", "plain"],
    )
    assert [d["requests"] for d in one.rotor.status()["deployments"]] == [1, 1]
    assert [d["requests"] for d in two.rotor.status()["deployments"]] == [2]


async def test_deployments_that_come_and_go_are_followed_and_what_was_counted_stays(box: Sandbox):
    first = entry(box, "one", rotor=free(limits=[{"requests": 1, "per": "day"}]))
    r = router(first)
    strategy = rotor_litellm.install(r)
    await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    r.set_model_list([first, entry(box, "two", rotor={"price": PAID})])

    assert by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) == "two-1"
    assert [d["id"] for d in strategy.rotor.status()["deployments"]] == ["one-1", "two-1"]


async def test_a_group_without_known_limits_learns_them(box: Sandbox):
    box.fault(429, provider="one", retry_after=30)
    r = router(entry(box, "one"), entry(box, "two", rotor={"price": PAID}))
    rotor_litellm.install(r)

    for _ in range(4):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert box.summary()["by_status"].get("429", 0) <= 2
