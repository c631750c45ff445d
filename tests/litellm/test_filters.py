"""Whom LiteLLM leaves to choose among, on an event loop and blocking, and what happens where a release lacks a filter."""

from __future__ import annotations

import logging
from typing import Any

import litellm
import pytest
from tests.litellm.made import HELLO, PAID, by, entry, free, router

import rotor_litellm
from rotor_core.sandbox import Sandbox
from rotor_litellm import filters
from rotor_litellm.trail import CURRENT

AUTO = ["async_pre_routing_hook", "_pin_tier_params_onto_request", "_restore_client_ceiling_no_tier_pins"]
PRIVATE = ["_common_checks_available_deployment", "_pre_call_checks", "_filter_health_check_unhealthy_deployments"]


@pytest.fixture(autouse=True)
def said_again():
    filters.say.cache_clear()
    yield
    filters.say.cache_clear()


def two(box: Sandbox, **settings: Any) -> Any:
    return router(entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}), **settings)


def ask(r: Any, model: str = "lab", **more: Any) -> str:
    return by(r.completion(model=model, messages=HELLO, max_tokens=5, **more))


@pytest.mark.parametrize("missing", PRIVATE)
def test_a_blocking_call_is_chosen_for_where_litellm_lacks_a_filter_and_the_log_says_so_once(
    box: Sandbox, missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    r = two(box, enable_pre_call_checks=True)
    rotor_litellm.install(r)
    r.enable_health_check_routing = True
    monkeypatch.delattr(litellm.Router, missing)

    with caplog.at_level(logging.WARNING, logger="rotor"):
        assert [ask(r), ask(r), ask(r, "one-1")] == ["one-1"] * 3

    assert sum(missing in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("missing", ["get_order_filtered_deployments"])
def test_a_module_without_a_filter_is_no_error(box: Sandbox, missing: str, monkeypatch: pytest.MonkeyPatch):
    r = two(box)
    rotor_litellm.install(r)
    monkeypatch.delattr(litellm.utils, missing)

    assert ask(r) == "one-1"


def test_an_unknown_group_is_litellms_own_error_with_and_without_its_private_methods(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    r = two(box, num_retries=0)
    rotor_litellm.install(r)
    for _ in range(2):
        with pytest.raises(litellm.BadRequestError, match="nowhere"):
            ask(r, "nowhere")
        monkeypatch.delattr(litellm.Router, PRIVATE[0], raising=False)


def test_a_paused_deployment_is_not_asked_blocking(box: Sandbox):
    r = two(box, num_retries=0)
    rotor_litellm.install(r)
    r.model_list[0]["model_info"]["blocked"] = True

    assert ask(r) == "two-1"
    with pytest.raises(litellm.ServiceUnavailableError, match="paused"):
        ask(r, "one-1")


def test_order_is_kept_blocking(box: Sandbox):
    r = router(entry(box, "one", rotor=free(), order=2), entry(box, "two", rotor={"price": PAID}, order=1))
    rotor_litellm.install(r)

    assert ask(r) == "two-1"


def test_what_the_router_says_of_an_attempt_is_no_argument_of_the_call(box: Sandbox, monkeypatch: pytest.MonkeyPatch):
    box.fault(401, provider="one")
    r, seen = two(box), list[str]()
    rotor_litellm.install(r)
    call = litellm.completion

    def completion(**kwargs: Any) -> Any:
        seen.extend(kwargs)
        return call(**kwargs)

    monkeypatch.setattr(litellm, "completion", completion)

    assert ask(r) == "two-1"

    assert seen
    assert not set(seen) & set(filters._MEANT)


async def test_a_group_that_is_wholly_in_cooldown_is_still_filtered_by_tags_and_callbacks(box: Sandbox):
    r = router(
        entry(box, "one", id="x", rotor=free(), tags=["x"]), entry(box, "two", id="y", rotor=free(), tags=["y"]),
        enable_tag_filtering=True, num_retries=0,
    )  # fmt: skip
    rotor_litellm.install(r)
    for name in ("x", "y"):
        r.cooldown_cache.add_deployment_to_cooldown(
            model_id=name, original_exception=RuntimeError(), exception_status=500, cooldown_time=60
        )

    for tag in ("x", "y", "x"):
        assert by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5, metadata={"tags": [tag]})) == tag


async def test_a_team_gets_its_own_deployments_though_all_are_in_cooldown(box: Sandbox):
    r = router(entry(box, "one", id="theirs", rotor=free()), entry(box, "two", id="all", rotor={"price": PAID}))
    r.model_list[0]["model_info"]["team_id"] = "them"
    rotor_litellm.install(r)
    for name in ("theirs", "all"):
        r.cooldown_cache.add_deployment_to_cooldown(
            model_id=name, original_exception=RuntimeError(), exception_status=500, cooldown_time=60
        )

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5, metadata={"user_api_key_team_id": "us"})

    assert by(answer) == "all"


class Only:
    """A routing plugin that leaves these models."""

    def __init__(self, *models: str) -> None:
        self.models = list(models)

    async def run(self, context: Any) -> Any:
        context.candidate_models = self.models
        return context


def cool(r: Any, *names: str) -> None:
    for name in names:
        r.cooldown_cache.add_deployment_to_cooldown(
            model_id=name, original_exception=RuntimeError(), exception_status=500, cooldown_time=60
        )


def smart(box: Sandbox) -> Any:
    """An auto router over two groups."""
    tiers = {"SIMPLE": "lab", "MEDIUM": "lab", "COMPLEX": "lab", "REASONING": "lab"}
    marker = {
        "model_name": "smart",
        "litellm_params": {
            "model": "auto_router/complexity_router",
            "complexity_router_config": {"tiers": tiers},
            "complexity_router_default_model": "lab",
        },
        "model_info": {"id": "smart-1"},
    }
    return router(entry(box, "one", rotor=free()), marker)


@pytest.mark.parametrize("cooled", [False, True])
async def test_a_routing_plugin_that_denies_everything_is_not_got_round(box: Sandbox, cooled: bool):
    r = two(box, plugins=[Only()], num_retries=0)
    rotor_litellm.install(r)
    if cooled:
        cool(r, "one-1", "two-1")

    with pytest.raises(ValueError, match="routing-plugin"):
        await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert not box.summary()["by_status"]


@pytest.mark.parametrize("cooled", [False, True])
async def test_rotor_chooses_among_whom_a_routing_plugin_leaves(box: Sandbox, cooled: bool):
    r = router(
        entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}, model="openai/other"),
        plugins=[Only("openai/other")], num_retries=0,
    )  # fmt: skip
    strategy = rotor_litellm.install(r)
    if cooled:
        cool(r, "one-1", "two-1")

    found = await strategy.async_get_available_deployment("lab", HELLO, request_kwargs={"metadata": {}})

    assert found["model_info"]["id"] == "two-1"


def test_a_blocking_call_is_refused_where_a_routing_plugin_would_be_passed_over(box: Sandbox):
    r = two(box, plugins=[Only("openai/m")], num_retries=0)
    rotor_litellm.install(r)

    with pytest.raises(ValueError, match="plugins"):
        ask(r)


async def test_an_auto_router_picks_the_group_that_rotor_chooses_in(box: Sandbox):
    r = smart(box)
    rotor_litellm.install(r)

    assert by(await r.acompletion(model="smart", messages=HELLO, max_tokens=5)) == "one-1"


@pytest.mark.parametrize("missing", AUTO)
async def test_a_call_is_chosen_for_where_litellm_lacks_a_part_of_its_auto_routers_and_the_log_says_so_once(
    box: Sandbox, missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    r = two(box)
    rotor_litellm.install(r)
    monkeypatch.delattr(litellm.Router, missing)

    with caplog.at_level(logging.WARNING, logger="rotor"):
        answers = [by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) for _ in range(2)]

    assert answers == ["one-1"] * 2
    assert sum(missing in record.getMessage() for record in caplog.records) == 1


async def test_tags_are_asked_before_order_though_all_are_in_cooldown(box: Sandbox):
    r = router(
        entry(box, "one", rotor=free(), order=1, tags=["x"]), entry(box, "two", rotor=free(), order=2, tags=["y"]),
        enable_tag_filtering=True, num_retries=0,
    )  # fmt: skip
    rotor_litellm.install(r)
    cool(r, "one-1", "two-1")

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5, metadata={"tags": ["y"]})

    assert by(answer) == "two-1"


async def test_what_an_auto_router_asks_a_model_itself_leaves_the_trail_of_the_request(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    box.fault(401, provider="one")
    r = router(
        entry(box, "one", rotor=free()), entry(box, "two", rotor={"price": PAID}),
        entry(box, "two", key=2, group="helper", rotor={"price": PAID}), disable_cooldowns=True,
    )  # fmt: skip
    strategy = rotor_litellm.install(r)
    hook, trails = r.async_pre_routing_hook, list[Any]()

    async def asks(**given: Any) -> Any:
        if given["model"] == "lab":
            await r.acompletion(model="helper", messages=HELLO, max_tokens=5)
        return await hook(**given)

    choose = strategy.async_get_available_deployment

    async def chosen(*args: Any, **given: Any) -> Any:
        found = await choose(*args, **given)
        if (args or [given.get("model")])[0] == "lab":
            trails.append(CURRENT.get())
        return found

    monkeypatch.setattr(r, "async_pre_routing_hook", asks)
    monkeypatch.setattr(r, "async_get_available_deployment", chosen)

    assert by(await r.acompletion(model="lab", messages=HELLO, max_tokens=5)) == "two-1"

    assert len(trails) == 2
    assert trails[0] is trails[1]
