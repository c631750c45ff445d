"""A proxy of several workers, which share one ledger: they hold to limits together, and give advice once."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.litellm.made import PAID, entry, free
from tests.litellm.proxy.inside import HOOK
from tests.litellm.proxy.running import Proxy, config_of, free_port, started
from tests.stores.waking import until_it_answers

from rotor_core.sandbox import Sandbox

LIMIT = 12
WORKERS = 2
ADVICE = "LiteLLM's settings and Rotor: "


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this module's own, that saves nothing."""
    redis = pytest.importorskip("redis", reason="the package `redis` is not installed")
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server on the PATH (Debian's package is called so)")
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [binary, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(port=port) as client:
            until_it_answers(client)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def proxy(running: Sandbox, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    limits = [{"requests": LIMIT, "per": "day", "window": "rolling"}]
    config = config_of(
        entry(running, "one", id="free", rotor=free(limits=limits), rpm=50),
        entry(running, "two", id="paid-1", rotor={"price": PAID}),
        entry(running, "two", id="paid-2", rotor={"price": PAID}),
        entry(running, "two", id="other", group="other", key=2, rotor={"price": PAID}),
        router_settings={"num_retries": 0, "retry_after": 3, "disable_cooldowns": False},
    )
    folder = tmp_path_factory.mktemp("workers")
    environ = {"ROTOR_STORE": store, "LITELLM_WORKER_STARTUP_HOOKS": HOOK}
    with started(folder, config, workers=WORKERS, **environ) as it:
        yield it


def statuses(proxy: Proxy) -> dict[int, dict[str, Any]]:
    """What each worker says of itself: connections are dealt out among them as it happens."""
    views: dict[int, dict[str, Any]] = {}
    give_up = time.monotonic() + 30
    with ThreadPoolExecutor(4) as several:
        while len(views) < WORKERS and time.monotonic() < give_up:
            told = several.map(lambda _: proxy.ask("/rotor/status").json(), range(8))
            views |= {status["worker"]["pid"]: status for status in told}
    return views


def test_workers_with_one_store_hold_to_a_limit_together_and_say_whose_view_it_is(proxy: Proxy):
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(lambda _: proxy.chat(), range(40)))

    assert {a.status_code for a in answers} == {200}
    assert sum(a.headers["x-rotor-deployment"] == "free" for a in answers) == LIMIT, proxy.log[-3000:]
    views = statuses(proxy)
    assert len(views) == WORKERS
    for status in views.values():
        assert status["worker"]["alone"] is False
        [limit] = next(row["limits"] for row in status["deployments"] if row["id"] == "free")
        assert (limit["used"], limit["remaining"]) == (LIMIT, 0)


def test_advice_is_given_once_however_many_workers_and_reloads(proxy: Proxy):
    path = str(proxy.folder / "config.yaml")
    for _ in range(6):
        assert proxy.ask("/inside/reload", {"path": path}).json() == {"anew": True}
        assert proxy.chat("other").status_code == 200
    assert len(statuses(proxy)) == WORKERS  # each has put its strategy into its router

    given = [line.partition(ADVICE)[2] for line in proxy.log.splitlines() if ADVICE in line]
    settings = [line.partition("=")[0].split()[0] for line in given]
    assert sorted(settings) == ["LiteLLM", "cooldowns", "num_retries", "retry_after"], given
    assert "rpm" in next(line for line in given if line.startswith("LiteLLM"))
