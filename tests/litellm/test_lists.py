"""A Router whose deployments come, go and change while it is used: what is known of those that stay is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import litellm
import pytest
from tests.litellm.made import HELLO, PAID, by, entry, free, router

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm import roster

MORE = 3


async def ask(r: Any, times: int = 1) -> list[str]:
    return [by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) for _ in range(times)]


async def test_what_calls_take_and_how_they_fared_is_known_of_those_that_stay(box: Sandbox):
    first, second = entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID})
    r = router(first)
    strategy = rotor_litellm.install(r)
    await ask(r, MORE)
    before = strategy.rotor.health("one-1")["one-1"]

    r.set_model_list([first, second])

    assert before["answer_ms"]["p50"] is not None
    assert strategy.rotor.health("one-1")["one-1"] == before
    assert strategy.rotor.status()["deployments"][0]["requests"] == MORE


async def test_a_breaker_stays_open_when_another_deployment_is_added(box: Sandbox):
    box.fault(500, provider="one")
    failing, second = entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID})
    r = router(failing, second)
    strategy = rotor_litellm.install(r)
    while strategy.rotor.health("one-1")["one-1"]["state"] != "open":
        await ask(r)
    spent = box.summary()["by_status"]["500"]

    r.set_model_list([failing, second, entry(box, "two", key=2, rotor={"price": PAID})])
    await ask(r, 5)

    assert strategy.rotor.health("one-1")["one-1"]["state"] == "open"
    assert box.summary()["by_status"]["500"] == spent


async def test_a_deployment_with_another_key_under_an_old_name_begins_anew(box: Sandbox):
    box.fault(500, provider="one")
    second = entry(box, "two", rotor={"price": PAID})
    r = router(entry(box, "one", id="a", rotor=free()), second)
    strategy = rotor_litellm.install(r)
    while strategy.rotor.health("a")["a"]["state"] != "open":
        await ask(r)

    r.set_model_list([entry(box, "two", key=2, id="a", rotor=free()), second])

    assert strategy.rotor.health("a")["a"]["state"] == "closed"
    assert await ask(r) == ["a"]


async def test_what_a_refusal_taught_holds_when_the_list_is_loaded_again(box: Sandbox):
    box.fault(429, provider="one", retry_after=60)
    entries = [entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID})]
    r = router(*entries)
    rotor_litellm.install(r)
    await ask(r)
    refused = box.summary()["by_status"]["429"]

    for _ in range(3):
        r.set_model_list([dict(written) for written in entries])
        assert await ask(r, 2) == ["two-1", "two-1"]

    assert box.summary()["by_status"]["429"] == refused


async def test_calls_under_way_while_the_list_changes_are_settled(box: Sandbox):
    box.fault("hang", provider="one", times=MORE)
    limit = free(limits=[{"concurrent": MORE + 1}])
    first = entry(box, "one", rotor=limit)
    r = router(first)
    strategy = rotor_litellm.install(r)
    tasks = [asyncio.create_task(ask(r)) for _ in range(MORE)]
    while strategy.rotor._live.health.in_flight < MORE or box.faults()[next(iter(box.faults()))]["met"] < MORE:
        await asyncio.sleep(0)

    r.set_model_list([first, entry(box, "two", rotor={"price": PAID})])

    assert strategy.rotor._live.health.in_flight == MORE
    assert strategy.rotor.status()["deployments"][0]["limits"][0]["remaining"] == 1
    box.release()
    assert [await task for task in tasks] == [["one-1"]] * MORE
    assert strategy.rotor._live.health.in_flight == 0
    assert strategy.rotor.status()["deployments"][0]["limits"][0]["remaining"] == MORE + 1


async def test_a_call_to_a_deployment_that_is_taken_away_meanwhile_is_answered_and_settled(box: Sandbox):
    box.fault("hang", provider="one", times=1)
    second = entry(box, "two", rotor={"price": PAID})
    r = router(entry(box, "one", rotor=free()), second)
    strategy = rotor_litellm.install(r)
    task = asyncio.create_task(ask(r))
    while not box.faults()[next(iter(box.faults()))]["met"]:
        await asyncio.sleep(0)

    r.set_model_list([second])
    assert await ask(r) == ["two-1"]
    box.release()

    assert await task == ["one-1"]
    assert strategy.rotor._live.health.in_flight == 0


async def test_a_request_that_waits_while_the_list_changes_gets_its_turn(box: Sandbox):
    first = entry(box, "one", rotor=free(limits=[{"requests": 1, "per": 0.5, "window": "rolling"}]))
    r = router(first)
    strategy = rotor_litellm.install(r)
    await ask(r)
    waiting = asyncio.create_task(ask(r))
    await asyncio.sleep(0)
    while not strategy.rotor._live.store._book.open:  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    r.set_model_list([first, entry(box, "two", group="other", rotor={"price": PAID})])
    await r.acompletion(model="other", messages=HELLO, max_tokens=5)

    assert await waiting == ["one-1"]
    assert strategy.rotor._live.health.in_flight == 0


async def test_listeners_and_totals_go_on_whatever_the_list_becomes(box: Sandbox):
    first = entry(box, "one", rotor=free())
    r = router(first)
    strategy = rotor_litellm.install(r)
    heard: list[str] = []
    strategy.rotor.on("answered", lambda event: heard.append(event.deployment))
    await ask(r)

    r.add_deployment(litellm.Deployment(**entry(box, "two", group="other", rotor=free())))
    await ask(r)
    r.delete_deployment(id="two-1")
    await ask(r)

    assert heard == ["one-1"] * 3


@pytest.mark.parametrize("times", [20])
async def test_a_model_that_is_a_deployments_id_makes_no_new_engine_for_each_request(box: Sandbox, times: int):
    r = router(entry(box, "one", rotor=free()), entry(box, "two", rotor=free()))
    strategy = rotor_litellm.install(r)
    engine = strategy.roster.engine

    for _ in range(times):
        assert by(await r.acompletion(model="one-1", messages=HELLO, max_tokens=5)) == "one-1"

    assert strategy.roster.engine is engine


async def test_models_of_a_wildcard_have_limits_of_their_own_and_make_no_new_engine_for_each_request(box: Sandbox):
    wild = entry(box, "one", group="openai/*", id="wild", rotor=free(limits=[{"requests": 2, "per": "day"}]))
    wild["litellm_params"]["model"] = "openai/*"
    r = router(wild, num_retries=0)
    strategy = rotor_litellm.install(r)

    assert by(await r.acompletion(model="openai/m", messages=HELLO, max_tokens=5)) == "wild"
    engine = strategy.roster.engine
    assert by(await r.acompletion(model="openai/m", messages=HELLO, max_tokens=5)) == "wild"

    assert strategy.roster.engine is engine
    with pytest.raises(litellm.RateLimitError):
        await r.acompletion(model="openai/m", messages=HELLO, max_tokens=5)
    chosen = await r.async_get_available_deployment(model="openai/other", request_kwargs={})
    assert chosen["litellm_params"]["model"] == "openai/other"
    named = {d["id"]: d["model"] for d in strategy.roster.rotor.status()["deployments"]}
    assert named["wild:openai/m"] == "m"
    assert named["wild:openai/other"] == "other"
    assert strategy.rotor._live.health.in_flight == 0


async def test_a_wildcards_models_are_known_after_the_list_has_changed_unless_the_wildcard_did(box: Sandbox):
    wild = entry(box, "one", group="openai/*", id="wild", rotor=free())
    wild["litellm_params"]["model"] = "openai/*"
    r = router(wild)
    strategy = rotor_litellm.install(r)
    await r.acompletion(model="openai/m", messages=HELLO, max_tokens=5)
    before = strategy.roster.rotor.health("wild:openai/m")

    r.set_model_list([wild, entry(box, "two", rotor={"price": PAID})])
    assert strategy.rotor.health("wild:openai/m") == before

    r.set_model_list([entry(box, "two", group="openai/*", id="wild", rotor=free())])
    assert "wild:openai/m" not in strategy.rotor.health()


async def test_more_models_of_wildcards_than_are_remembered_are_served_all_the_same(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(roster, "_EXTRAS", 4)
    several = [entry(box, "one", key=k, id=f"w{k}", group="openai/*", rotor=free()) for k in (1, 2)]
    several.append(entry(box, "two", id="w3", group="openai/*", rotor=free()))
    for written in several:
        written["litellm_params"]["model"] = "openai/*"
    r = router(*several)
    strategy = rotor_litellm.install(r)

    for model in ("openai/m", "openai/other", "openai/m", "openai/third"):
        chosen = await r.async_get_available_deployment(model=model, request_kwargs={})
        assert chosen["litellm_params"]["model"] == model

    assert len(strategy.roster.engine.catalog.deployments) <= len(several) + 4 + len(several)
