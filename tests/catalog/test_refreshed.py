"""What was refreshed lies between the packaged catalog and the user's file, figure by figure."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from rotor_core.adapters.wire import LiveModel
from rotor_core.catalog.layers import Layer, Layers
from rotor_core.catalog.packaged import validated
from rotor_core.catalog.refresh import file_of, listed, priced, write_refreshed
from rotor_core.catalog.refreshed import LIVE, NOTHING, PRICES, Refreshed, read_refreshed, refreshed_path
from rotor_core.catalog.sources import catalog_from
from rotor_core.hookspecs import ProviderSpec

DAY = dt.date(2026, 11, 21)
AT = dt.datetime(2026, 11, 21, 10, 30, tzinfo=dt.UTC)
PACKAGED = {
    "models": {
        "m": {
            "context": 1000,
            "max_output": 100,
            "capabilities": ["parallel_tools"],
            "price": {"input": 1, "output": 2},
        },
        "n": {"context": 2000},
    }
}
SPECS = {"acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", (), PACKAGED)}
ENVIRON = {"ACME_API_KEY": "k"}


class Book:
    source, url = "prices 9.9", "https://prices.test"

    def price(self, provider, model, day):
        return {"input": 0.5, "output": 1.5} if (provider, model, day) == ("acme", "m", DAY) else None


def packaged() -> Layers:
    return Layers((Layer(validated("acme", PACKAGED), "catalog", "catalog of acme"),))


def written(path: Path, prices=None, live=None, before: Refreshed = NOTHING) -> Refreshed:
    write_refreshed(path, file_of(prices or {}, live or {}, before, AT))
    return read_refreshed(path)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "deep" / "catalog.json"


@pytest.fixture
def model(read):
    def model(refreshed, name="acme/m#1", source=None):
        report = read(source, ENVIRON, specs=SPECS, refreshed=refreshed)
        return report.catalog.deployments[name].model

    return model


def test_a_refreshed_price_replaces_the_packaged_one_and_nothing_else(path, model) -> None:
    found = model(written(path, {"acme": priced("acme", packaged(), Book(), DAY)}))
    assert (found.price.input, found.price.output, found.context) == (0.5, 1.5, 1000)


def test_the_providers_own_list_comes_before_a_price_book(path, model) -> None:
    live = listed(
        packaged(), [LiveModel("m", context=4000, input_price=3.0, output_price=4.0)], "https://acme.test", DAY
    )
    found = model(written(path, {"acme": priced("acme", packaged(), Book(), DAY)}, {"acme": live}))
    assert (found.price.input, found.context, found.max_output) == (3.0, 4000, 100)


@pytest.mark.parametrize("plan", ["free", "trial"])
def test_what_a_plan_costs_is_not_changed_by_what_paid_keys_pay(plan, path, read) -> None:
    free = {"price": {"input": 0, "output": 0}}
    models = {"m": {"price": {"input": 1, "output": 2}, "plans": {"trial": free, "free": {"rpm": 5}}}}
    specs = {"acme": ProviderSpec("acme", "a:b", "https://acme.test/v1", (), {"plan": plan, "models": models})}
    live = listed(packaged(), [LiveModel("m", input_price=3.0, output_price=4.0)], "u", DAY)
    refreshed = written(path, {"acme": priced("acme", packaged(), Book(), DAY)}, {"acme": live})
    assert read(None, ENVIRON, specs=specs, refreshed=refreshed).catalog.deployments["acme/m#1"].free
    paid = read({"providers": {"acme": {"plan": "other"}}}, ENVIRON, specs=specs, refreshed=refreshed)
    assert paid.catalog.deployments["acme/m#1"].price.input == 3.0


def test_the_users_file_has_the_last_word(path, model) -> None:
    live = listed(packaged(), [LiveModel("m", context=4000, max_output=400)], "https://acme.test", DAY)
    source = {"providers": {"acme": {"models": {"m": {"context": 77}}}}}
    found = model(written(path, live={"acme": live}), source=source)
    assert (found.context, found.max_output) == (77, 400)


def test_what_a_list_does_not_name_is_not_denied(path, model) -> None:
    live = listed(packaged(), [LiveModel("m", capabilities=frozenset({"vision"}))], "https://acme.test", DAY)
    assert model(written(path, live={"acme": live})).capabilities == {"vision", "parallel_tools", "tools"}


def test_a_model_that_only_the_list_has_is_used_once_it_is_written_down(path, read, model) -> None:
    live = listed(packaged(), [LiveModel("new", context=9000)], "https://acme.test", DAY)
    refreshed = written(path, live={"acme": live})
    assert set(read(None, ENVIRON, specs=SPECS, refreshed=refreshed).catalog.deployments) == {"acme/m#1", "acme/n#1"}
    assert model(refreshed, "acme/new#1", {"providers": {"acme": {"models": {"new": {}}}}}).context == 9000


def test_a_model_that_the_list_calls_retired_is_gone_on_its_day(path, read) -> None:
    live = listed(
        packaged(), [LiveModel("n", retired="2026-11-20T00:00:00Z", replacement="m"), LiveModel("m")], "u", DAY
    )
    report = read(None, ENVIRON, specs=SPECS, refreshed=written(path, live={"acme": live}), today=DAY)
    assert list(report.catalog.deployments) == ["acme/m#1"]
    assert report.catalog.retired["acme/n"].use == "acme/m"


def test_a_replacement_that_nobody_knows_here_is_left_out(path, read) -> None:
    live = listed(packaged(), [LiveModel("n", retired="2026-11-20", replacement="zz"), LiveModel("zz")], "u", DAY)
    report = read(None, ENVIRON, specs=SPECS, refreshed=written(path, live={"acme": live}), today=DAY)
    assert report.catalog.retired["acme/n"].use is None
    assert report.warnings == ()


def test_figures_that_cannot_be_are_not_written(path) -> None:
    live = listed(packaged(), [LiveModel("m", context=0, input_price=-1.0, output_price=2.0)], "u", DAY)
    assert live["models"]["m"] == {}


def test_the_other_providers_figures_stay_when_one_is_asked(path) -> None:
    first = written(
        path,
        {"acme": priced("acme", packaged(), Book(), DAY)},
        {"other": listed(packaged(), [LiveModel("o")], "u", DAY)},
    )
    second = written(path, live={"acme": listed(packaged(), [LiveModel("m")], "u", DAY)}, before=first)
    assert set(second.layer(LIVE)) == {"acme", "other"}
    assert set(second.layer(PRICES)) == {"acme"}
    assert list(second.listed("other")) == ["o"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is not of version 1"),
        ('{"version": 2}', "is not of version 1"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_warning_and_the_packaged_figures_hold(text, told, tmp_path, read) -> None:
    path = tmp_path / "catalog.json"
    path.write_text(text)
    report = read(None, ENVIRON, specs=SPECS, refreshed=read_refreshed(path))
    (warning,) = report.warnings
    assert told in warning.message
    assert "rotor catalog refresh" in warning.message
    assert report.catalog.deployments["acme/m#1"].model.price.input == 1


def test_a_directory_in_the_files_place_is_a_warning(tmp_path) -> None:
    assert "cannot be read" in read_refreshed(tmp_path).warnings[0].message


def test_a_section_that_is_broken_is_a_warning_and_the_others_hold(tmp_path, read) -> None:
    path = tmp_path / "catalog.json"
    layers = [
        {"layer": PRICES, "providers": {"acme": {"models": {"m": {"price": {"input": 7, "output": 7}}}}}},
        {"layer": LIVE, "providers": {"acme": {"models": {"m": {"context": "many"}}}}},
    ]
    path.write_text(json.dumps({"version": 1, "layers": layers}))
    report = read(None, ENVIRON, specs=SPECS, refreshed=read_refreshed(path))
    assert "live of acme: models.m.context" in report.warnings[0].message
    assert report.catalog.deployments["acme/m#1"].model.price.input == 7


def test_no_file_is_nothing_to_speak_of(tmp_path) -> None:
    found = read_refreshed(tmp_path / "none.json")
    assert (found.found, found.warnings, found.at) == ({}, (), None)


def test_the_file_is_beside_the_users_own_unless_a_variable_says_otherwise(tmp_path) -> None:
    assert refreshed_path({}, tmp_path, "linux") == tmp_path / ".config" / "rotor" / "catalog.json"
    assert refreshed_path({"ROTOR_CATALOG": str(tmp_path / "c.json")}, tmp_path, "linux") == tmp_path / "c.json"


def test_a_refresh_is_seen_by_the_next_load(tmp_path) -> None:
    path = tmp_path / "c.json"
    environ = {**ENVIRON, "ROTOR_CATALOG": str(path)}

    def context() -> int:
        return catalog_from({}, environ, SPECS, ("free-first",), ("memory",)).deployments["acme/n#1"].model.context

    assert context() == 2000
    written(path, live={"acme": listed(packaged(), [LiveModel("n", context=3000)], "u", DAY)})
    assert context() == 3000


def test_writing_leaves_the_old_file_where_it_fails(path, monkeypatch) -> None:
    written(path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_refreshed(path, {"version": object()})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["catalog.json"]
