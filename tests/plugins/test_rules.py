"""Rules of plugins stand after the user's own, which win; they can be left out."""

import pytest

from rotor_core import Rotor, Rule
from rotor_core._policy.rules import Effects, apply_rules
from rotor_core.catalog.load import load
from rotor_core.hookspecs import ProviderSpec

SPECS = {"openai-compatible": ProviderSpec("openai-compatible", adapter="a:A")}
LAB = {
    "providers": {
        "lab": {
            "adapter": "openai-compatible",
            "base_url": "http://127.0.0.1:1/v1",
            "keys": [{"value": "none"}],
            "models": {"m": {"limits": []}},
        }
    }
}
OWN = {"when": {"task": "code"}, "prefer": {"category": "small"}}
PLUGINS = Rule(task="code", prefer_category="large", require_context=64_000, source="tea")


def rules_of(**more):
    catalog = load(
        {**LAB, **more}, environ={}, specs=SPECS, rankings=["free-first"], schemes=["memory"], offered=[PLUGINS]
    )
    return catalog.rules


def test_they_come_after_the_users_own():
    own, plugins = rules_of(rules=[OWN])

    assert (own.source, plugins) == ("config", PLUGINS)


def test_they_can_be_left_out():
    assert rules_of(policy={"plugin_rules": "ignored"}) == ()
    assert rules_of(policy={"plugin_rules": "used"}) == (PLUGINS,)


@pytest.mark.parametrize(
    ("own", "effects"),
    [
        ((), Effects(64_000, "large")),
        ((Rule(task="code", prefer_category="small"),), Effects(64_000, "small")),
        ((Rule(task="code", require_context=32_000),), Effects(32_000, "large")),
        ((Rule(task="code", require_context=32_000, prefer_category="tiny"),), Effects(32_000, "tiny")),
        ((Rule(task="chat", prefer_category="tiny"),), Effects(64_000, "large")),
    ],
)
def test_where_the_user_says_something_no_plugin_says_otherwise(own, effects):
    assert apply_rules((*own, PLUGINS), 10, "code", 0.5) == effects
    assert apply_rules((PLUGINS, *own), 10, "code", 0.5) == effects


def test_an_installed_plugins_rules_reach_the_engine(monkeypatch, tmp_path):
    (tmp_path / "acme.py").write_text(
        "from rotor_core import Rule, hookimpl\n"
        "@hookimpl\ndef rotor_rules():\n    return [Rule(task='code', prefer_category='large')]\n"
    )
    monkeypatch.setenv("ROTOR_PLUGINS", str(tmp_path / "acme.py"))

    with Rotor.from_config(LAB) as rotor:
        (rule,) = rotor.catalog.rules

    assert (rule.prefer_category, rule.source) == ("large", str(tmp_path / "acme.py"))
