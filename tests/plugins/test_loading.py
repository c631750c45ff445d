"""Plugins are loaded one by one; what is wrong with one is a finding that names it, never an outage."""

import importlib.metadata
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from rotor_core import plugins
from rotor_core._policy import classify
from rotor_core._policy.classify import classify_failure
from rotor_core._policy.error_rules import Rule
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
    plugins.forget()

    monkeypatch.setenv("ROTOR_PLUGINS", "acme")
    assert "acme" in plugins.installed().providers
    assert plugins.installed().findings == ()
    monkeypatch.setenv("ROTOR_PLUGINS", "")
    assert "acme" not in plugins.installed().providers
    plugins.forget()


def test_a_finding_is_logged_once_as_a_warning(monkeypatch, caplog):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Entry("other", ImportError("broken"))])
    monkeypatch.delenv("ROTOR_PLUGINS", raising=False)
    plugins.forget()

    plugins.installed()
    plugins.installed()

    assert caplog.text.count("plugin other: could not be loaded") == 1
    plugins.forget()


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


@pytest.fixture
def installable(monkeypatch):
    """Two plugins of which `ROTOR_PLUGINS` may name either."""
    tea = providers(ProviderSpec("teahouse", adapter="t:T", errors=(Rule("overloaded", words="kettle is on"),)))
    entries = [Entry("tea", tea), Entry("other", providers(ProviderSpec("other", adapter="o:O")))]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    plugins.forget()
    yield
    plugins.forget()


@pytest.mark.usefixtures("dialects", "installable")
def test_a_plugin_that_is_no_longer_loaded_has_no_say_in_errors_and_one_that_is_again_has(monkeypatch):
    def kind_with(names):
        monkeypatch.setenv("ROTOR_PLUGINS", names)
        plugins.installed()
        return classify_failure("teahouse", 429, {}, "The kettle is on").kind

    assert [kind_with(names) for names in ("tea", "other", "tea", "")] == [
        "overloaded", "rate_limit", "overloaded", "rate_limit",
    ]  # fmt: skip


@pytest.mark.usefixtures("installable")
def test_a_name_that_is_not_installed_is_told_with_the_nearest(monkeypatch):
    monkeypatch.setenv("ROTOR_PLUGINS", "teas,other")

    found = plugins.installed()

    assert "other" in found.providers
    assert [f.plugin for f in found.findings] == ["teas"]
    assert "installed are other or tea); did you mean 'tea'?" in found.findings[0].problem


def test_the_plugin_that_is_called_so_has_the_better_claim():
    first, owner = ProviderSpec("zebra", adapter="a:A"), ProviderSpec("zebra", adapter="z:Z")

    found = plugins.collect([Entry("aardvark", providers(first)), Entry("zebra", providers(owner))])

    assert found.providers["zebra"].adapter == "z:Z"
    assert [(f.plugin, f.problem) for f in found.findings] == [
        ("aardvark", "rotor_providers: 'zebra' is already taken by zebra; it keeps it")
    ]


def test_what_ships_keeps_its_names():
    taken = ProviderSpec("openai-compatible", adapter="evil:A")

    found = plugins.collect([Entry("openai-compatible", providers(taken))])

    assert found.providers["openai-compatible"].adapter != "evil:A"
    assert "is already taken by rotor_core.adapters.openai_compatible" in found.findings[0].problem


def test_a_preset_gives_way_to_the_plugin_that_is_called_so_and_to_no_other():
    preset = next(name for name, spec in plugins.collect([]).providers.items() if spec.base_url)
    native = ProviderSpec(preset, adapter="native:A")

    found = plugins.collect([Entry(preset, providers(native))])
    other = plugins.collect([Entry("somebody", providers(native))])

    assert (found.providers[preset].adapter, found.findings) == ("native:A", ())
    assert other.providers[preset].adapter != "native:A"
    assert [f.plugin for f in other.findings] == ["somebody"]


def test_a_second_plugin_of_one_name_is_a_finding_and_the_first_is_used():
    one, two = providers(ProviderSpec("one", adapter="a:A")), providers(ProviderSpec("two", adapter="b:B"))

    found = plugins.collect([Entry("acme", one), Entry("acme", two)])

    assert ("one" in found.providers, "two" in found.providers) == (True, False)
    assert "another plugin of that name is" in found.findings[0].problem


def test_one_plugin_under_two_names_is_used_once():
    acme = providers(ProviderSpec("acme", adapter="a:A"))

    found = plugins.collect([Entry("a", acme), Entry("b", acme)])

    assert "acme" in found.providers
    assert [(f.plugin, f.problem) for f in found.findings] == [
        ("b", "could not be loaded: ValueError: it is the same as plugin 'a'")
    ]


def test_a_misspelt_hook_leaves_the_plugins_other_hooks_in_use():
    def rotor_providres():
        return []

    good = providers(ProviderSpec("acme", adapter="a:A"))
    good.rotor_providres = hookimpl(rotor_providres)

    found = plugins.collect([Entry("misspelt", good)])

    assert "acme" in found.providers
    assert "did you mean 'rotor_providers'?" in found.findings[0].problem


def test_a_hook_with_an_argument_is_a_finding_in_one_line():
    def rotor_providers(config):
        return []

    found = plugins.collect([Entry("curious", module(rotor_providers=rotor_providers))])

    assert [(f.plugin, f.problem) for f in found.findings] == [
        ("curious", "could not be loaded: rotor_providers takes no arguments; this one asks for some")
    ]


def test_a_plugin_says_what_it_offers():
    found = plugins.collect([Entry("acme", providers(ProviderSpec("acme", adapter="a:A")))])

    assert [p.name for p in found.loaded] == [*plugins.BUILT_IN, "acme"]
    assert (found.loaded[-1].origin, found.loaded[-1].providers) == ("installed", ("acme",))


@pytest.mark.parametrize("target", ["collections:OrderedDict", dict])
def test_a_target_is_a_callable_or_where_to_find_one(target):
    assert plugins.resolve(target)() == {}
