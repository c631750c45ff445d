"""What ships: every catalog reads, every figure has a source and a date, windows are those that the providers count by."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest

from rotor_core.catalog.load import load, load_report
from rotor_core.catalog.packaged import section_of
from rotor_core.catalog.refreshed import NOTHING
from rotor_core.catalog.view import provider_catalog
from rotor_core.hookspecs import ProviderSpec

ROOT = Path(__file__).parents[2]
FILES = {
    **{path.parent.name.removeprefix("rotor_"): path for path in sorted(ROOT.glob("plugins/*/src/*/catalog.toml"))},
    **{path.stem: path for path in sorted((ROOT / "src/rotor_core/catalog/data").glob("*.toml"))},
}
SPECS = {name: ProviderSpec(name, "a:b", f"https://{name}.test/v1", (), path) for name, path in FILES.items()}
KEYS = {f"{name.upper()}_API_KEY": f"key-of-{name}" for name in FILES}
WITH = {"rankings": ("free-first",), "schemes": ("memory",)}
DAY = dt.date(2026, 11, 21)
each = pytest.mark.parametrize("name", FILES)


@pytest.fixture(scope="module")
def all_of_them():
    return load_report(None, environ=KEYS, specs=SPECS, **WITH, today=DAY)


@pytest.fixture(scope="module")
def told():
    return provider_catalog(None, environ=KEYS, specs=SPECS, **WITH, refreshed=NOTHING, today=DAY)["PROVIDER_CATALOG"]


def limits_of(report, name: str) -> set[tuple]:
    """(unit, value, per, window, zone, counts) of a model under the plan that is assumed."""
    found = report.catalog.deployments[f"{name}#1"].limits
    return {(b.limit.unit, b.limit.value, b.limit.per, b.limit.window, b.limit.tz, b.limit.counts) for b in found}


def test_six_plugins_and_ten_presets_have_one() -> None:
    assert set(FILES) == {
        "groq", "openai", "gemini", "cohere", "mistral", "together",
        "openrouter", "cerebras", "deepseek", "xai", "anthropic", "fireworks", "nvidia", "huggingface", "cloudflare", "sambanova",
    }  # fmt: skip


def test_they_load_together_without_a_warning(all_of_them) -> None:
    assert all_of_them.warnings == ()


def figures(value, path=()):
    """Every mapping that tells a figure, wherever it stands."""
    if isinstance(value, dict):
        if {"value", "source", "date"} <= value.keys():
            yield path, value
        else:
            for key, inner in value.items():
                yield from figures(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from figures(inner, (*path, index))


@each
def test_every_figure_has_a_source_and_a_date(name, told) -> None:
    found = list(figures(told[name]))
    assert len(found) > 3
    bare = [path for path, fact in found if fact["date"] is None or fact["source"].startswith("catalog of")]
    assert bare == []
    assert all(dt.date.fromisoformat(fact["date"]) <= DAY for _, fact in found)


@each
def test_what_is_named_as_a_source_is_used(name) -> None:
    text = FILES[name].read_text()
    for source in tomllib.loads(text)["sources"]:
        assert text.count(f'"{source}"') > (1 if "." in source else 0), source


@each
def test_everything_that_chats_says_its_size(name) -> None:
    for model, section in section_of(name, FILES[name]).models.items():
        assert section.category or set(section.capabilities) == {"transcription"}, model


@each
def test_prices_are_no_nonsense(name) -> None:
    for model, section in section_of(name, FILES[name]).models.items():
        if section.price:
            assert section.price.input <= section.price.output <= 100, model
            assert (section.price.cached or 0) <= section.price.input, model


@each
def test_no_catalog_holds_a_key_or_a_base_url_of_its_own(name) -> None:
    section = section_of(name, FILES[name])
    assert section.keys is None
    assert section.base_url is None  # that stands in the plugin, once


@each
def test_what_ends_or_has_ended_has_a_replacement_that_stays(name) -> None:
    section = section_of(name, FILES[name])
    for old, gone in (section.retired or {}).items():
        assert section.models[gone.use].shutdown is None, old
    for model, told in section.models.items():
        if told.shutdown:
            assert section.models[told.replacement].shutdown is None, model


def test_groq_counts_by_buckets(all_of_them) -> None:
    assert limits_of(all_of_them, "groq/openai/gpt-oss-20b") == {
        ("requests", 30.0, "minute", "bucket", "UTC", "usage"),
        ("requests", 1000.0, "day", "bucket", "UTC", "usage"),
        ("tokens", 8000.0, "minute", "bucket", "UTC", "usage"),
        ("tokens", 200_000.0, "day", "bucket", "UTC", "usage"),
    }
    assert ("audio_seconds", 7200.0, "hour", "bucket", "UTC", "usage") in limits_of(
        all_of_them, "groq/whisper-large-v3"
    )


def test_geminis_day_ends_at_midnight_in_los_angeles(all_of_them) -> None:
    assert limits_of(all_of_them, "gemini/gemini-3.8-flash") == {
        ("requests", 5.0, "minute", "calendar", "UTC", "usage"),
        ("input_tokens", 250_000.0, "minute", "calendar", "UTC", "usage"),
        ("requests", 20.0, "day", "calendar", "America/Los_Angeles", "usage"),
    }


def test_coheres_trial_is_a_rolling_minute_and_a_month_that_all_models_share(all_of_them) -> None:
    found = all_of_them.catalog.deployments
    r, a = found["cohere/command-r-08-2024#1"], found["cohere/command-a-03-2025#1"]
    assert limits_of(all_of_them, "cohere/command-r-08-2024") == {
        ("requests", 20.0, "minute", "rolling", "UTC", "usage"),
        ("requests", 1000.0, "month", "calendar", "UTC", "usage"),
    }
    assert len({b.key for b in r.limits} & {b.key for b in a.limits}) == 1
    assert r.free


def test_openrouters_free_models_share_a_day_in_utc(all_of_them) -> None:
    free = [d for d in all_of_them.catalog.deployments.values() if d.provider.name == "openrouter"]
    assert len({frozenset(b.key for b in d.limits) for d in free}) == 1
    assert all(d.free for d in free)
    assert ("requests", 50.0, "day", "calendar", "UTC", "usage") in limits_of(
        all_of_them, "openrouter/google/gemma-4-31b-it:free"
    )


def test_openai_deducts_what_is_asked_for_and_no_tier_is_assumed(all_of_them) -> None:
    assert all_of_them.catalog.deployments["openai/gpt-5.6-luna#1"].limits is None
    source = {"providers": {"openai": {"plan": "tier-1"}}}
    report = load_report(source, environ=KEYS, specs=SPECS, **WITH)
    assert limits_of(report, "openai/gpt-5.6-luna") == {
        ("requests", 500.0, "minute", "bucket", "UTC", "usage"),
        ("tokens", 500_000.0, "minute", "bucket", "UTC", "requested"),
    }


def test_nobody_is_free_who_is_not_known_to_be(all_of_them) -> None:
    free = {d.provider.name for d in all_of_them.catalog.deployments.values() if d.free}
    assert free == {"groq", "gemini", "cohere", "openrouter", "nvidia"}


def test_a_free_plan_leaves_out_what_it_does_not_include(all_of_them) -> None:
    assert "gemini/gemini-3.1-pro-preview#1" not in all_of_them.catalog.deployments
    paid = load({"providers": {"gemini": {"plan": "paid"}}}, environ=KEYS, specs=SPECS, **WITH).deployments
    assert not paid["gemini/gemini-3.1-pro-preview#1"].free
    mistral = load({"providers": {"mistral": {"plan": "free"}}}, environ=KEYS, specs=SPECS, **WITH).deployments
    assert "mistral/mistral-large-4#1" not in mistral
    assert mistral["mistral/ministral-3b-2512#1"].free


def test_transcription_is_in_no_pool(all_of_them) -> None:
    pooled = {seat.deployment.model.name for pool in all_of_them.catalog.pools.values() for seat in pool.seats}
    heard = {
        d.model.name
        for d in all_of_them.catalog.deployments.values()
        if "transcription" in (d.model.capabilities or ())
    }
    assert len(heard) >= 10
    assert not pooled & heard


@pytest.mark.parametrize("name", ["groq", "gemini", "openai", "cohere", "mistral", "together", "anthropic"])
def test_one_key_is_enough_for_the_pools_by_task(name) -> None:
    catalog = load(None, environ={f"{name.upper()}_API_KEY": "k"}, specs=SPECS, **WITH)
    assert {"fast", "research", "code", "vision", "default"} <= set(catalog.pools)


def test_who_promises_tools_calls_several_at_once(all_of_them) -> None:
    for name in ("fast", "research", "code"):
        for seat in all_of_them.catalog.pools[name].seats:
            assert "parallel_tools" in seat.deployment.model.capabilities


@pytest.mark.parametrize(
    ("name", "use"),
    [("groq/llama-3.3-70b-versatile", "groq/openai/gpt-oss-120b"), ("groq/llama-3.1-8b-instant", "groq/openai/gpt-oss-20b"),
     ("together/meta-llama/Llama-3.3-70B-Instruct-Turbo", "together/openai/gpt-oss-120b")],
)  # fmt: skip
def test_the_models_of_older_guides_are_known_to_be_gone(name, use, all_of_them) -> None:
    assert all_of_them.catalog.retired[name].use == use


def test_no_address_is_a_package_registrys() -> None:
    hosts = re.compile(r"pypi\.org|pythonhosted|npmjs|crates\.io|rubygems|huggingface\.co/(models|datasets)")
    assert [name for name, path in FILES.items() if hosts.search(path.read_text())] == []
