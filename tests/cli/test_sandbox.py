"""`rotor sandbox`: providers to test against, until Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner, Result

from rotor_cli import sandbox as sandbox_command
from rotor_cli.app import rotor
from rotor_core import Rotor
from rotor_core.sandbox import PRESETS

DEMO = PRESETS["demo"]["providers"]


def run_until_ctrl_c(monkeypatch: pytest.MonkeyPatch, *args: str) -> Result:
    """A run that is interrupted as soon as it waits."""

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sandbox_command.time, "sleep", interrupted)
    return CliRunner().invoke(rotor, ["sandbox", *args])


@contextmanager
def running(*args: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from rotor_cli.app import main; main()", "sandbox", *args]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to one process")
def test_it_answers_by_the_keys_it_prints_fails_on_demand_and_ends_quietly_by_ctrl_c() -> None:
    with running("--json") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        with Rotor.from_config(told["config"]) as engine:
            assert engine.chat("Why is the sky blue?").answer is not None
        fault = {"fault": {"kind": "status", "status": 503, "provider": "lab-groq", "times": 1}}
        httpx.post(told["address"] + "/_control", json=fault, trust_env=False).raise_for_status()
        groq = told["providers"]["lab-groq"]
        body = {"model": groq["models"][0], "messages": [{"role": "user", "content": "hello"}]}
        key = {"Authorization": f"Bearer {groq['keys'][0]}"}
        url = groq["base_url"] + "/chat/completions"
        assert [httpx.post(url, json=body, headers=key, trust_env=False).status_code for _ in range(2)] == [503, 200]
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
        assert (stdout, stderr.strip(), process.returncode) == ("", "", 0)


def test_a_person_is_shown_urls_keys_a_configuration_and_how_to_ask_for_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_until_ctrl_c(monkeypatch)
    assert result.exit_code == 0, result.output
    for part in (
        "/lab-groq/v1",
        "lab-groq-key",
        "version: 1",
        '/_control -d \'{"fault"',
        "/_stats/summary",
        "Ctrl-C ends it",
    ):
        assert part in result.stdout


def test_the_configuration_it_shows_is_one_that_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_until_ctrl_c(monkeypatch).stdout
    text = shown[shown.index("version: 1") : shown.index("the next 3 fail")]
    with Rotor.from_config(yaml.safe_load(text)) as engine:
        assert {d.provider.name for d in engine.candidates()} == set(DEMO)


def test_its_configuration_is_written_where_one_says(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    result = run_until_ctrl_c(monkeypatch, "--write", "rotor.yaml")
    assert "wrote rotor.yaml" in result.stdout
    with Rotor.from_config("rotor.yaml") as engine:
        assert len(engine.candidates()) == len(DEMO)


def test_a_file_that_is_there_is_not_replaced_unless_forced(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    (nowhere / "rotor.yaml").write_text("mine")
    result = run_until_ctrl_c(monkeypatch, "--write", "rotor.yaml")
    assert (result.exit_code, (nowhere / "rotor.yaml").read_text()) == (1, "mine")
    assert result.stderr.startswith("rotor: rotor.yaml is there already")
    assert run_until_ctrl_c(monkeypatch, "--write", "rotor.yaml", "--force").exit_code == 0


def test_it_can_be_described_by_a_file(monkeypatch: pytest.MonkeyPatch, nowhere: Path) -> None:
    spec = {"providers": {"lab-mine": {"keys": ["lab-mine-key"], "models": {"m": {"limits": []}}}}}
    (nowhere / "mine.yaml").write_text(yaml.safe_dump(spec))
    told = json.loads(run_until_ctrl_c(monkeypatch, "--spec", "mine.yaml", "--json").stdout)
    assert told["providers"]["lab-mine"] == {
        "base_url": f"{told['address']}/lab-mine/v1", "keys": ["lab-mine-key"], "models": ["m"],
    }  # fmt: skip


def test_a_preset_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(json.loads(run_until_ctrl_c(monkeypatch, "--spec", "plain", "--json").stdout)["providers"]) == ["lab"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("providers: {lab: {dialect: grok, models: {m: {}}}}", "did you mean 'groq'?"),
        ("providers: {lab: [", "not valid YAML"),
        ("{}", "providers"),
    ],
)
def test_a_bad_description_is_one_line_that_names_its_file(nowhere: Path, text: str, said: str) -> None:
    (nowhere / "bad.yaml").write_text(text)
    result = CliRunner().invoke(rotor, ["sandbox", "--spec", "bad.yaml"])
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("rotor: bad.yaml")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_description_that_is_not_there_is_one_line() -> None:
    result = CliRunner().invoke(rotor, ["sandbox", "--spec", "nowhere.yaml"])
    assert result.exit_code == 2
    assert result.stderr.startswith("rotor: nowhere.yaml")


def test_a_port_that_is_taken_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with running("--json", "--spec", "plain") as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["address"].rpartition(":")[2]
        result = run_until_ctrl_c(monkeypatch, "--port", port)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert port in result.stderr
