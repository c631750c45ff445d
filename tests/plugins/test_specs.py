"""What a hook returns is looked at: what can be mended is, what cannot is left out, and each is a finding."""

from dataclasses import replace
from typing import get_args

import pytest
from tests.plugins.test_loading import Entry, module, providers

from rotor_core import Rule, plugins
from rotor_core._policy.rank import RANKINGS
from rotor_core.catalog.schema import Category
from rotor_core.hookspecs import ProviderSpec, StoreSpec
from rotor_core.plugins.verify import CATEGORIES

GOOD = ProviderSpec("acme", adapter="acme.adapter:Acme", base_url="https://api.acme.test/v1", env=("ACME_API_KEY",))


def read(**hooks):
    return plugins.collect([Entry("tea", module(**{name: lambda given=given: given for name, given in hooks.items()}))])


def told(found):
    assert {f.plugin for f in found.findings} <= {"tea"}
    return [f.problem for f in found.findings]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (replace(GOOD, name="Acme Labs"), "'Acme Labs' is no name for a provider"),
        (replace(GOOD, name="acme/labs"), "'acme/labs' is no name for a provider"),
        (replace(GOOD, name=""), "'' is no name for a provider"),
        (replace(GOOD, name=5), "5 is no name for a provider"),
        (
            replace(GOOD, adapter="acme.adapter.Acme"),
            "the adapter of provider 'acme' is 'acme.adapter.Acme', not `package.module:attribute`",
        ),
        (replace(GOOD, adapter=None), "the adapter of provider 'acme' is None"),
    ],
)
def test_a_provider_without_a_name_or_an_adapter_is_left_out(spec, problem):
    found = plugins.collect([Entry("tea", providers(spec, replace(GOOD, name="good")))])

    assert problem in told(found)[0]
    assert set(found.providers) == {*plugins.collect([]).providers, "good"}


@pytest.mark.parametrize(
    ("change", "problem", "mended"),
    [
        ({"base_url": "ftp://acme.test"}, "does not begin with http:// or https://; the user has to give one", {"base_url": None}),
        ({"base_url": "https://user:pw@acme.test"}, "holds a user or password", {"base_url": None}),
        ({"base_url": 5}, "is a int, not text", {"base_url": None}),
        ({"env": "ACME_API_KEY"}, "is a text, not a tuple: write env=('ACME_API_KEY',)", {"env": ()}),
        ({"env": 5}, "is a int, not a tuple", {"env": ()}),
        ({"env": ("ACME_API_KEY", "acme key")}, "holds 'acme key', which names no variable", {"env": ("ACME_API_KEY",)}),
        ({"env": (5,)}, "holds 5, which names no variable", {"env": ()}),
        ({"catalog": "catalog.toml"}, "is a str, not a mapping or a file to read", {"catalog": {}}),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_provider_is_left_out_of_it(change, problem, mended):
    found = plugins.collect([Entry("tea", providers(replace(GOOD, **change)))])

    assert problem in told(found)[0]
    assert {name: getattr(found.providers["acme"], name) for name in mended} == mended


def test_a_list_of_variables_is_a_tuple_without_a_word():
    found = plugins.collect([Entry("tea", providers(replace(GOOD, env=["ACME_API_KEY"])))])

    assert (told(found), found.providers["acme"].env) == ([], ("ACME_API_KEY",))


def test_a_secret_in_a_url_is_not_in_the_finding():
    found = plugins.collect([Entry("tea", providers(replace(GOOD, base_url="https://user:hunter22@acme.test")))])

    assert "hunter22" not in told(found)[0]


def test_a_store_is_known_by_its_scheme():
    found = read(
        rotor_stores=[StoreSpec("acme", "a.b:C"), StoreSpec("acme://", "a.b:C"), StoreSpec("other", "nowhere")]
    )

    assert "acme" in found.stores
    assert [
        "is no name for the scheme of a store" in told(found)[0],
        "the factory of store 'other'" in told(found)[1],
    ] == [True, True]


def test_a_ranking_has_a_name_and_two_halves():
    plain = RANKINGS["spread"]
    found = read(
        rotor_rankings=[
            replace(plain, name="tea-first"),
            replace(plain, name="Tea"),
            replace(plain, name="half", tier=5),
        ]
    )

    assert "tea-first" in found.rankings
    assert ["'Tea' is no name" in told(found)[0], "have to be callable" in told(found)[1]] == [True, True]


def test_rules_are_known_to_be_the_plugins():
    found = read(rotor_rules=[Rule(task="code", prefer_category="large")])

    assert found.rules == (Rule(task="code", prefer_category="large", source="tea"),)
    assert found.loaded[-1].rules == 1


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (Rule(prefer_category="large"), "it has no condition"),
        (Rule(task="code"), "it has no effect"),
        (
            Rule(task="code", prefer_category="huge"),
            "prefer_category is 'huge', not tiny or small or large or reasoning",
        ),
        (Rule(task="code", prefer_category=["large"]), "prefer_category is ['large']"),
        (Rule(task="", prefer_category="large"), "task is ''"),
        (Rule(tokens_over=True, prefer_category="large"), "tokens_over is True, not a number of tokens"),
        (Rule(complexity_over=7, prefer_category="large"), "complexity_over is 7, not a number from 0 to 1"),
        (Rule(task="code", require_context=0), "require_context is 0, not a number of tokens"),
    ],
)
def test_a_rule_that_could_not_stand_in_a_file_is_left_out(rule, problem):
    found = read(rotor_rules=[rule])

    assert found.rules == ()
    assert problem in told(found)[0]


def test_the_categories_are_those_of_a_file():
    assert get_args(Category) == CATEGORIES


def test_everything_that_is_not_what_a_hook_wants_is_told():
    found = read(rotor_stores=["x"], rotor_rankings=[5], rotor_rules=None)

    assert told(found) == [
        "rotor_stores returned a str, not a StoreSpec",
        "rotor_rankings returned a int, not a Ranking",
        "rotor_rules failed: TypeError: 'NoneType' object is not iterable",
    ]
