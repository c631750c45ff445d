"""A plugin's catalog: a mapping or a TOML file, checked as a whole, read once, never an outage."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from rotor_core._errors import ConfigError
from rotor_core.catalog.packaged import section_of, validated
from rotor_core.hookspecs import ProviderSpec

GOOD = """
plan = "free"
quota_scope = "organization"

[sources]
page = { what = "limits page", url = "https://acme.test/limits", date = 2026-11-01, confidence = "official" }

[models.small]
context = 8000
source = "page"
from = { price = "page" }
price = { input = 1, output = 2 }
shutdown = 2027-01-01
replacement = "large"
images = { max_count = 5 }

[models.small.plans.free]
source = "page"
limits = [{ rpm = 30, rpd = 100, window = "bucket" }, { tokens = 900, per = "hour", source = "page" }]

[models.large]

[retired]
tiny = { on = 2026-01-01, use = "small", source = "page" }

[shared.some]
models = ["*:free"]
limits = [{ rpm = 5 }]
"""
ENVIRON = {"ACME_API_KEY": "k"}


def acme(catalog) -> dict[str, ProviderSpec]:
    return {"acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", (), catalog)}


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "catalog.toml"
    path.write_text(text)
    return path


def test_a_file_is_read_with_all_that_it_says(tmp_path) -> None:
    section = section_of("acme", toml(tmp_path, GOOD))
    small = section.models["small"]
    assert (section.quota_scope, small.context, small.images.max_count) == ("organization", 8000, 5)
    assert (small.shutdown, small.from_) == (dt.date(2027, 1, 1), {"price": "page"})
    assert section.sources["page"].date == dt.date(2026, 11, 1)
    assert section.retired["tiny"].use == "small"


def test_a_file_is_read_when_it_is_needed_and_once(tmp_path, read, monkeypatch) -> None:
    path, seen = toml(tmp_path, GOOD), []
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: (seen.append(self), real(self, *a, **k))[1])
    read(
        None,
        {"OTHER_API_KEY": "o"},
        specs={**acme(path), "other": ProviderSpec("other", "o:o", "https://o.test", (), {"models": {"m": {}}})},
    )
    assert seen == []
    for _ in range(3):
        read(None, ENVIRON, specs=acme(path))
    assert seen == [path]


def test_a_file_that_was_changed_is_read_again(tmp_path) -> None:
    path = toml(tmp_path, GOOD)
    assert section_of("acme", path).models["small"].context == 8000
    path.write_text(GOOD.replace("8000", "160000"))
    assert section_of("acme", path).models["small"].context == 160000


def test_a_file_inside_a_zip_is_as_good(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "wheel.zip", "w") as archive:
        archive.writestr("acme/catalog.toml", GOOD)
    section = section_of("acme", zipfile.Path(tmp_path / "wheel.zip", "acme/catalog.toml"))
    assert list(section.models) == ["small", "large"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('source = "page"\nfrom', 'source = "pge"\nfrom'), "models.small.source: names no source (got 'pge')"),
        (('price = "page"', 'price = "pgae"'), "models.small.from.price: names no source (got 'pgae')"),
        (('per = "hour", source = "page"', 'per = "hour", source = "x"'), "models.small.plans.free.limits[1].source"),
        (
            ('replacement = "large"', 'replacement = "lrage"'),
            "models.small.replacement: is no model here (got 'lrage')",
        ),
        (('use = "small"', 'use = "smol"'), "retired.tiny.use: is no model here (got 'smol')"),
        (("tiny =", "small ="), "retired.small: is among `models` too"),
        (("context = 8000", "contxt = 8000"), "models.small.contxt: unknown key"),
        (("date = 2026-11-01", 'date = "yesterday"'), "sources.page.date: is no date"),
        (('"official"', '"sure"'), "sources.page.confidence: is unknown here"),
        (('"organization"', '"company"'), "quota_scope: is unknown here"),
        (("from = { price", "from = { prize"), "models.small.from"),
        (("plan =", "plan"), "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_by_its_place(change, told, tmp_path) -> None:
    with pytest.raises(ConfigError) as caught:
        section_of("acme", toml(tmp_path, GOOD.replace(*change)))
    assert str(caught.value).startswith("catalog of acme: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["not = [valid", "models = 5", "[models.m]\nprice = 3"])
def test_a_broken_catalog_is_a_warning_and_costs_nobody_else_anything(text, tmp_path, read) -> None:
    other = ProviderSpec("other", "o:o", "https://o.test", (), {"models": {"m": {}}})
    report = read(None, {**ENVIRON, "OTHER_API_KEY": "o"}, specs={**acme(toml(tmp_path, text)), "other": other})
    assert list(report.catalog.deployments) == ["other/m#1"]
    (warning,) = [w for w in report.warnings if "catalog of acme" in w.message]
    assert warning.level == "warning"


def test_a_catalog_that_is_not_there_is_a_warning_too(tmp_path, read) -> None:
    report = read(None, ENVIRON, specs=acme(tmp_path / "gone.toml"), allow_empty=True)
    assert "cannot be read: No such file" in report.warnings[0].message


def test_a_users_file_takes_no_provenance(refused, local) -> None:
    assert refused(local({"from": {"price": "x"}})).problem == "unknown key"
    assert refused(local({}, {"sources": {}})).problem == "unknown key"
    assert refused(local({"source": "x"})).problem == "unknown key"


def test_what_a_limits_source_is_called_in_a_catalog_stays_there(tmp_path, read) -> None:
    (deployment, _) = read(None, ENVIRON, specs=acme(toml(tmp_path, GOOD))).catalog.deployments.values()
    assert {limit.source for limit in deployment.model.limits} == {"catalog"}


def test_models_that_share_a_limit_draw_on_one_window_for_each_quota(read) -> None:
    catalog = {
        "models": {"a:free": {"rpm": 9}, "b:free": {}, "c": {}},
        "shared": {"free ones": {"models": ["*:free"], "rpm": 5}},
    }
    found = read(None, {**ENVIRON, "ACME_API_KEY_1": "l"}, specs=acme(catalog)).catalog.deployments
    keys = {name: [bound.key for bound in d.limits or ()] for name, d in found.items()}
    assert len(keys["acme/a:free#1"]) == 2
    assert keys["acme/a:free#1"][1:] == keys["acme/b:free#1"]
    assert keys["acme/b:free#1"] != keys["acme/b:free#2"]
    assert keys["acme/c#1"] == []


def test_a_plan_has_its_own_shared_limits(read) -> None:
    shared = {"all": {"models": ["*"], "rpm": 5, "plans": {"big": {"rpm": 500}}}}
    specs = acme({"models": {"m": {}}, "shared": shared})
    found = read({"providers": {"acme": {"plan": "big"}}}, ENVIRON, specs=specs).catalog.deployments
    assert [b.limit.value for b in found["acme/m#1"].limits] == [500]


def test_a_base_url_may_hold_a_variable(read, refused) -> None:
    spec = ProviderSpec("acme", "a:b", "https://acme.test/{ACME_ACCOUNT}/v1", (), {"models": {"m": {}}})
    report = read(None, {**ENVIRON, "ACME_ACCOUNT": "me"}, specs={"acme": spec})
    assert report.catalog.deployments["acme/m#1"].provider.base_url == "https://acme.test/me/v1"
    error = refused({"providers": {"acme": {}}}, ENVIRON, specs={"acme": spec})
    assert "ACME_ACCOUNT" in str(error)
    assert read(None, ENVIRON, specs={"acme": spec}, allow_empty=True).catalog.deployments == {}


def test_several_keys_without_a_quota_are_warned_of_where_limits_are_not_the_keys_own(read) -> None:
    keys = {**ENVIRON, "ACME_API_KEY_1": "l"}

    def warned(scope, source=None):
        catalog = {"models": {"m": {}}, **({"quota_scope": scope} if scope else {})}
        return [w.message for w in read(source, keys, specs=acme(catalog)).warnings]

    (text,) = warned("organization")
    assert "of its 2 keys without `quota`, those of one organization need the same `quota: NAME`" in text
    assert warned("key") == warned(None) == []
    named = [{"env": "ACME_API_KEY", "quota": "us"}, {"env": "ACME_API_KEY_1", "quota": "us"}]
    assert warned("organization", {"providers": {"acme": {"keys": named}}}) == []


def test_a_section_says_where_it_was_found() -> None:
    with pytest.raises(ConfigError, match=r"^here: models\.m\.context"):
        validated("acme", {"models": {"m": {"context": -1}}}, "here")
