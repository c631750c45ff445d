"""A proxy whose configuration names Rotor's handler and nothing else of Rotor's: every endpoint gets its deployment from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.litellm.beside_chat import beside_chat
from tests.litellm.made import HELLO, PAID, entry, free
from tests.litellm.proxy.running import Proxy, config_of, started

from rotor_core.sandbox import Sandbox

CHATS = ("lab", "streamed", "counted", "without")
BESIDE = ("embed", "hear", "respond", "complete", "messages")
ONCE = [{"requests": 1, "per": "day"}, {"tokens": 1_000_000, "per": "day", "window": "rolling"}]


@pytest.fixture(scope="module")
def proxy(running: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Each group has a free deployment that answers once a day, and one that costs."""

    def pair(group: str, one: dict[str, Any], two: dict[str, Any]) -> list[dict[str, Any]]:
        told = (("free", one, free(quota=group, limits=ONCE)), ("paid", two, {"price": PAID}))
        return [
            {"model_name": group, "litellm_params": {"model": "openai/m", **params}, "model_info": {"id": f"{group}-{name}", "rotor": rotor}}
            for name, params, rotor in told
        ]  # fmt: skip

    one, two = (entry(running, name)["litellm_params"] for name in ("one", "two"))
    with beside_chat() as (url, _):
        there = [{"api_base": url, "api_key": f"key-{n}"} for n in (1, 2)]
        entries = [e for group in CHATS for e in pair(group, one, two)] + [e for g in BESIDE for e in pair(g, *there)]
        with started(tmp_path_factory.mktemp("proxy"), config_of(*entries)) as it:
            yield it


def ask(proxy: Proxy, group: str) -> httpx.Response:
    """One call to the endpoint that a group is there for."""
    match group:
        case "embed":
            return proxy.ask("/v1/embeddings", {"model": group, "input": "Hello"})
        case "hear":
            return proxy.ask(
                "/v1/audio/transcriptions", {"model": group}, files={"file": ("a.wav", b"RIFF....", "audio/wav")}
            )
        case "respond":
            return proxy.ask("/v1/responses", {"model": group, "input": "Hello", "max_output_tokens": 5})
        case "complete":
            return proxy.ask("/v1/completions", {"model": group, "prompt": "Hello", "max_tokens": 5})
        case "messages":
            return proxy.ask("/v1/messages", {"model": group, "messages": HELLO, "max_tokens": 5})
        case "streamed":
            return proxy.chat(group, stream=True)
        case _:
            return proxy.chat(group)


def row_of(proxy: Proxy, deployment: str) -> dict[str, Any]:
    """What `/rotor/status` says of a deployment."""
    rows: list[dict[str, Any]] = proxy.ask("/rotor/status").json()["deployments"]
    return next(row for row in rows if row["id"] == deployment)


@pytest.mark.parametrize("group", ["lab", "streamed", *BESIDE])
def test_each_endpoint_is_chosen_for_held_to_limits_settled_and_says_who_answered(proxy: Proxy, group: str):
    answers = [ask(proxy, group) for _ in range(2)]

    assert [a.status_code for a in answers] == [200, 200], answers[-1].text
    assert [a.headers.get("x-rotor-deployment") for a in answers] == [f"{group}-free", f"{group}-paid"]
    assert [a.headers["x-rotor-free"] for a in answers] == ["true", "false"]
    assert {a.headers["x-rotor-attempts"] for a in answers} == {"1"}
    if group == "streamed":
        assert all(a.text.rstrip().endswith("data: [DONE]") for a in answers)
    used = {limit["unit"]: (limit["used"], limit["reserved"]) for limit in row_of(proxy, f"{group}-free")["limits"]}
    assert used["requests"] == (pytest.approx(1, abs=0.01), 0)
    assert used["tokens"][1] == 0
    assert (used["tokens"][0] > 0) == (group != "hear")  # of a recording nobody says how many


def test_counting_tokens_takes_nothing_of_any_limit(proxy: Proxy):
    counts = [proxy.ask("/utils/token_counter", {"model": "counted", "messages": HELLO}) for _ in range(5)]

    assert {c.status_code for c in counts} == {200}
    assert all(c.json()["total_tokens"] > 0 for c in counts)
    assert [(limit["used"], limit["reserved"]) for limit in row_of(proxy, "counted-free")["limits"]] == [(0, 0), (0, 0)]
    assert proxy.chat("counted").headers["x-rotor-deployment"] == "counted-free"


def test_a_provider_without_an_endpoint_goes_on_answering_at_the_others(proxy: Proxy):
    lacking = proxy.ask("/v1/responses", {"model": "without", "input": "Hello"})

    assert lacking.status_code == 404
    assert proxy.chat("without").headers["x-rotor-deployment"] == "without-free"


def test_an_unknown_model_is_the_proxys_own_refusal(proxy: Proxy):
    refused = proxy.chat("nobody")

    assert refused.status_code == 400
    assert "x-rotor-deployment" not in refused.headers


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("sk-wrong", 400)])
def test_the_status_is_for_holders_of_the_proxys_key(proxy: Proxy, key: str | None, status: int):
    refused = proxy.ask("/rotor/status", key=key)

    assert refused.status_code == status  # 400: the proxy has no database to look a key up in
    assert set(refused.json()) == {"error"}


def test_the_status_says_whose_it_is_and_no_secret(proxy: Proxy, running: Sandbox):
    told = proxy.ask("/rotor/status")
    status = told.json()

    assert status["store"] == "memory://"
    assert status["worker"]["alone"] is True
    assert status["worker"]["pid"] > 0
    assert {row["state"] for row in status["deployments"]} <= {"available", "waiting", "cooling"}
    secrets = [running.key("one"), running.key("two"), "key-1", "key-2"]
    assert not [secret for secret in secrets if re.search(re.escape(secret), told.text)]
