"""A sandbox's description: the shapes of rotor.yaml, and what is wrong with one that is none."""

from __future__ import annotations

import re

import pytest

from rotor_core import ConfigError
from rotor_core.catalog.load import load
from rotor_core.plugins import installed
from rotor_core.sandbox import PRESETS, Sandbox, SandboxError, read_spec
from rotor_core.sandbox.presets import spec_of
from rotor_core.sandbox.spec import config_of


def described(**provider):
    return {"providers": {"lab": {"keys": ["k"], "models": {"m": {}}, **provider}}}


def test_limits_are_written_as_in_rotor_yaml():
    model = {"rpm": 30, "tpm": 6000, "window": "rolling", "limits": [{"concurrent": 4}]}
    limits = read_spec(described(models={"m": model})).providers["lab"].models["m"].limits
    assert {(x.unit, x.value, x.per, x.window) for x in limits} == {
        ("concurrent", 4, None, "concurrency"),
        ("requests", 30, "minute", "rolling"),
        ("tokens", 6000, "minute", "rolling"),
    }


def test_a_models_own_latency_and_output_go_before_its_providers():
    spec = described(latency=0.5, output=[5, 9], models={"m": {}, "n": {"latency": [0, 1], "output": 7}})
    models = read_spec(spec).providers["lab"].models
    assert (models["m"].latency, models["m"].output) == ((0.5, 0.5), (5, 9))
    assert (models["n"].latency, models["n"].output) == ((0, 1), (7, 7))


def test_a_key_is_a_text_or_a_mapping_and_numbered_from_one():
    keys = read_spec(described(keys=["a", {"value": "b", "quota": "q", "revoked": True}])).providers["lab"].keys
    assert [(k.id, k.quota, k.revoked) for k in keys] == [("lab#1", "lab#1", False), ("lab#2", "q", True)]
    assert "a" not in repr(keys[0].secret)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "providers: a sandbox without a provider"),
        (described(dialect="grok"), r"providers.lab.dialect: unknown dialect \(got 'grok'\).*did you mean 'groq'"),
        (described(latency=-1), "providers.lab.models.m.latency: is no range"),
        (described(output=[9, 5]), "providers.lab.models.m.output: is no range"),
        (described(models={"m": {"rpmm": 3}}), "rpmm.*did you mean 'rpm'"),
        (described(models={"m": {"limits": [{"requests": 0, "per": "minute"}]}}), "limits.*requests"),
        (described(keys=[{"env": "X"}]), r"keys\[0\].*value"),
        (described(base_url="http://x"), "providers.lab.base_url: has no meaning in a sandbox"),
        (described(plan="free"), "providers.lab.plan: has no meaning in a sandbox"),
        ({"providers": {"lab": 3}}, "providers.lab: is not a mapping"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(spec, told):
    with pytest.raises(ConfigError) as caught:
        read_spec(spec)
    assert re.search(told, str(caught.value)), str(caught.value)


def test_the_configuration_leaves_out_what_only_an_imitation_needs_and_hands_on_the_rest():
    spec = described(dialect="groq", latency=1, keys=["k", {"value": "x", "revoked": True}])
    spec |= {"pools": {"p": ["lab/m"]}, "policy": {"max_attempts": 2}}
    config = config_of(spec, "http://127.0.0.1:1")
    lab = config["providers"]["lab"]
    assert lab == {
        "adapter": "openai-compatible",
        "base_url": "http://127.0.0.1:1/lab/v1",
        "keys": [{"value": "k"}, {"value": "x"}],
        "models": {"m": {}},
    }
    assert (config["version"], config["pools"], config["policy"]) == (1, {"p": ["lab/m"]}, {"max_attempts": 2})


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_configuration_of_a_preset_is_one_that_rotor_loads(name):
    plugins = installed()
    config = config_of(PRESETS[name], "http://127.0.0.1:1")
    catalog = load(config, environ={}, specs=plugins.providers, rankings=plugins.rankings, schemes=plugins.stores)
    assert {d.name for d in catalog.deployments.values()} == {
        f"{p}/{m}" for p, imitation in spec_of(name).providers.items() for m in imitation.models
    }
    assert all(d.name.startswith("lab") for d in catalog.deployments.values())


def test_the_demo_has_four_free_ways_of_counting_and_one_that_costs():
    providers = spec_of("demo").providers.values()
    models = [m for p in providers for m in p.models.values()]
    assert sorted(m.price.free for m in models) == [False, True, True, True, True]
    assert {x.window for m in models for x in m.limits} >= {"bucket", "calendar", "rolling"}
    assert any(x.per == "second" for m in models for x in m.limits)


def test_an_unknown_preset_is_told_with_the_known_ones():
    with pytest.raises(ConfigError, match="no such sandbox.*demo or plain"):
        Sandbox("demon")


def test_a_sandbox_that_does_not_run_has_no_address():
    box = Sandbox("plain")
    with pytest.raises(SandboxError, match="not running"):
        box.url("lab")
