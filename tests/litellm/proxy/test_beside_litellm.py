"""What LiteLLM's proxy does by itself, with Rotor choosing among whom that leaves: keys, tags, budgets, fallbacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.litellm.made import PAID, entry, free
from tests.litellm.proxy.running import KEY, Proxy, config_of, started

from rotor_core.sandbox import Sandbox

ONCE = [{"requests": 1, "per": "day", "window": "rolling"}]
USER = "sk-of-ann"
AUTH = "tests.litellm.proxy.custom_auth.check"


@pytest.fixture(scope="module")
def proxy(running: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    def made(provider: str, group: str, name: str, rotor: Any, **params: Any) -> dict[str, Any]:
        return entry(running, provider, group=group, id=name, rotor=rotor, **params)

    entries = [
        # tags: the free one is for whoever asks for it by its tag
        made("one", "tagged", "tagged-free", free(quota="tagged"), tags=["trial"]),
        made("two", "tagged", "tagged-paid", {"price": PAID}, tags=["default"]),
        made("two", "tagged", "tagged-dear", {"price": {"input": 9, "output": 9}}, tags=["default"]),
        # fallbacks: once is all that the first group can
        made("one", "small", "small-free", free(quota="small", limits=ONCE), tags=["default"]),
        made("two", "large", "large-paid", {"price": PAID}, tags=["default"]),
        # budgets: the cheaper one may cost next to nothing
        made(
            "one", "budgeted", "budgeted-cheap", {"price": {"input": 1, "output": 1}}, tags=["default"],
            max_budget=1e-9, budget_duration="1d", input_cost_per_token=1e-6, output_cost_per_token=1e-6,
        ),
        made("two", "budgeted", "budgeted-dear", {"price": {"input": 9, "output": 9}}, tags=["default"]),
        made(
            "one", "provided", "provided-cheap", {"price": {"input": 1, "output": 1}}, tags=["default"],
            model="groq/m", input_cost_per_token=1e-6, output_cost_per_token=1e-6,
        ),
        made("two", "provided", "provided-dear", {"price": {"input": 9, "output": 9}}, tags=["default"]),
    ]  # fmt: skip
    config = config_of(
        *entries,
        router_settings={
            "enable_tag_filtering": True,
            "fallbacks": [{"small": ["large"]}],
            "provider_budget_config": {"groq": {"budget_limit": 1e-9, "time_period": "1d"}},
        },
        general_settings={"custom_auth": AUTH},
    )
    with started(tmp_path_factory.mktemp("beside"), config) as it:
        yield it


def test_tags_leave_whom_they_leave_and_rotor_chooses_among_these(proxy: Proxy):
    plain, trial = proxy.chat("tagged"), proxy.chat("tagged", metadata={"tags": ["trial"]})

    assert plain.headers["x-rotor-deployment"] == "tagged-paid"  # the cheaper of the two
    assert trial.headers["x-rotor-deployment"] == "tagged-free"


def test_a_group_that_is_used_up_falls_back_at_once_and_says_so(proxy: Proxy):
    first, second = proxy.chat("small"), proxy.chat("small")

    assert [a.headers["x-rotor-deployment"] for a in (first, second)] == ["small-free", "large-paid"]
    assert float(second.headers["x-rotor-waited"]) < 1
    assert second.headers["x-litellm-attempted-fallbacks"] == "1"


@pytest.mark.parametrize("group", ["budgeted", "provided"])
def test_who_is_beyond_a_deployments_or_a_providers_budget_is_left_out_by_litellm_and_rotor_goes_on(
    proxy: Proxy, group: str
):
    first = proxy.chat(group)

    assert first.headers["x-rotor-deployment"] == f"{group}-cheap"
    for _ in range(100):  # LiteLLM adds up what was spent after it has answered
        if (later := proxy.chat(group)).headers["x-rotor-deployment"] == f"{group}-dear":
            break
    assert later.headers["x-rotor-deployment"] == f"{group}-dear"


def test_whom_custom_authentication_lets_in_rotor_chooses_for(proxy: Proxy):
    assert proxy.chat("tagged", key=USER).headers["x-rotor-deployment"] == "tagged-paid"
    assert proxy.chat("tagged", key="sk-of-nobody").status_code == 401


def test_the_status_is_for_whom_custom_authentication_lets_in(proxy: Proxy):
    assert proxy.ask("/rotor/status", key="sk-of-nobody").status_code == 401
    assert proxy.ask("/rotor/status", key=KEY).status_code == 200
