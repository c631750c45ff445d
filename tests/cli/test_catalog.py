"""`rotor catalog`: what is known and since when, without a key; `refresh` writes what was found and survives what fails."""

from __future__ import annotations

import builtins
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from rich.console import Console

from rotor_cli import catalog_refresh
from rotor_cli.app import rotor
from rotor_cli.catalog_table import catalog_table, why_table
from rotor_core.adapters.openai_compatible import OpenAICompatible
from rotor_core.hookspecs import ProviderSpec
from rotor_core.plugins import Plugins, installed
from rotor_core.sandbox import Sandbox

ACME = ProviderSpec(
    "acme",
    "rotor_core.adapters.openai_compatible:OpenAICompatible",
    "https://acme.test/v1",
    catalog={
        "plan": "free",
        "quota_scope": "project",
        "source": "page",
        "sources": {
            "page": {
                "what": "limits page",
                "url": "https://acme.test/limits",
                "date": "2020-01-01",
                "confidence": "official",
            }
        },
        "shared": {"both": {"models": ["*"], "rpd": 50}},
        "models": {
            "small": {"context": 8192, "price": {"input": 1, "output": 2}, "plans": {"free": {"rpm": 30}}},
            "ear": {
                "capabilities": ["transcription"],
                "audio_price": 0.04,
                "limits": [],
                "plans": {"free": {"available": False}},
            },
            "bare": {},
        },
        "retired": {"old": {"on": "2020-02-02", "use": "small"}},
    },
)


def run(*args: str) -> Result:
    return CliRunner().invoke(rotor, ["catalog", *args])


@pytest.fixture(autouse=True)
def only_acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests' own provider, whatever plugins are installed."""
    known = installed()
    wire = known.providers["openai-compatible"]
    plugins = Plugins({"acme": ACME, "openai-compatible": wire}, known.stores, known.rankings)
    for module in ("rotor_cli.catalog", "rotor_cli.catalog_refresh"):
        __import__(module)
        monkeypatch.setattr(sys.modules[module], "installed", lambda: plugins)


@pytest.fixture
def written(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `refresh` writes."""
    path = nowhere / "catalog.json"
    monkeypatch.setenv("ROTOR_CATALOG", str(path))
    return path


def test_without_a_key_everything_is_shown_with_its_age() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    for text in (
        "acme",
        "no key (ACME_API_KEY)",
        "plan free",
        "limits by project",
        "30 req/min",
        "50 req/day",
        "8,192",
    ):
        assert text in result.stdout
    assert "free (else 1, 2)" in result.stdout
    assert "2020-01-01 stale" in result.stdout
    assert "old: shut down 2020-02-02; use acme/small" in result.stdout
    assert "not in this plan" in result.stdout
    assert "never refreshed" in result.stdout


def test_with_keys_it_says_what_is_free_and_who_is_in_which_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "a-key-that-nobody-sees")
    result = run("acme")
    assert "1 key" in result.stdout
    assert "1 of 2 deployments free" in " ".join(result.stdout.split()), (
        "of `bare` nobody says that it is in the free plan"
    )
    assert "pool default (default): acme/small, acme/bare" in result.stdout
    assert "nobody-sees" not in result.output


def configured(nowhere: Path, **acme: Any) -> tuple[str, ...]:
    path = nowhere / "rotor.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "providers": {"acme": acme}}))
    return "--config", str(path)


def test_figures_are_those_of_the_plan_that_the_keys_have(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_WORK", "a-key-that-nobody-sees")
    options = configured(
        nowhere, keys=[{"env": "ACME_WORK", "plan": "pro"}], models={"small": {"plans": {"pro": {"rpm": 700}}}}
    )
    shown = run(*options).stdout
    assert "1 key  plan pro" in shown
    assert "700 req/min" in shown
    assert "30 req/min" not in shown
    assert "0 of 3 models free under the plans shown" in " ".join(shown.split())
    acme = json.loads(run(*options, "--json").stdout)["PROVIDER_CATALOG"]["acme"]
    assert (acme["plan"], acme["models"]["small"]["free"], acme["models"]["ear"]["available"]) == ("pro", False, True)


def test_keys_of_several_plans_have_each_its_figures(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "a-key-that-nobody-sees")
    monkeypatch.setenv("ACME_WORK", "another-that-nobody-sees")
    keys = [{"env": "ACME_API_KEY", "quota": "a"}, {"env": "ACME_WORK", "plan": "pro", "quota": "b"}]
    options = configured(nowhere, keys=keys, models={"small": {"plans": {"pro": {"rpm": 700}}}})
    shown = run(*options).stdout
    assert "2 keys  plans free, pro" in shown
    assert "free: 30 req/min" in shown
    assert "pro: 700 req/min" in shown
    assert "free: not in this plan" in shown
    (acme,) = json.loads(run(*options, "--json").stdout)["PROVIDER_CATALOG"].values()
    assert acme["plan"] == "free", "what holds where a key says nothing else"


def test_a_key_that_is_named_and_not_there_is_said_to_be_missing(nowhere: Path) -> None:
    result = run(*configured(nowhere, keys=[{"env": "ACME_WROK"}]))
    assert "no key: ACME_WROK is not set" in result.stdout
    assert "ACME_API_KEY" not in result.stdout


def test_keys_with_which_no_model_can_be_used_are_said_to_be_there(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "a-key-that-nobody-sees")
    result = run(*configured(nowhere, models={"small": {"available": False}, "bare": {"available": False}}))
    assert "1 key, but no model can be used with it" in result.stdout


def test_a_configuration_that_is_wrong_is_said_to_be_and_not_that_there_is_no_key(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "a-key-that-nobody-sees")
    path = nowhere / "rotor.yaml"
    path.write_text("version: 1\ndefault_pool: fats\npools: {fast: [acme/small]}\n")
    result = run("--config", str(path))
    assert result.exit_code == 0
    assert "keys not looked at: the configuration is wrong" in result.stdout
    assert "no key" not in result.stdout
    assert "rotor.yaml:2: default_pool" in result.stderr
    told = json.loads(run("--config", str(path), "--json").stdout)
    assert told["PROVIDER_CATALOG"]["acme"]["keys"] is None
    assert "default_pool" in told["warnings"][0]


def test_a_key_without_the_rest_of_its_address_is_said_to_lack_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = installed()
    cloud = ProviderSpec(
        "cloud",
        ACME.adapter,
        "https://cloud.test/{CLOUD_ACCOUNT}/v1",
        env=("CLOUD_TOKEN",),
        catalog={"models": {"m": {}}},
    )
    plugins = Plugins({"cloud": cloud}, known.stores, known.rankings)
    monkeypatch.setattr(sys.modules["rotor_cli.catalog"], "installed", lambda: plugins)
    assert "no key (CLOUD_TOKEN or CLOUD_API_KEY)" in " ".join(run().stdout.split())
    monkeypatch.setenv("CLOUD_TOKEN", "a-key-that-nobody-sees")
    assert "1 key, but CLOUD_ACCOUNT is not set" in " ".join(run().stdout.split())


def test_json_is_one_line_and_the_whole() -> None:
    result = run("--json")
    assert result.stdout.count("\n") == 1
    told = json.loads(result.stdout)
    assert set(told) == {"at", "stale_after_days", "refreshed", "warnings", "PROVIDER_CATALOG", "pools", "default_pool"}
    acme = told["PROVIDER_CATALOG"]["acme"]
    assert set(acme) == {
        "base_url", "env", "keys", "missing", "plan", "plans", "quota_scope", "shared_limits", "models", "retired", "listed", "unlisted", "deployments",
    }  # fmt: skip
    assert set(acme["models"]["small"]) == {
        "context", "max_output", "capabilities", "category", "audio_price", "suits", "price", "images", "audio", "pooled",
        "shutdown", "replacement", "limits", "plans", "free", "available",
    }  # fmt: skip
    assert set(acme["models"]["small"]["context"]) == {"value", "source", "url", "date", "confidence", "stale"}


def test_why_has_a_line_for_every_figure() -> None:
    result = run("acme/small", "--why")
    for text in (
        "context",
        "8,192",
        "price.input",
        "free: req/min",
        "official",
        "limits page",
        "https://acme.test/limits",
    ):
        assert text in result.stdout
    assert "ear" not in result.stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nobody", "no catalog knows this provider"),
        ("acme/huge", "no catalog knows acme/huge; acme has small, ear, bare"),
        ("acme/old", "acme/old was shut down on 2020-02-02; use acme/small"),
    ],
)
def test_a_name_that_is_not_known_is_told_in_one_line(name: str, told: str) -> None:
    result = run(name)
    assert result.exit_code != 0
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_help_names_both_commands() -> None:
    assert all(word in run("--help").stdout for word in ("show", "refresh"))
    assert run("show", "--help").exit_code == run("refresh", "--help").exit_code == 0


def test_a_refreshed_file_that_is_broken_is_a_warning(written: Path) -> None:
    written.write_text("{")
    result = run()
    assert result.exit_code == 0
    assert f"warning: {written} is not valid JSON" in result.stderr


@pytest.mark.parametrize("width", [60, 100, 200])
def test_tables_fit_their_width(width: int) -> None:
    told = json.loads(run("--json").stdout)
    console = Console(file=io.StringIO(), width=width)
    for shown in (catalog_table(told, width=width), why_table(told)):
        console.print(shown)
    assert all(len(line) <= width for line in console.file.getvalue().splitlines())


# -- refresh


class Book:
    source, url = "prices 9.9", "https://prices.test"

    def price(self, provider: str, model: str, day: object) -> dict[str, float] | None:
        return {"input": 0.25, "output": 0.5} if model == "small" else None


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_refresh, "PriceBook", Book)


@pytest.fixture
def house(nowhere: Path) -> Any:
    """A provider that lists its models, in a configuration that names it."""
    spec = {"providers": {"acme": {"keys": ["acme-key-1"], "models": {"small": {"context": 16384}, "newest": {}}}}}
    with Sandbox(spec) as box:
        acme = {"base_url": box.config()["providers"]["acme"]["base_url"], "keys": [{"value": "acme-key-1"}]}
        (nowhere / "rotor.yaml").write_text(yaml.safe_dump({"version": 1, "providers": {"acme": acme}}))
        yield box


@pytest.mark.usefixtures("book", "house")
def test_refresh_takes_prices_and_the_providers_own_list(written: Path) -> None:
    result = run("refresh")
    assert result.exit_code == 0, result.output
    assert "genai-prices: prices of 1 models of 1 providers (prices 9.9)" in result.stdout
    assert "acme: lists 2 models: 1 known here, 1 more; of those known here it lacks bare, ear" in result.stdout
    acme = json.loads(run("--json").stdout)["PROVIDER_CATALOG"]["acme"]
    assert acme["models"]["small"]["price"]["input"] == {
        "value": 0.25, "source": "prices 9.9", "url": "https://prices.test", "date": acme["models"]["small"]["price"]["input"]["date"],
        "confidence": "package", "stale": False,
    }  # fmt: skip
    assert (acme["listed"], acme["unlisted"]) == (["newest"], ["bare", "ear"])
    assert "acme-key-1" not in written.read_text()
    shown = run("acme").stdout
    assert "not in the provider's own list: bare, ear" in shown
    assert "lists 1 model more" in shown


@pytest.mark.usefixtures("book", "house")
def test_offline_asks_no_provider(written: Path, house: Sandbox) -> None:
    assert run("refresh", "--offline").exit_code == 0
    assert [layer["layer"] for layer in json.loads(written.read_text())["layers"] if layer["providers"]] == ["prices"]


@pytest.mark.usefixtures("book", "written")
def test_a_provider_that_is_away_is_a_line_and_the_rest_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "a-key-that-nobody-sees")
    monkeypatch.setenv("ACME_BASE_URL", "http://127.0.0.1:9/v1")
    result = run("refresh", "--timeout", "2")
    assert result.exit_code == 0
    assert "acme: acme could not be reached" in result.stderr
    assert "nobody-sees" not in result.output


@pytest.mark.usefixtures("book", "written")
def test_an_adapter_that_fails_is_a_line_that_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "a-key-that-nobody-sees")

    def breaks(self: object, provider: object, secret: Any, *, timeout: float) -> None:
        raise RuntimeError(f"cannot use {secret.reveal()}")

    monkeypatch.setattr(OpenAICompatible, "list_models", breaks)
    result = run("refresh", "--json")
    lines = {line["name"]: line for line in json.loads(result.stdout)["lines"]}
    assert lines["acme"]["good"] is False
    assert "its adapter failed: RuntimeError: cannot use ****" in lines["acme"]["text"]
    assert "nobody-sees" not in result.output


@pytest.mark.usefixtures("house")
def test_without_the_price_package_the_lists_are_written_all_the_same(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def none_there(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("genai_prices"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", none_there)
    result = run("refresh")
    assert "pip install llm-rotor[prices]" in result.stderr
    assert written.exists()


def test_where_nothing_can_be_had_nothing_is_written(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_refresh, "PriceBook", lambda: (_ for _ in ()).throw(ImportError))
    result = run("refresh")
    assert result.exit_code == 1
    assert "no key was found, so none was asked" in result.stderr
    assert not written.exists()


@pytest.mark.usefixtures("book")
def test_a_place_that_cannot_be_written_is_one_line(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "file").write_text("")
    monkeypatch.setenv("ROTOR_CATALOG", str(nowhere / "file" / "catalog.json"))
    result = run("refresh", "--offline")
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr or "cannot be written" in result.stderr
    assert result.stderr.count("\n") == 1
