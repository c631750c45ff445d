"""What is wrong, away or odd: a clear error or a clear fallback, never a TypeError or KeyError from inside LiteLLM."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import litellm
import pytest
from tests.litellm.made import HELLO, PAID, by, entry, free, router

import rotor_litellm
from rotor_core import ConfigError
from rotor_core.sandbox import Sandbox
from rotor_litellm.roster import Roster

NOWHERE = "redis://127.0.0.1:1/0"


async def ask(r: Any, model: str = "lab", **more: Any) -> str:
    return by(await r.acompletion(model=model, messages=HELLO, max_tokens=5, **more))


async def test_with_its_store_away_a_router_goes_on_by_what_it_counts_itself(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ROTOR_STORE", NOWHERE)
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 2, "per": "day"}])), entry(box, "two", rotor={"price": PAID})
    )
    strategy = rotor_litellm.install(r)

    answered = [await ask(r) for _ in range(4)]

    assert set(answered) <= {"one-1", "two-1"}
    assert answered.count("one-1") <= 2
    assert strategy.rotor.status()["store_state"].startswith("local since")
    assert strategy.rotor._live.health.in_flight == 0


@pytest.mark.parametrize("blocking", [False, True])
async def test_with_its_store_away_a_router_that_is_to_refuse_says_so_at_once(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, blocking: bool
):
    monkeypatch.setenv("ROTOR_STORE", NOWHERE)
    r = router(entry(box, "one", rotor=free()))
    rotor_litellm.install(r, {"version": 1, "policy": {"on_store_error": "refuse"}})

    def complete() -> None:
        r.completion(model="lab", messages=HELLO, max_tokens=5)

    with pytest.raises(litellm.ServiceUnavailableError, match="redis://127.0.0.1:1/0"):
        await (asyncio.to_thread(complete) if blocking else ask(r))

    assert box.summary()["requests"] == 0


async def test_events_of_the_store_reach_listeners_after_the_list_has_changed(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ROTOR_STORE", "redis://127.0.0.1:2/0")
    first = entry(box, "one", rotor=free())
    r = router(first)
    strategy = rotor_litellm.install(r)
    heard: list[str] = []
    strategy.rotor.on("*", lambda event: heard.append(event.name))

    r.set_model_list([first, entry(box, "two", group="other", rotor=free())])
    await ask(r, "other")

    assert heard.count("store_lost") == 1


async def test_routers_of_one_key_share_its_limits(box: Sandbox):
    limit = free(limits=[{"requests": 3, "per": "day"}])
    routers = [
        router(entry(box, "one", id=f"a{n}", rotor=limit), entry(box, "two", id=f"b{n}", rotor={"price": PAID}))
        for n in range(2)
    ]
    for r in routers:
        rotor_litellm.install(r)

    answered = [(await ask(r))[0] for _ in range(3) for r in routers]

    assert answered == ["a", "a", "a", "b", "b", "b"]


async def test_a_router_that_is_gone_leaves_others_alone(box: Sandbox):
    first, second = router(entry(box, "one", rotor=free())), router(entry(box, "two", id="mine", rotor=free()))
    rotor_litellm.install(first)
    rotor_litellm.install(second)
    await ask(first)
    del first

    assert await ask(second) == "mine"


async def test_a_fallback_group_does_not_ask_the_key_again_that_was_refused(box: Sandbox):
    box.fault(401, provider="one")
    r = router(
        entry(box, "one", group="first", id="first", rotor=free()),
        entry(box, "one", group="second", id="same-key", rotor=free()),
        entry(box, "two", group="second", id="other-key", rotor={"price": PAID}),
        fallbacks=[{"first": ["second"]}],
        num_retries=2,
    )
    rotor_litellm.install(r)

    assert await ask(r, "first") == "other-key"
    assert box.summary()["by_status"] == {"401": 1, "200": 1}


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_retry_that_finds_nobody_is_the_failure_before_it(box: Sandbox, blocking: bool):
    box.fault(401, provider="one")
    box.fault(401, provider="two")
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}), disable_cooldowns=True)
    rotor_litellm.install(r)

    def complete() -> None:
        r.completion(model="lab", messages=HELLO, max_tokens=5)

    with pytest.raises(litellm.AuthenticationError, match=r"2 attempts failed.*one-1: auth.*two-1: auth"):
        await (asyncio.to_thread(complete) if blocking else ask(r))
    with pytest.raises(litellm.RateLimitError, match="key was refused"):  # this request has tried nobody
        await ask(r)

    assert box.summary()["by_status"] == {"401": 2}


async def test_a_fallback_hop_goes_on_with_the_attempts_of_its_request(box: Sandbox):
    box.fault(500, provider="one")
    r = router(
        entry(box, "one", group="first", id="first", rotor=free()),
        entry(box, "two", group="second", id="second", rotor={"price": PAID}),
        fallbacks=[{"first": ["second"]}],
        num_retries=1,
    )
    rotor_litellm.install(r)

    answer = await r.acompletion(model="first", messages=HELLO, max_tokens=5)

    assert by(answer) == "second"
    assert answer._hidden_params["rotor"]["attempts"] == box.summary()["requests"]


def test_an_entry_without_an_id_is_an_error_that_says_which(box: Sandbox):
    nameless = entry(box, "one", rotor=free())
    del nameless["model_info"]["id"]

    with pytest.raises(ConfigError, match=r"model_list: lab\.model_info.*has no id"):
        Roster({"version": 1}).refreshed([nameless])


def test_an_entry_that_cannot_be_read_leaves_the_others_of_a_running_proxy(
    box: Sandbox, caplog: pytest.LogCaptureFixture
):
    nameless, odd = entry(box, "one", rotor=free()), entry(box, "one", key=2, id="odd", rotor={"limts": []})
    del nameless["model_info"]["id"]
    whole = entry(box, "two", rotor=free())
    roster = Roster({"version": 1}, strict=False)

    with caplog.at_level(logging.ERROR, logger="rotor"):
        roster.refreshed([nameless, odd, whole])
        roster.refreshed([nameless, odd, whole])

    assert list(roster.table([nameless, odd, whole]).entries) == ["odd", "two-1"]
    assert [line for line in caplog.messages if "has no id" in line]
    assert sum("limts" in line for line in caplog.messages) == 1


async def test_a_list_that_is_changed_to_something_unreadable_is_told_of_and_takes_no_request_down(
    box: Sandbox, caplog: pytest.LogCaptureFixture
):
    r = router(entry(box, "one", rotor=free()), num_retries=0)
    rotor_litellm.install(r)

    r.set_model_list([entry(box, "one", rotor={"limts": []})])

    assert await ask(r) == "one-1"
    assert by(r.completion(model="lab", messages=HELLO, max_tokens=5)) == "one-1"
    told = [line for line in caplog.messages if "limts" in line]
    assert len(told) == 1
    assert "one-1.model_info.rotor" in told[0]


@pytest.mark.parametrize("said", [{"deadline": 10**400}, {"max_wait": 10**400}, {"deadline": -(10**400)}])
async def test_a_callers_figure_beyond_all_figures_is_left_out(box: Sandbox, said: dict[str, Any]):
    r = router(entry(box, "one", rotor=free()), num_retries=0)
    rotor_litellm.install(r)

    assert await ask(r, metadata={"rotor": said}) == "one-1"


async def test_what_no_pool_has_is_litellms_own_error(box: Sandbox):
    r = router(entry(box, "one", rotor=free()), num_retries=0)
    strategy = rotor_litellm.install(r)

    for asked in ("nowhere", "rotor/fast", ""):
        with pytest.raises(litellm.BadRequestError):
            await ask(r, asked)
        with pytest.raises(litellm.BadRequestError):
            strategy.explain(asked, HELLO)
