from __future__ import annotations

import pytest

from rotor_core._model import Policy, Rule
from rotor_core.catalog.sources import catalog_from, found_config
from rotor_core.hookspecs import ProviderSpec


def test_the_policy_is_as_documented_when_nothing_is_said(read, local) -> None:
    assert read(local()).catalog.policy == Policy()
    assert read(local()).catalog.store == "memory://"


def test_every_part_of_the_policy_is_read(read, local) -> None:
    policy = {
        "ranking": "spread", "max_attempts": 5, "max_wait": "2m", "max_wait_for_free": 1.5, "paid": "never",
        "stream_break": "continue", "on_store_error": "refuse",
    }  # fmt: skip
    assert read(local(policy=policy)).catalog.policy == Policy(
        "spread", 5, 120.0, 1.5, "never", (), "continue", "refuse"
    )


def test_the_environment_overrides_the_store(read, local) -> None:
    assert read(local(store="sqlite:///a"), {"ROTOR_STORE": "redis://h:1/0"}).catalog.store == "redis://h:1/0"


def test_a_bad_store_in_the_environment_is_named_by_its_variable_and_hides_its_password(refused, local) -> None:
    error = refused(local(), {"ROTOR_STORE": "mongo://me:hunter2@h"})
    assert (error.key, error.value) == ("ROTOR_STORE", "mongo://")
    assert "memory://, redis:// or sqlite://" in str(error)


def test_rules_are_read_with_all_that_they_may_say(read, local) -> None:
    rules = [
        {"when": {"tokens_over": 32000}, "require": {"context": 128000}},
        {"when": {"task": "research", "complexity_over": 0.7}, "prefer": {"category": "reasoning"}},
    ]
    assert read(local(rules=rules)).catalog.rules == (
        Rule(tokens_over=32000, require_context=128000),
        Rule(task="research", complexity_over=0.7, prefer_category="reasoning"),
    )


def test_a_task_that_is_never_found_is_a_warning(read, local) -> None:
    report = read(local(rules=[{"when": {"task": "reserch"}, "prefer": {"category": "large"}}]))
    assert "did you mean 'research'?" in report.warnings[0].message
    assert report.catalog.rules[0].task == "reserch"


@pytest.fixture
def catalog_of():
    specs = {"other": ProviderSpec("other", "o:o", "https://o.test", (), {"models": {"m": {}}})}
    return lambda given, environ: catalog_from(given, environ, specs, ["free-first"], ["memory"])


def test_a_process_finds_its_file_in_the_working_directory(tmp_path, monkeypatch, catalog_of) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"OTHER_API_KEY": "k", "XDG_CONFIG_HOME": str(tmp_path / "none"), "APPDATA": str(tmp_path / "none")}
    assert found_config(environ) is None
    assert catalog_of(None, environ).source == "environment"
    (tmp_path / "rotor.yaml").write_text("version: 1\npolicy: {max_attempts: 7}\n")
    catalog = catalog_of(None, environ)
    assert (catalog.source, catalog.policy.max_attempts) == (str(tmp_path / "rotor.yaml"), 7)


def test_a_program_may_give_a_path_or_a_mapping(tmp_path, catalog_of) -> None:
    path = tmp_path / "other.yaml"
    path.write_text("version: 1\n")
    environ = {"OTHER_API_KEY": "k"}
    assert catalog_of(str(path), environ).source == str(path)
    assert catalog_of({"version": 1}, environ).source == "configuration"
    assert catalog_of(path, environ).digest == catalog_of({}, environ).digest
