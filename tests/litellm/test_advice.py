"""Advice: which settings of LiteLLM's undo Rotor's work, what is said of each, how often and by whom."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.litellm.made import PAID, entry, free, router

from rotor_core.sandbox import Sandbox
from rotor_litellm import advice
from rotor_litellm.advice import advice_for, advise, speaks
from rotor_litellm.proxy import RotorHandler

SUITS: dict[str, Any] = {"num_retries": 3, "retry_after": 0, "disable_cooldowns": True}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"num_retries": 0},
            ["num_retries=0 ends a request after 1 of the 2 deployments of 'lab'; set it to 1 or more"],
        ),
        ({"retry_after": 7}, ["retry_after=7 delays"]),
        ({"disable_cooldowns": False}, ["away for 5 s"]),
        ({"default_max_parallel_requests": 4}, ["default: 4"]),
        ({"optional_pre_call_checks": ["enforce_model_rate_limits"]}, ["enforce_model_rate_limits counts"]),
        ({"routing_strategy": "usage-based-routing-v2"}, ["set it to simple-shuffle"]),
        ({"routing_strategy": "least-busy"}, []),
    ],
)
def test_a_setting_that_undoes_something_is_named_and_one_that_does_not_is_not(
    box: Sandbox, settings: dict[str, Any], said: list[str]
):
    lines = list(advice_for(router(entry(box, "one"), entry(box, "two"), **{**SUITS, **settings})))

    assert len(lines) == len(said)
    assert all(part in line for part, line in zip(said, lines, strict=True))


@pytest.mark.parametrize(
    ("params", "rotor", "said"),
    [
        ({"max_parallel_requests": 2}, None, "max_parallel_requests refuses instead of waiting (d1: 2, d2: 2, d3: 2 and 1 more)"),
        ({"rpm": 5}, free(limits=[{"requests": 30, "per": "minute"}]), "takes rpm of litellm_params for a number of calls at a time"),
        ({"tpm": 5000}, None, "six calls for each 1,000, and refuses more (d1: 5000, d2: 5000, d3: 5000 and 1 more)"),
        ({"rpm": 5, "tpm": 5000}, None, None),
    ],
)  # fmt: skip
def test_what_litellm_takes_for_a_number_of_calls_at_a_time_is_told(
    box: Sandbox, params: dict[str, Any], rotor: Any, said: str | None
):
    entries = [entry(box, "one", id=f"d{n}", rotor=rotor, **params) for n in (1, 2, 3, 4)]
    lines = list(advice_for(router(*entries, **SUITS)))

    assert [said in line for line in lines] == ([True] if said else [])


def test_the_proxy_says_each_line_once_though_its_router_is_made_anew(box: Sandbox, caplog: pytest.LogCaptureFixture):
    handler = RotorHandler()

    with caplog.at_level(logging.WARNING, logger="rotor"):
        for retries in (0, 0, 0, 3):
            handler.take_over(router(entry(box, "one"), entry(box, "two", rotor={"price": PAID}), num_retries=retries))

    assert [r.getMessage().partition(": ")[2].partition("=")[0].split()[0] for r in caplog.records] == [
        "num_retries",
        "cooldowns",
    ]


def test_two_routers_of_a_program_are_advised_each(box: Sandbox, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="rotor"):
        for _ in range(2):
            advise(router(entry(box, "one"), **{**SUITS, "retry_after": 2}))

    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("name", "first"),
    [("MainProcess", True), ("SpawnProcess-1", True), ("SpawnProcess-2", False), ("granian-worker-11", False), ("web-1a", True)],
)  # fmt: skip
def test_of_several_workers_the_first_speaks(monkeypatch: pytest.MonkeyPatch, name: str, first: bool):
    monkeypatch.setattr(advice.multiprocessing, "current_process", lambda: SimpleNamespace(name=name))

    assert speaks() is first


@pytest.mark.parametrize(
    ("name", "store", "said"),
    [
        ("SpawnProcess-1", "memory://", 1),
        ("SpawnProcess-2", "memory://", 0),
        ("MainProcess", "memory://", 0),
        ("SpawnProcess-1", "sqlite:////{folder}/r.db", 0),
    ],
)
def test_workers_that_each_count_for_themselves_are_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, name: str, store: str, said: int
):
    monkeypatch.setenv("ROTOR_STORE", store.format(folder=tmp_path))
    monkeypatch.setattr(advice.multiprocessing, "current_process", lambda: SimpleNamespace(name=name))
    handler = RotorHandler()

    with caplog.at_level(logging.WARNING, logger="rotor"):
        for _ in range(3):
            _ = handler.roster

    assert sum("ROTOR_STORE" in r.getMessage() for r in caplog.records) == said
