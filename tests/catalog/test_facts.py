"""Every figure with its provenance: the layer and the source that state it, and whether it is too old."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from rotor_core._errors import ConfigError
from rotor_core.catalog.catalog_schema import AudioSection, ImagesSection
from rotor_core.catalog.facts import STALE_AFTER, Fact
from rotor_core.catalog.refreshed import NOTHING, read_refreshed
from rotor_core.catalog.view import MEDIA, provider_catalog
from rotor_core.hookspecs import ProviderSpec

DAY = dt.date(2026, 11, 21)
CATALOG = {
    "plan": "free",
    "quota_scope": "project",
    "source": "page",
    "sources": {
        "page": {
            "what": "limits page",
            "url": "https://acme.test/limits",
            "date": "2026-11-01",
            "confidence": "official",
        },
        "book": {"what": "price book", "date": "2026-01-01", "confidence": "package"},
        "seen": {"what": "headers", "date": "2026-11-20", "confidence": "observed"},
    },
    "plans": {"free": {"limits": [{"requests": 1000, "per": "month", "window": "calendar"}]}},
    "shared": {"some": {"models": ["s*"], "rpm": 3, "source": "seen"}},
    "models": {
        "small": {
            "context": 8000,
            "price": {"input": 1, "output": 2},
            "from": {"price": "book", "limits": "book"},
            "rpm": 9,
            "images": {"max_count": 5},
            "plans": {
                "free": {"source": "seen", "limits": [{"rpm": 30}, {"requests": 9, "per": "day", "source": "book"}]}
            },
        },
        "bare": {"shutdown": "2027-01-01", "replacement": "small"},
    },
    "retired": {"old": {"on": "2026-01-01", "use": "small"}},
}
SPECS = {
    "acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", ("ACME_KEY",), CATALOG),
    "wire": ProviderSpec("wire", "a:b"),
}


@pytest.fixture
def view():
    def view(source=None, environ=None, refreshed=NOTHING, only=None):
        return provider_catalog(
            source, environ=environ or {}, specs=SPECS, rankings=("free-first",), schemes=("memory",),
            refreshed=refreshed, today=DAY, only=only,
        )  # fmt: skip

    return view


@pytest.fixture
def small(view):
    return lambda **kwargs: view(**kwargs)["PROVIDER_CATALOG"]["acme"]["models"]["small"]


def told(value, what, date, confidence, *, url=None, stale=False):
    return {"value": value, "source": what, "url": url, "date": date, "confidence": confidence, "stale": stale}


PAGE = {"url": "https://acme.test/limits"}


def test_a_figure_is_stale_after_its_time_and_never_without_a_date() -> None:
    made = DAY - dt.timedelta(days=STALE_AFTER)
    assert not Fact(1, "x", date=made).stale(DAY)
    assert Fact(1, "x", date=made).stale(DAY + dt.timedelta(days=1))
    assert not Fact(1, "x").stale(DAY)


def test_a_figure_has_the_source_that_is_named_for_it_else_the_catalogs_own(small) -> None:
    assert small()["context"] == told(8000, "limits page", "2026-11-01", "official", **PAGE)
    assert small()["price"]["input"] == told(1.0, "price book", "2026-01-01", "package", stale=True)
    assert small()["price"]["cached"] is None
    assert small()["images"]["max_count"]["value"] == 5


def test_each_limit_has_its_own_source(small) -> None:
    planned = small()["plans"]["free"]["limits"]
    assert [(limit["value"], limit["per"], limit["source"]) for limit in planned] == [
        (30.0, "minute", "headers"),
        (9.0, "day", "price book"),
    ]
    (general,) = small()["limits"]
    assert (general["source"], general["stale"], general["window"], general["counts"]) == (
        "price book",
        True,
        "bucket",
        None,
    )


def test_limits_that_are_shared_say_among_whom(view) -> None:
    shared = view()["PROVIDER_CATALOG"]["acme"]["shared_limits"]
    found = [(s["plan"], s["models"], s["limits"][0]["value"], s["limits"][0]["source"]) for s in shared]
    assert found == [
        ("free", ["*"], 1000.0, "limits page"),
        ("free", ["s*"], 3.0, "headers"),
        (None, ["s*"], 3.0, "headers"),
    ]


def test_what_the_user_says_is_the_users(small) -> None:
    source = {"providers": {"acme": {"models": {"small": {"context": 5}}}}}
    assert small(source=source)["context"] == told(5, "configuration", None, "user")


def test_what_was_refreshed_bears_its_day(tmp_path, small, view) -> None:
    section = {"source": "r", "sources": {"r": {"what": "a list", "date": "2026-11-19", "confidence": "official"}}}
    section["models"] = {"small": {"context": 6000}, "more": {}}
    path = tmp_path / "catalog.json"
    path.write_text(
        json.dumps({"version": 1, "at": "then", "layers": [{"layer": "live", "providers": {"acme": section}}]})
    )
    refreshed = read_refreshed(path)
    assert small(refreshed=refreshed)["context"] == told(6000, "a list", "2026-11-19", "official")
    acme = view(refreshed=refreshed)["PROVIDER_CATALOG"]["acme"]
    assert (acme["listed"], acme["unlisted"]) == (["more"], ["bare"])
    assert view(refreshed=refreshed)["refreshed"] == "then"


def test_no_key_is_needed_and_keys_are_counted_not_shown(view) -> None:
    acme = view()["PROVIDER_CATALOG"]["acme"]
    assert (acme["keys"], acme["deployments"], acme["env"]) == (0, [], ["ACME_KEY", "ACME_API_KEY"])
    with_keys = view(environ={"ACME_KEY": "secret-one", "ACME_KEY_1": "secret-two"})
    acme = with_keys["PROVIDER_CATALOG"]["acme"]
    assert acme["keys"] == 2
    assert {"id": "acme/small#2", "model": "small", "plan": "free", "free": True} in acme["deployments"]
    assert with_keys["pools"] == {"default": ["acme/small", "acme/bare"]}
    assert "secret" not in json.dumps(with_keys)


def test_the_whole_is_json_and_says_what_is_gone_and_what_ends(view) -> None:
    found = json.loads(json.dumps(view()))
    assert list(found["PROVIDER_CATALOG"]) == ["acme"]
    acme = found["PROVIDER_CATALOG"]["acme"]
    assert acme["retired"] == {"old": {"on": "2026-01-01", "use": "acme/small"}}
    assert (acme["models"]["bare"]["shutdown"]["value"], acme["models"]["bare"]["replacement"]) == (
        "2027-01-01",
        "small",
    )
    assert acme["models"]["bare"]["category"]["source"] == "its name"
    assert acme["models"]["small"]["free"]


def test_a_configuration_that_cannot_be_used_hides_no_facts(view) -> None:
    found = view(source={"pools": {"mine": ["acme/small"]}})
    assert "small" in found["PROVIDER_CATALOG"]["acme"]["models"]
    assert (found["pools"], found["default_pool"]) == ({}, None)


def test_the_facts_of_media_are_those_of_the_format() -> None:
    assert tuple(ImagesSection.model_fields) == MEDIA["images"]
    assert tuple(AudioSection.model_fields) == MEDIA["audio"]


def test_one_provider_alone_may_be_asked_for(view) -> None:
    assert list(view(only="acme")["PROVIDER_CATALOG"]) == ["acme"]
    with pytest.raises(ConfigError, match="no catalog knows this provider"):
        view(only="nobody")
