"""`rotor status` and `rotor explain`: what they show is what the engine says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from rotor_cli import status as status_command
from rotor_cli.app import rotor
from rotor_core import Rotor

DEPLOYMENT_KEYS = {
    "id", "provider", "model", "credential", "quota", "plan", "free", "state", "available_at",
    "limits", "health", "latency_ms", "requests", "failures", "tokens", "cost_usd",
}  # fmt: skip


def still(status: dict[str, Any]) -> dict[str, Any]:
    """A status without its instants, which move while one looks."""
    rows = [{k: v for k, v in row.items() if k != "available_at"} for row in status["deployments"]]
    return {**status, "at": None, "deployments": rows}


def run(*args: str) -> Result:
    return CliRunner().invoke(rotor, args)


@pytest.mark.usefixtures("config_file")
def test_status_json_is_exactly_what_the_engine_says() -> None:
    result = run("status", "--json")
    told = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    with Rotor.from_config("rotor.yaml") as engine:
        assert still(told) == still(json.loads(json.dumps(engine.status())))
    assert [set(row) for row in told["deployments"]] == [DEPLOYMENT_KEYS, DEPLOYMENT_KEYS]


@pytest.mark.usefixtures("config_file")
def test_status_shows_a_row_for_each_deployment_with_its_limits() -> None:
    text = run("status").stdout
    for part in (
        "lab-free/small#1 free",
        "lab-paid/large#1 paid",
        "0/3 req/h",
        "0/4 at once",
        "0/500 req/min",
        "available",
    ):
        assert part in text


@pytest.mark.usefixtures("config_file")
def test_watching_looks_again_until_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([None, None])

    def nap(_: float) -> None:
        if next(looks, KeyboardInterrupt) is KeyboardInterrupt:
            raise KeyboardInterrupt

    monkeypatch.setattr(status_command.time, "sleep", nap)
    result = run("status", "--json", "--watch")
    assert [json.loads(line)["store"] for line in result.stdout.splitlines()] == ["memory://"] * 3
    assert result.exit_code == 130


@pytest.mark.usefixtures("config_file")
def test_watching_at_a_terminal_draws_over_what_it_drew(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, width=120, _environ={"TERM": "xterm"})
    monkeypatch.setattr(status_command, "out", lambda: terminal)
    looks = iter([None])

    def nap(_: float) -> None:
        if next(looks, KeyboardInterrupt) is KeyboardInterrupt:
            raise KeyboardInterrupt

    monkeypatch.setattr(status_command.time, "sleep", nap)
    assert run("status", "--watch").exit_code == 130
    assert file.getvalue().count("lab-free/small#1") >= 2
    assert "\x1b[2K" in file.getvalue()


@pytest.mark.usefixtures("config_file")
def test_explain_says_who_would_answer_and_who_would_be_next() -> None:
    rows = [" ".join(line.split()) for line in run("explain", "Why is the sky blue?").stdout.splitlines()]
    assert any(row.startswith("lab-free/small#1 chosen free") for row in rows)
    assert any(row.startswith("lab-paid/large#1 ranked 2 $1.25/M") for row in rows)


@pytest.mark.usefixtures("config_file")
def test_explain_json_names_every_candidate_with_its_verdict() -> None:
    told = json.loads(run("explain", "hello", "--json").stdout)
    verdicts = [(v["deployment"], v["verdict"], v["rank"]) for v in told["verdicts"]]
    assert verdicts == [("lab-free/small#1", "chosen", 1), ("lab-paid/large#1", "ranked", 2)]
    assert told["pool"] == "main"


@pytest.mark.usefixtures("config_file")
def test_explain_says_why_a_model_is_too_small() -> None:
    told = json.loads(run("explain", "word " * 20_000, "--json").stdout)
    rejected = {v["deployment"]: v["reason"] for v in told["verdicts"] if v["verdict"] == "rejected"}
    assert "8,192" in rejected["lab-free/small#1"] or "8192" in rejected["lab-free/small#1"]


@pytest.mark.usefixtures("config_file")
def test_explaining_takes_nothing() -> None:
    before = json.loads(run("status", "--json").stdout)
    run("explain", "hello")
    assert still(json.loads(run("status", "--json").stdout)) == still(before)


@pytest.mark.parametrize("command", [("status",), ("explain", "hello"), ("chat", "hello")])
def test_with_no_key_and_no_file_the_one_line_says_what_would_help(command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    for part in (
        "no API key",
        "rotor.yaml",
        "`rotor config init`",
        "`rotor demo` and `rotor sandbox` work without keys",
    ):
        assert part in result.stderr


def test_a_file_that_is_wrong_is_named_with_its_line(nowhere: Path) -> None:
    (nowhere / "mine.yaml").write_text("version: 1\nprovders: {}\n")
    result = run("status", "--config", "mine.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("rotor: mine.yaml:2: provders")
    assert "'providers'" in result.stderr
