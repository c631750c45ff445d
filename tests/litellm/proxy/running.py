"""LiteLLM's proxy as its users start it, in a process of its own: `litellm --config`, with what it logs kept in a file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

KEY = "sk-lab-master"
HANDLER = "rotor_litellm.proxy.handler"
REPOSITORY = Path(__file__).parents[3]
PATIENCE = 90.0
"""Seconds for a proxy to come up: it imports half of the world, twice as long beside others."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One that answers. `url`: its address; `folder`: where its configuration lies; `log`: what it has printed so far."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def ask(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = KEY, **more: Any
    ) -> httpx.Response:
        """POST where there is a body (or files), else GET."""
        headers = {**({"authorization": f"Bearer {key}"} if key else {}), **more.pop("headers", {})}
        method = "GET" if body is None and "files" not in more else "POST"
        said = {"data": body} if "files" in more else {"json": body} if body is not None else {}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **said, **more)

    def chat(self, model: str = "lab", **more: Any) -> httpx.Response:
        messages = [{"role": "user", "content": "Say hello to the town of Ulm."}]
        headers, key = more.pop("headers", {}), more.pop("key", KEY)
        body = {"model": model, "messages": messages, "max_tokens": 5, **more}
        return self.ask("/v1/chat/completions", body, headers=headers, key=key)


def config_of(*entries: Mapping[str, Any], **sections: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with Rotor's handler. `sections` are added to what is there."""
    config: dict[str, Any] = {
        "model_list": list(entries),
        "litellm_settings": {"callbacks": [HANDLER]},
        "router_settings": {"num_retries": 3, "retry_after": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": KEY},
    }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section}
    return config


def free_port() -> int:
    """One that nobody listens at for now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
    return port


@contextmanager
def started(folder: Path, config: Mapping[str, Any], *, workers: int = 1, **environ: str) -> Iterator[Proxy]:
    """A proxy with this configuration, until the end of the block. Fails with its log where it does not come up."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", "from litellm.proxy.proxy_cli import run_server; run_server()"]
    arguments = ["--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    world = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ROTOR_", "LITELLM_", "COV_"))},
        "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1", "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
        "ROTOR_STORE": "memory://", "ROTOR_PLUGINS": "",
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]),
        **environ,
    }  # fmt: skip
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *arguments, "--num_workers", str(workers)],
            stdout=log, stderr=log, env=world, cwd=folder, start_new_session=True,
        )  # fmt: skip
    proxy = Proxy(f"http://127.0.0.1:{port}", folder, process)
    try:
        until_it_answers(proxy)
        yield proxy
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Of all its workers. One that did not come up may be gone already."""
    for last in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, last)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return


def until_it_answers(proxy: Proxy) -> None:
    """Fails with its log where it never does."""
    give_up = time.monotonic() + PATIENCE
    while proxy.process.poll() is None and time.monotonic() < give_up:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{proxy.url}/health/liveliness").status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise RuntimeError(f"LiteLLM's proxy did not come up:\n{proxy.log[-4000:]}")
