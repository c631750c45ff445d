"""`rotor/...` behind the real proxy: its headers say who answered, of whole answers and of streams, and errors keep their status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.litellm.conftest import LAB
from tests.litellm.doors import over
from tests.litellm.made import HELLO
from tests.litellm.proxy.running import Proxy, free_port, until_it_answers

from rotor_core.sandbox import Sandbox

pytestmark = pytest.mark.skipif(find_spec("fastapi") is None, reason="the proxy needs litellm[proxy]")


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """One more model, that can be asked once a day with each key."""
    lab: dict[str, Any] = json.loads(json.dumps(LAB))
    models = lab["providers"]["one"]["models"]
    models["rare"] = {**models["m"], "limits": [{"requests": 1, "per": "day", "window": "rolling"}]}
    with Sandbox(lab) as box:
        yield box


@pytest.fixture(scope="module")
def proxy(running: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("proxy")
    config = {
        "model_list": [
            {"model_name": "fast", "litellm_params": {"model": "rotor/fast"}},
            {"model_name": "rotor/*", "litellm_params": {"model": "rotor/*"}},
        ],
        "litellm_settings": {
            "custom_provider_map": [{"provider": "rotor", "custom_handler": "rotor_litellm.provider.rotor"}]
        },
        "general_settings": {"master_key": "sk-lab"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    (folder / "rotor.yaml").write_text(json.dumps(over(running, policy={"max_wait": 0})))
    port = free_port()
    command = [sys.executable, "-c", "from litellm.proxy.proxy_cli import run_server; run_server()"]
    arguments = ["--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    environ = {
        **{name: value for name, value in os.environ.items() if name != "ROTOR_STORE"},
        "LITELLM_LOCAL_MODEL_COST_MAP": "True", "ROTOR_PLUGINS": "", "ROTOR_CONFIG": str(folder / "rotor.yaml"),
    }  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, *arguments], stdout=log, stderr=log, env=environ, cwd=folder)
    try:
        until_it_answers(Proxy(f"http://127.0.0.1:{port}", folder, process))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def ask(proxy: str, **more: Any) -> httpx.Response:
    return httpx.post(
        f"{proxy}/v1/chat/completions",
        headers={"authorization": "Bearer sk-lab"},
        json={"model": "fast", "messages": HELLO, "max_tokens": 5, **more},
        timeout=60,
    )


@pytest.mark.parametrize("model", ["fast", "rotor/auto", "rotor/one/m"])
def test_an_answer_says_who_gave_it(proxy: str, box: Sandbox, model: str):
    answer = ask(proxy, model=model)

    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    assert answer.headers["x-rotor-model"] in {"one/m", "two/m"}
    assert answer.headers["x-rotor-attempts"] == "1"


def test_so_does_a_stream_and_its_usage_is_the_providers(proxy: str, box: Sandbox):
    box.fault(503, provider="one", times=5)
    answer = ask(proxy, stream=True, stream_options={"include_usage": True})

    assert answer.headers["x-rotor-provider"] == "two"
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert chunks[-1]["usage"]["completion_tokens"] == 5
    assert len({chunk["id"] for chunk in chunks}) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_so_does_the_answer_to_a_message_which_litellm_makes_of_another(proxy: str, box: Sandbox, stream: bool):
    answer = httpx.post(
        f"{proxy}/v1/messages",
        headers={"authorization": "Bearer sk-lab"},
        json={"model": "fast", "messages": HELLO, "max_tokens": 5, "stream": stream},
        timeout=60,
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-rotor-model"] in {"one/m", "two/m"}
    assert answer.headers["x-rotor-attempts"] == "1"


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_pool_is_404_and_an_exhausted_one_429_before_any_of_a_stream(proxy: str, box: Sandbox, stream: bool):
    unknown = ask(proxy, model="rotor/fest", stream=stream)
    for _ in range(3):
        exhausted = ask(proxy, model="rotor/one/rare", stream=stream)

    assert (unknown.status_code, exhausted.status_code) == (404, 429)
    assert "did you mean 'fast'" in unknown.text
    assert not any(word in unknown.text for word in ("rotor.yaml", "REDACTED"))
    assert "0 left of 1 request per day" in exhausted.text
    assert box.key("one") not in exhausted.text
