"""Models that are gone: asking for one names what to use and the day; writing it down keeps it, with a warning."""

from __future__ import annotations

import datetime as dt

import pytest

from rotor_core import ConfigError
from rotor_core._planner import Planner
from rotor_core._policy.rank import RANKINGS
from rotor_core.hookspecs import ProviderSpec

CATALOG = {
    "models": {"new": {"capabilities": ["tools"]}, "ending": {"shutdown": "2026-12-11", "replacement": "new"}},
    "retired": {"old": {"on": "2026-08-16", "use": "new"}, "older": {}},
}
SPECS = {"acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", (), CATALOG)}
ENVIRON = {"ACME_API_KEY": "k"}
BEFORE, AFTER = dt.date(2026, 12, 10), dt.date(2026, 12, 11)


@pytest.fixture
def load(read):
    return lambda source=None, **kwargs: read(source, ENVIRON, specs=SPECS, **kwargs)


def asked(report, name) -> str:
    with pytest.raises(ConfigError) as caught:
        Planner(report.catalog, RANKINGS["free-first"]).deployments(name)
    return str(caught.value)


def test_a_pinned_model_that_is_gone_is_refused_by_the_name_of_its_replacement(load) -> None:
    text = asked(load(), "acme/old")
    assert "this model was shut down on 2026-08-16 (got 'acme/old'); expected acme/new, which replaces it" in text
    assert "this model was shut down (got 'acme/older'); expected another model" in asked(load(), "acme/older")


def test_one_in_a_pool_is_refused_likewise_with_its_line(written, read, refused) -> None:
    path = written("version: 1\npools:\n  mine:\n    - acme/new\n    - acme/old\n")
    error = refused(path, ENVIRON, specs=SPECS)
    assert (error.line, error.key, error.value) == (5, "pools.mine[1]", "acme/old")
    assert "acme/new, which replaces it" in str(error)


def test_one_of_a_provider_without_a_key_is_told_as_well(refused) -> None:
    other = ProviderSpec("other", "o:o", "https://o.test", (), {"models": {"m": {}}})
    error = refused({"pools": {"p": ["other/m", "acme/old"]}}, {"OTHER_API_KEY": "k"}, specs={**SPECS, "other": other})
    assert "was shut down on 2026-08-16" in str(error)


def test_a_model_ends_on_its_day(load) -> None:
    assert "acme/ending#1" in load(today=BEFORE).catalog.deployments
    gone = load(today=AFTER)
    assert list(gone.catalog.deployments) == ["acme/new#1"]
    assert "was shut down on 2026-12-11" in asked(gone, "acme/ending")
    assert "acme/ending#1" in load().catalog.deployments


@pytest.mark.parametrize("name", ["old", "ending"])
def test_one_that_the_user_writes_down_stays_with_a_warning(name, load) -> None:
    report = load({"providers": {"acme": {"models": {name: {"context": 1000}}}}}, today=AFTER)
    assert f"acme/{name}#1" in report.catalog.deployments
    (warning,) = [w for w in report.warnings if "was shut down" in w.message]
    assert warning.key == f"providers.acme.models.{name}"
    assert "use acme/new" in warning.message
    assert f"acme/{name}" not in report.catalog.retired


def test_the_digest_tells_catalogs_apart_by_what_is_gone(load, read) -> None:
    kept = {"models": CATALOG["models"]}
    specs = {"acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", (), kept)}
    assert load().catalog.digest != read(None, ENVIRON, specs=specs).catalog.digest
