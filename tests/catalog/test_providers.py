"""Providers: the user's section over the plugin's catalog, under a plan."""

from __future__ import annotations

import pytest
from tests.catalog.conftest import SPECS

from rotor_core._errors import ConfigError
from rotor_core._model import Limit, Price
from rotor_core.hookspecs import ProviderSpec

KEY = {"ACME_API_KEY": "k"}


def _one(report, name):
    (found,) = [d for d in report.catalog.deployments.values() if d.name == name]
    return found


def test_what_the_plugin_knows_needs_no_configuration(read) -> None:
    deployment = _one(read(None, KEY), "acme/small-7b")
    assert deployment.provider.base_url == "https://api.acme.test/v1"
    assert deployment.provider.adapter == "acme"
    assert deployment.provider.timeout == 120
    assert (deployment.model.context, deployment.price) == (8000, Price(1, 2))
    assert deployment.limits is None
    assert not deployment.free


def test_the_users_figures_go_before_the_plugins_one_by_one(read) -> None:
    section = {"timeout": "2m", "models": {"small-7b": {"context": 4000}, "own": {"rps": 1}}}
    report = read({"providers": {"acme": section}}, KEY)
    assert [d.name for d in report.catalog.deployments.values()] == ["acme/small-7b", "acme/own", "acme/huge-400b"]
    deployment = _one(report, "acme/small-7b")
    assert (deployment.model.context, deployment.price, deployment.provider.timeout) == (4000, Price(1, 2), 120)
    assert _one(report, "acme/own").model.context is None


def test_a_plan_sets_limits_and_the_free_one_costs_nothing(read) -> None:
    free = _one(read({"providers": {"acme": {"plan": "free"}}}, KEY), "acme/small-7b")
    assert free.model.limits == (
        Limit("requests", 30, "minute", source="catalog"),
        Limit("tokens", 6000, "minute", source="catalog"),
    )
    assert free.free
    developer = _one(read({"providers": {"acme": {"plan": "developer"}}}, KEY), "acme/small-7b")
    assert developer.model.limits == (Limit("requests", 1000, "minute", source="catalog"),)
    assert developer.price == Price(1, 2)


def test_the_users_limits_and_prices_go_before_any_plan_of_the_plugin(read) -> None:
    section = {"plan": "free", "models": {"small-7b": {"rpm": 7, "price": {"input": 3, "output": 4, "cached": 1}}}}
    deployment = _one(read({"providers": {"acme": section}}, KEY), "acme/small-7b")
    assert [b.limit.value for b in deployment.limits] == [7]
    assert deployment.price == Price(3, 4, 1)


def test_the_users_own_plan_goes_before_their_general_figures(read, local) -> None:
    model = {
        "rpm": 7,
        "price": {"input": 1, "output": 1},
        "plans": {"pro": {"rpm": 70, "price": {"input": 2, "output": 2}}},
    }
    report = read(local(model, {"keys": [{"value": "a"}, {"value": "b", "plan": "pro"}]}))
    plain, pro = report.catalog.deployments.values()
    assert [b.limit.value for d in (plain, pro) for b in d.limits] == [7, 70]
    assert (plain.price, pro.price) == (Price(1, 1), Price(2, 2))


def test_a_model_that_a_plan_leaves_out_is_not_used_under_it(read) -> None:
    names = [d.name for d in read({"providers": {"acme": {"plan": "free"}}}, KEY).catalog.deployments.values()]
    assert names == ["acme/small-7b"]
    section = {"plan": "free", "models": {"huge-400b": {"available": True}, "small-7b": {"available": False}}}
    names = [d.name for d in read({"providers": {"acme": section}}, KEY).catalog.deployments.values()]
    assert names == ["acme/huge-400b"]


def test_the_plan_of_one_key_is_looked_for_where_it_stands(read, tmp_path) -> None:
    path = tmp_path / "rotor.yaml"
    path.write_text(
        "version: 1\nproviders:\n  acme:\n    plan: free\n    keys:\n"
        "      - {value: a, quota: x}\n      - {value: b, quota: x, plan: develper}\n"
    )
    (warning,) = read(path).warnings
    assert (warning.line, warning.key) == (7, "providers.acme.keys[1].plan")
    assert "did you mean 'developer'?" in warning.message


def test_a_key_whose_address_is_not_whole_is_said_to_lack_what_is_missing(read) -> None:
    somewhere = ProviderSpec(
        "cloud", "c:C", "https://cloud.test/{CLOUD_ACCOUNT}/v1", env=("CLOUD_TOKEN",), catalog={"models": {"m": {}}}
    )
    report = read(None, {"CLOUD_TOKEN": "k", **KEY}, specs={**SPECS, "cloud": somewhere})
    (warning,) = [w for w in report.warnings if "cloud" in w.message]
    assert warning.key == "CLOUD_ACCOUNT"
    assert "is not set, and is a part of the address of cloud, whose key is there" in warning.message
    with pytest.raises(ConfigError, match="CLOUD_ACCOUNT: is not set"):
        read(None, {"CLOUD_TOKEN": "k"}, specs={"cloud": somewhere})
    assert not read(None, KEY, specs={**SPECS, "cloud": somewhere}).warnings, "without a key nobody wants it"


def test_a_plan_of_which_nothing_is_known_is_a_warning_with_the_nearest(read) -> None:
    report = read({"providers": {"acme": {"plan": "develper"}}}, KEY)
    assert "'develper'" in report.warnings[0].message
    assert "did you mean 'developer'?" in report.warnings[0].message


def test_absent_limits_are_unknown_and_an_empty_list_is_none(read, local) -> None:
    assert _one(read(local()), "local/m").limits is None
    unlimited = _one(read(local({"limits": []})), "local/m")
    assert (unlimited.limits, unlimited.model.limits) == ((), ())


def test_an_absent_price_is_unknown_but_free_under_a_free_plan(read, local) -> None:
    assert _one(read(local()), "local/m").price is None
    assert _one(read(local(provider={"plan": "free"})), "local/m").free


def test_limits_of_a_provider_are_shared_by_all_models_of_a_quota(read, local) -> None:
    section = {
        "rpd": 50,
        "models": {"a": {"rpm": 5}, "b": {}, "c": {"limits": []}},
        "keys": [{"value": "x"}, {"value": "y"}],
    }
    deployments = read(local(provider=section)).catalog.deployments
    keys = {name: [b.key for b in d.limits] for name, d in deployments.items()}
    assert len(keys["local/a#1"]) == 2
    assert keys["local/a#1"][1] == keys["local/b#1"][0] == keys["local/c#1"][0]
    assert "|*|requests|day|" in keys["local/b#1"][0]
    assert keys["local/a#2"][1] != keys["local/a#1"][1]
    assert deployments["local/b#1"].model.limits is None


def test_limits_of_a_provider_follow_the_plan_too(read, local) -> None:
    section = {"rpd": 50, "plans": {"pro": {"rpd": 500}}, "keys": [{"value": "x"}, {"value": "y", "plan": "pro"}]}
    values = [d.limits[0].limit.value for d in read(local(provider=section)).catalog.deployments.values()]
    assert values == [50, 500]


def test_capabilities_imply_what_they_contain_and_are_unknown_when_absent(read, local) -> None:
    assert _one(read(local()), "local/m").model.capabilities is None
    stated = _one(read(local({"capabilities": ["parallel_tools", "json_schema"]})), "local/m").model.capabilities
    assert stated == {"parallel_tools", "tools", "json_schema", "json_mode"}
    assert _one(read(local({"capabilities": []})), "local/m").model.capabilities == frozenset()


def test_a_category_is_detected_when_absent(read) -> None:
    report = read({"providers": {"acme": {"models": {"huge-400b": {"category": "reasoning"}}}}}, KEY)
    assert [_one(report, f"acme/{name}").model.category for name in ("small-7b", "huge-400b")] == ["small", "reasoning"]


def test_headers_are_laid_over_those_of_the_plugin(read) -> None:
    spec = ProviderSpec(
        "h", "h:h", "https://h.test", ("H_KEY",), {"models": {"m": {}}, "headers": {"A": "1", "B": "2"}}
    )
    report = read(
        {"providers": {"h": {"headers": {"B": "3"}, "proxy": "socks5://p:1"}}}, {"H_KEY": "k"}, specs={"h": spec}
    )
    provider = _one(report, "h/m").provider
    assert (dict(provider.headers), provider.proxy) == ({"A": "1", "B": "3"}, "socks5://p:1")


def test_the_environment_overrides_a_base_url(read, local) -> None:
    report = read(local(), {"LOCAL_BASE_URL": "http://127.0.0.1:9/v2/"})
    assert _one(report, "local/m").provider.base_url == "http://127.0.0.1:9/v2"


def test_a_bad_base_url_in_the_environment_is_named_by_its_variable(refused, local) -> None:
    error = refused(local(), {"LOCAL_BASE_URL": "127.0.0.1"})
    assert (error.key, error.value) == ("LOCAL_BASE_URL", "127.0.0.1")


def test_a_provider_may_use_anothers_adapter_and_catalog_elsewhere(read) -> None:
    section = {"adapter": "acme", "base_url": "https://eu.acme.test/v1", "keys": [{"value": "k"}]}
    deployment = _one(read({"providers": {"acme-eu": section}}), "acme-eu/small-7b")
    assert (deployment.provider.adapter, deployment.provider.base_url) == ("acme", "https://eu.acme.test/v1")


def test_a_known_provider_may_be_spoken_to_by_another_adapter(read) -> None:
    deployment = _one(read({"providers": {"acme": {"adapter": "openai-compatible"}}}, KEY), "acme/small-7b")
    assert (deployment.provider.adapter, deployment.model.context) == ("openai-compatible", 8000)


@pytest.mark.parametrize("catalog", [{"modles": {}}, {"models": {"m": {"rpm": 0}}}, {"models": 5}])
def test_a_plugin_with_a_broken_catalog_is_a_warning_and_takes_nobody_down(catalog, read) -> None:
    from rotor_core.catalog.problems import Finding

    specs = {
        "bad": ProviderSpec("bad", "b:b", "https://b.test", ("BAD_KEY",), catalog),
        "good": ProviderSpec("good", "g:g", "https://g.test", ("GOOD_KEY",), {"models": {"m": {}}}),
    }
    report = read(None, {"BAD_KEY": "b", "GOOD_KEY": "g"}, specs=specs)
    assert list(report.catalog.deployments) == ["good/m#1"]
    assert isinstance(report.warnings[0], Finding)
    assert "catalog of bad" in report.warnings[0].message


def test_a_provider_that_needs_no_key_is_used_only_where_it_is_named(read) -> None:
    spec = ProviderSpec("open", "o:o", "https://o.test", (), {"keys": [], "models": {"m": {}}})
    specs = {"open": spec, "other": ProviderSpec("other", "o:o", "https://x.test", (), {"models": {"m": {}}})}
    assert list(read(None, {"OTHER_API_KEY": "k"}, specs=specs).catalog.deployments) == ["other/m#1"]
    assert list(read({"providers": {"open": None}}, {}, specs=specs).catalog.deployments) == ["open/m#1"]


def test_an_origin_without_models_in_the_environment_adds_nothing(read) -> None:
    environ = {
        "OPENAI_COMPATIBLE_API_KEY": "k",
        "OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:1",
        "OTHER_API_KEY": "o",
    }
    assert list(read(None, environ).catalog.deployments) == ["other/chat#1"]


def test_a_named_provider_without_models_is_a_warning(read, local) -> None:
    source = local()
    source["providers"]["bare"] = {"adapter": "openai-compatible", "base_url": "http://h.test", "keys": []}
    report = read(source)
    assert "no model is known" in report.warnings[0].message
    assert report.warnings[0].key == "providers.bare.models"


FREE_ACME = ProviderSpec(
    "acme",
    "a:a",
    "https://acme.test",
    ("ACME_API_KEY",),
    {"plan": "free", "models": {"known": {"price": {"input": 1, "output": 2}, "plans": {"free": {"rpm": 3}}}}},
)


def test_a_model_of_which_nobody_says_that_it_is_in_the_free_plan_is_not_free(read) -> None:
    more = {"acme": {"models": {"new": {}, "priced": {"price": {"input": 1, "output": 1}}}}}
    report = read({"providers": more}, KEY, specs={"acme": FREE_ACME})
    assert {d.model.name: d.free for d in report.catalog.deployments.values()} == {
        "known": True,
        "new": False,
        "priced": False,
    }


@pytest.mark.parametrize("said", [{"plan": "free"}, {"keys": [{"value": "k", "plan": "free"}]}])
def test_it_is_where_the_user_says_that_the_key_is(said, read) -> None:
    report = read({"providers": {"acme": {"models": {"new": {}}, **said}}}, KEY, specs={"acme": FREE_ACME})
    assert all(d.free for d in report.catalog.deployments.values())


def test_what_a_plugin_assumes_of_its_own_keys_is_not_assumed_of_a_gateways(read) -> None:
    gateway = {"adapter": "acme", "base_url": "https://gw.test/v1", "keys": [{"value": "k"}]}
    report = read({"providers": {"gw": gateway}}, specs={"acme": FREE_ACME})
    [deployment] = report.catalog.deployments.values()
    assert (deployment.credential.plan, deployment.free, deployment.price.input) == (None, False, 1)


def test_a_free_plan_that_no_catalog_knows_is_said_to_be_the_users_word(read) -> None:
    paid = ProviderSpec(
        "p", "a:a", "https://p.test", ("P_KEY",), {"models": {"m": {"price": {"input": 1, "output": 2}}}}
    )
    report = read({"providers": {"p": {"plan": "free"}}}, {"P_KEY": "k"}, specs={"p": paid})
    assert "no catalog knows a plan `free` of p" in report.warnings[0].message
