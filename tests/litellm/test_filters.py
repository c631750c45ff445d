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

PRIVATE = ["_common_checks_available_deployment", "_pre_call_checks", "_filter_health_check_unhealthy_deployments"]


@pytest.fixture(autouse=True)
def said_again():
    filters._say.cache_clear()
    yield
    filters._say.cache_clear()


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
