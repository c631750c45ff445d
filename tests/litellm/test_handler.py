"""The proxy's handler: as a filter in any router, and as what puts Rotor's strategy back when LiteLLM has taken it away."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import litellm
import pytest
from tests.litellm.made import HELLO, PAID, by, entry, free, router

from rotor_core.sandbox import Sandbox
from rotor_litellm.proxy import RotorHandler
from rotor_litellm.strategy import installed_in

needs_proxy = pytest.mark.skipif(find_spec("fastapi") is None, reason="the proxy needs litellm[proxy]")


@pytest.fixture
def handler() -> RotorHandler:
    made = RotorHandler()
    litellm.callbacks.append(made)
    return made


async def test_as_a_filter_it_leaves_one_candidate_and_limits_hold(box: Sandbox, handler: RotorHandler):
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 2, "per": "day"}])), entry(box, "two", rotor={"price": PAID})
    )

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(4)]

    assert [by(a) for a in answers] == ["one-1", "one-1", "two-1", "two-1"]
    assert handler.roster.engine.health.in_flight == 0


async def test_registered_twice_it_chooses_once(box: Sandbox, handler: RotorHandler):
    litellm.callbacks.append(handler)
    r = router(
        entry(box, "one", rotor=free(limits=[{"requests": 2, "per": "day"}])), entry(box, "two", rotor={"price": PAID})
    )

    answers = [await r.acompletion(model="lab", messages=HELLO, max_tokens=5) for _ in range(3)]

    assert [by(a) for a in answers] == ["one-1", "one-1", "two-1"]
    assert handler.roster.engine.health.in_flight == 0


async def test_a_switch_of_strategies_under_load_loses_no_request_and_no_limit(box: Sandbox, handler: RotorHandler):
    limit = free(limits=[{"requests": 20, "per": "day"}])
    r = router(entry(box, "one", rotor=limit), entry(box, "two", rotor={"price": PAID}))
    handler.take_over(r)

    async def ask(number: int) -> Any:
        if number == 10:
            r.update_settings(routing_strategy="least-busy")
        if number == 30:
            handler.take_over(r)
        return await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    answers = await asyncio.gather(*(ask(n) for n in range(40)))

    assert sum(by(a) == "one-1" for a in answers) == 20
    assert installed_in(r) is not None


async def test_a_misspelt_key_does_not_take_a_running_proxy_down(
    box: Sandbox, handler: RotorHandler, caplog: pytest.LogCaptureFixture
):
    r = router(entry(box, "one", rotor={"limts": []}))

    answer = await r.acompletion(model="lab", messages=HELLO, max_tokens=5)

    assert by(answer) == "one-1"
    assert "limts" in caplog.text


@pytest.fixture(scope="module")
def proxy(running: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    config = {
        "model_list": [
            entry(running, "one", rotor=free(limits=[{"requests": 3, "per": "day"}])),
            entry(running, "two", rotor={"price": PAID}),
        ],
        "litellm_settings": {"callbacks": ["rotor_litellm.proxy.handler"]},
        "router_settings": {"num_retries": 3, "retry_after": 0},
        "general_settings": {"master_key": "sk-lab"},
    }
    (folder / "config.json").write_text(json.dumps(config))  # JSON is YAML
    (folder / "config.yaml").write_text(json.dumps(config))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [sys.executable, "-c", "from litellm.proxy.proxy_cli import run_server; run_server()"]
    arguments = ["--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environ = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "ROTOR_STORE": "memory://", "ROTOR_PLUGINS": ""}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, env=environ, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    give_up = time.monotonic() + 90
    while time.monotonic() < give_up:
        try:
            if httpx.get(f"{url}/health/liveliness").status_code == 200:
                break
        except httpx.HTTPError:
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(20)


@needs_proxy
def test_the_real_proxy_lets_rotor_choose_and_says_who_answered(proxy: str, box: Sandbox):
    def ask() -> httpx.Response:
        return httpx.post(
            f"{proxy}/v1/chat/completions",
            headers={"authorization": "Bearer sk-lab"},
            json={"model": "lab", "messages": HELLO, "max_tokens": 5},
            timeout=30,
        )

    answers = [ask() for _ in range(5)]

    assert [a.status_code for a in answers] == [200] * 5
    assert [a.headers["x-rotor-deployment"] for a in answers] == ["one-1"] * 3 + ["two-1"] * 2


@needs_proxy
def test_the_status_of_the_real_proxy_asks_for_its_key(proxy: str):
    refused = httpx.get(f"{proxy}/rotor/status", headers={"authorization": "Bearer sk-wrong"})
    assert refused.status_code in {400, 401, 403}  # 400 where the proxy has no database to look keys up in
    assert "deployments" not in refused.text

    status = httpx.get(f"{proxy}/rotor/status", headers={"authorization": "Bearer sk-lab"}).json()

    assert [d["id"] for d in status["deployments"]] == ["one-1", "two-1"]
