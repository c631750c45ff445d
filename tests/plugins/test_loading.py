"""Plugins are loaded one by one; what is wrong with one is a finding that names it, never an outage."""

import importlib.metadata
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from rotor_core import plugins
from rotor_core._policy import classify
from rotor_core._policy.classify import Rule, classify_failure
from rotor_core.hookspecs import ProviderSpec, hookimpl


@dataclass
class Entry:
    """An installed plugin, as the package metadata describes it."""

    name: str
    loaded: object

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def module(**hooks):
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def providers(*specs):
    def rotor_providers():
        return list(specs)

    return module(rotor_providers=rotor_providers)


def test_what_ships_comes_through_the_same_door():
    found = plugins.collect([])

    assert "openai-compatible" in found.providers
    assert set(found.rankings) == {"free-first", "cheapest", "fastest", "spread", "balanced"}
    assert set(found.stores) == {"memory", "sqlite", "redis", "rediss"}
    assert found.findings == ()


def test_a_strangers_provider_stands_beside_ours():
    found = plugins.collect([Entry("acme", providers(ProviderSpec("acme", adapter="acme:Acme")))])

    assert found.providers["acme"].adapter == "acme:Acme"
    assert found.findings == ()


def test_a_plugin_that_cannot_be_imported_is_a_finding_and_the_others_load():
    found = plugins.collect(
        [Entry("broken", ImportError("no acme here")), Entry("good", providers(ProviderSpec("good", adapter="g:G")))]
    )

    assert "good" in found.providers
    assert [(f.plugin, f.problem) for f in found.findings] == [
        ("broken", "could not be loaded: ImportError: no acme here")
    ]


def test_a_hook_that_does_not_exist_is_named_with_those_that_do():
    def rotor_providres():
        return []

    found = plugins.collect([Entry("misspelt", module(rotor_providres=rotor_providres))])

    assert "there is no hook 'rotor_providres'" in found.findings[0].problem
    assert "rotor_providers" in found.findings[0].problem


def test_a_hook_that_raises_is_a_finding():
    def rotor_providers():
        raise OSError("it read the network")

    found = plugins.collect([Entry("raises", module(rotor_providers=rotor_providers))])

    assert found.findings[0].problem == "rotor_providers failed: OSError: it read the network"


def test_a_hook_that_returns_something_else_is_a_finding():
    found = plugins.collect([Entry("strange", providers("acme"))])

    assert found.findings[0].problem == "rotor_providers returned a str, not a ProviderSpec"


def test_of_two_with_one_name_the_first_keeps_it_and_both_are_named():
    one, two = ProviderSpec("acme", adapter="one:A"), ProviderSpec("acme", adapter="two:A")
    found = plugins.collect([Entry("b-two", providers(two)), Entry("a-one", providers(one))])

    assert len(found.findings) == 1
    finding = found.findings[0]
    assert {finding.plugin, found.providers["acme"].adapter.partition(":")[0]} in ({"b-two", "one"}, {"a-one", "two"})
    assert "'acme' is already taken by" in finding.problem


def test_the_environment_limits_what_loads(monkeypatch):
    entries = [Entry("acme", providers(ProviderSpec("acme", adapter="a:A"))), Entry("other", ImportError("broken"))]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    plugins._installed.cache_clear()

    monkeypatch.setenv("ROTOR_PLUGINS", "acme, nobody")
    assert "acme" in plugins.installed().providers
    assert plugins.installed().findings == ()
    monkeypatch.setenv("ROTOR_PLUGINS", "")
    assert "acme" not in plugins.installed().providers
    plugins._installed.cache_clear()


def test_a_finding_is_logged_once_as_a_warning(monkeypatch, caplog):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Entry("other", ImportError("broken"))])
    monkeypatch.delenv("ROTOR_PLUGINS", raising=False)
    plugins._installed.cache_clear()

    plugins.installed()
    plugins.installed()

    assert caplog.text.count("plugin other: could not be loaded") == 1
    plugins._installed.cache_clear()


@pytest.fixture
def dialects(monkeypatch):
    """The dialects that a test's plugins bring stay with it."""
    monkeypatch.setattr(classify, "_added", {})


@pytest.mark.usefixtures("dialects")
def test_a_providers_own_words_are_understood_once_its_plugin_is_read():
    errors = (Rule("billing", codes=["no_more_tea"]), Rule("overloaded", words="kettle is on"))
    assert classify_failure("teahouse", 429, {}, "The kettle is on").kind == "rate_limit"

    found = plugins.collect([Entry("tea", providers(ProviderSpec("teahouse", adapter="t:T", errors=errors)))])

    assert found.findings == ()
    assert classify_failure("teahouse", 429, {}, "The kettle is on").kind == "overloaded"
    assert classify_failure("teahouse", 400, {}, '{"code": "No_More_Tea"}').kind == "billing"
    assert classify_failure("another", 429, {}, "The kettle is on").kind == "rate_limit"


@pytest.mark.usefixtures("dialects")
@pytest.mark.parametrize(
    ("errors", "problem"),
    [
        ((Rule("billing", words="(no tea"),), "rule 1: the words of a rule for billing are no regular expression"),
        ((Rule("billing", [402]), Rule("grief", [418])), "rule 2: there is no kind of failure 'grief'"),
        (("no tea",), "rule 1 is a str, not an ErrorRule"),
        (5, "'int' object is not iterable"),
        (None, "'NoneType' object is not iterable"),
    ],
)
def test_a_broken_dialect_is_a_finding_and_its_provider_is_read_by_the_general_one(errors, problem):
    specs = providers(ProviderSpec("teahouse", adapter="t:T", errors=errors), ProviderSpec("good", adapter="g:G"))

    found = plugins.collect([Entry("tea", specs)])

    assert [f.plugin for f in found.findings] == ["tea"]
    assert "the errors of provider 'teahouse' are read by the general dialect: " in found.findings[0].problem
    assert problem in found.findings[0].problem
    assert (found.providers["teahouse"].errors, "good" in found.providers) == ((), True)
    assert classify_failure("teahouse", 402, {}, "(no tea").kind == "billing"


@pytest.mark.usefixtures("dialects")
def test_of_two_with_one_name_the_dialect_is_the_firsts_too():
    one = ProviderSpec("acme", adapter="one:A", errors=(Rule("billing", [418]),))
    two = ProviderSpec("acme", adapter="two:A", errors=(Rule("overloaded", [418]),))

    found = plugins.collect([Entry("one", providers(one)), Entry("two", providers(two))])

    kept = {"one": "billing", "two": "overloaded"}[found.providers["acme"].adapter.partition(":")[0]]
    assert classify_failure("acme", 418, {}, "").kind == kept


@pytest.mark.parametrize("target", ["collections:OrderedDict", dict])
def test_a_target_is_a_callable_or_where_to_find_one(target):
    assert plugins.resolve(target)() == {}
