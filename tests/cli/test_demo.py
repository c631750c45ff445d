"""`rotor demo` as a newcomer runs it: real HTTP, real limits, a chain. Short, and in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Self

import pytest
from click.testing import CliRunner, Result

from rotor_cli.app import rotor
from rotor_cli.demo import command, show, stage
from rotor_core.sandbox import PRESETS, Sandbox

PROVIDERS = PRESETS["demo"]["providers"]
WANTED = {"offered", "answered", "free", "paid", "upstream_429", "waited_s", "p50_ms", "p95_ms", "by"}


def demo(*args: str) -> subprocess.Popen[str]:
    code = "from rotor_cli.app import main; main()"
    # What a user's environment may hold must not reach the demo: a store, a base URL, a tracing service, a proxy.
    env = {
        **os.environ,
        "ROTOR_STORE": "redis://127.0.0.1:1/0",
        "LAB_GROQ_BASE_URL": "http://127.0.0.1:1/v1",
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:1",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, "demo", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )


def test_everything_is_answered_and_no_provider_has_to_refuse() -> None:
    process = demo("--json", "--seconds", "5")
    stdout, stderr = process.communicate(timeout=60)
    assert stdout.count("\n") == 1
    told = json.loads(stdout)
    assert set(told) == WANTED
    assert (told["answered"], told["upstream_429"]) == (told["offered"], 0), (told, stderr)
    assert told["free"] + told["paid"] == told["answered"] == sum(told["by"].values())
    assert told["free"] > 0
    assert told["paid"] > 0
    assert set(told["by"]) == {f"{name}/{model}#1" for name, p in PROVIDERS.items() for model in p["models"]}
    assert process.returncode == 0
    assert stderr == ""


def run(*args: str) -> Result:
    return CliRunner().invoke(rotor, ["demo", "--rate", "120", *args])


def test_a_log_gets_lines_and_then_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "LINES_EVERY", 0.3)
    result = run("--seconds", "1")
    assert result.exit_code == 0, result.output
    assert "refused by a provider 0" in result.stdout
    assert "0 refusals (429) counted at the providers" in result.stdout
    assert "\x1b[" not in result.stdout
    assert result.stderr == ""


def test_json_is_printed_alone() -> None:
    result = run("--seconds", "1", "--json")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    assert set(json.loads(result.stdout)) == WANTED


class Broken(Sandbox):
    """Providers to whom no key is good any more."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.fault("revoked")
        return self


def test_a_question_without_an_answer_is_told_and_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "Sandbox", Broken)
    result = run("--seconds", "1")
    assert result.exit_code == 1
    assert "(auth)" in result.stdout
    assert "lab-groq-key" not in result.stdout
    assert "0 of " in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGINT so")
def test_what_was_counted_before_ctrl_c_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "LINES_EVERY", 0.5)
    monkeypatch.setattr(show, "progress_line", lambda _: signal.raise_signal(signal.SIGINT))
    result = run("--seconds", "30")
    assert result.exit_code == 130
    assert "interrupted; " in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_ends_it_with_the_summary_so_far() -> None:
    process = demo("--seconds", "60")
    assert process.stdout is not None
    first = process.stdout.readline()
    assert "offered" in first
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - begun < 10
    assert "interrupted; " in stdout
    assert (process.returncode, stderr.strip()) == (130, "")


def test_without_langchain_the_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda _: None)
    result = CliRunner().invoke(rotor, ["demo"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "pip install 'llm-rotor[langchain]'" in result.stderr


def test_the_demo_has_free_seats_under_every_kind_of_window_and_a_paid_one() -> None:
    models = [m for p in PROVIDERS.values() for m in p["models"].values()]
    windows = {limit.get("window") for m in models if m["price"]["input"] == 0 for limit in m["limits"]}
    assert windows == {"bucket", "rolling", "calendar"}
    assert any(m["price"]["input"] > 0 for m in models)
