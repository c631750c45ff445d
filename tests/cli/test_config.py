"""`rotor config`: write one, judge one, describe them all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from rotor_cli.app import rotor
from rotor_core.catalog.starter import starter


def run(*args: str) -> Result:
    return CliRunner().invoke(rotor, ["config", *args])


def test_init_writes_the_starter_and_says_what_comes_next(nowhere: Path) -> None:
    result = run("init")
    assert (nowhere / "rotor.yaml").read_text(encoding="utf-8") == starter()
    assert "wrote rotor.yaml" in result.stdout
    assert result.exit_code == 0


def test_init_never_replaces_a_file_unless_forced(nowhere: Path) -> None:
    (nowhere / "rotor.yaml").write_text("mine")
    result = run("init")
    assert (result.exit_code, (nowhere / "rotor.yaml").read_text()) == (1, "mine")
    assert result.stderr.startswith("rotor: rotor.yaml is there already; --force")
    assert run("init", "--force").exit_code == 0
    assert (nowhere / "rotor.yaml").read_text(encoding="utf-8") == starter()


def test_init_says_why_it_cannot_write(nowhere: Path) -> None:
    result = run("init", "--path", str(nowhere / "no" / "such" / "folder.yaml"))
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


def test_what_init_writes_is_good_where_its_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "gsk_0123456789abcdefghij")
    run("init")
    result = run("check")
    assert result.exit_code == 0, result.stdout
    assert result.stdout.endswith("rotor.yaml: is good\n")


def test_an_error_names_file_and_line_and_has_status_1(nowhere: Path) -> None:
    (nowhere / "bad.yaml").write_text("version: 1\nproviders: {}\npolcy: {}\n")
    result = run("check", "bad.yaml")
    assert result.exit_code == 1
    assert "error: bad.yaml:3: polcy" in result.stdout
    assert "'policy'" in result.stdout
    assert result.stdout.endswith("bad.yaml: cannot be used\n")


def test_a_file_that_is_not_there_is_an_error_not_a_traceback() -> None:
    result = run("check", "nowhere.yaml")
    assert result.exit_code == 1
    assert "nowhere.yaml" in result.stdout


def a_local(**more: object) -> str:
    local = {"adapter": "openai-compatible", "base_url": "http://127.0.0.1:1/v1", "keys": [], "models": {"m": more}}
    return yaml.safe_dump({"version": 1, "providers": {"local": local}})


def test_a_warning_is_shown_and_is_no_failure(nowhere: Path) -> None:
    (nowhere / "rotor.yaml").write_text(a_local())
    result = run("check")
    assert result.exit_code == 0
    assert "warning: " in result.stdout
    assert "limits of local/m are unknown" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("rotor.yaml: can be used, 1 warning")


def test_a_real_key_in_a_file_is_warned_about_and_not_shown(nowhere: Path) -> None:
    document = yaml.safe_load(a_local(limits=[]))
    document["providers"]["local"]["keys"] = [{"value": "gsk_0123456789abcdefghijABCDEFGHIJ"}]
    (nowhere / "rotor.yaml").write_text(yaml.safe_dump(document))
    result = run("check")
    assert "looks like a real key" in result.stdout
    assert "gsk_0123456789" not in result.output


def test_findings_come_as_one_json_object_too(nowhere: Path) -> None:
    (nowhere / "rotor.yaml").write_text("version: 1\nproviders: {}\npolcy: {}\n")
    result = run("check", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    (finding,) = told["findings"]
    assert (finding["level"], finding["line"], finding["key"]) == ("error", 3, "polcy")


def test_without_a_file_the_environment_is_judged() -> None:
    result = run("check")
    assert result.exit_code == 1
    assert "the environment (no rotor.yaml was found): cannot be used" in result.stdout


def test_the_schema_is_a_schema_that_knows_a_good_file_from_a_bad_one() -> None:
    result = run("schema")
    validator = Draft202012Validator(json.loads(result.stdout))
    validator.check_schema(validator.schema)
    assert validator.is_valid(yaml.safe_load(starter()))
    assert not validator.is_valid({"version": 1, "polcy": {}})
