"""Two imitated providers on loopback, and LiteLLM as it is in a process of its own: nothing of one test reaches another."""

from __future__ import annotations

import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing it asks the network
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import asyncio
import contextlib
import gc
import importlib
import logging
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("litellm", reason="LiteLLM is not installed")

from rotor_core.sandbox import Sandbox

CALLBACKS = ("callbacks", "success_callback", "failure_callback", "_async_success_callback", "_async_failure_callback")
"""LiteLLM's lists of listeners: a strategy that it makes enters all of them."""

LAB: dict[str, Any] = {
    "providers": {
        name: {
            "dialect": "openai",
            "keys": [f"{name}-secret-key", f"{name}-other-key"],
            "models": {"m": {"context": 32000, "capabilities": ["tools", "json_schema", "json_mode"]}},
        }
        for name in ("one", "two")
    }
}


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(LAB) as box:
        yield box


@pytest.fixture
def box(running: Sandbox) -> Iterator[Sandbox]:
    running.reset()
    yield running
    running.release()
    running.reset()  # some who come next speak to it through a proxy, and not through this


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LiteLLM leaves its clients open, and whoever comes when they are collected is told: not to be held against a test here."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="module", autouse=True)
def nothing_left_for_others() -> Iterator[None]:
    """What LiteLLM left open is collected here, and not in somebody else's test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litellm_clients = importlib.import_module("litellm").in_memory_llm_clients_cache
        litellm_clients.flush_cache()
        gc.collect()


def end_what_it_began(listener: Any) -> None:
    """Made without a running loop, some of LiteLLM's strategies leave this thread a new one, with a task that never ran in it."""
    task = getattr(listener, "_sync_task", None)
    if task is None or task.get_loop().is_running() or task.get_loop().is_closed():
        return
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        task.get_loop().run_until_complete(task)
    task.get_loop().close()
    asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def quiet_litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """LiteLLM's own globals as they were, and its log silent. The engine's store is one of the test's own."""
    import litellm

    from rotor_litellm.trail import CURRENT

    CURRENT.set(
        None
    )  # a blocking call leaves its trail in the context of this thread, of which those of tests are copies
    monkeypatch.setenv("ROTOR_STORE", f"memory://{uuid.uuid4().hex}")
    monkeypatch.setenv("ROTOR_PLUGINS", "")
    monkeypatch.setattr(litellm, "suppress_debug_info", True)
    callbacks = {name: list(getattr(litellm, name)) for name in CALLBACKS}
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LiteLLM's, of its own objects and clients
        yield
        for listener in litellm.callbacks:
            end_what_it_began(listener)
        for name, before in callbacks.items():
            getattr(litellm, name)[:] = before
