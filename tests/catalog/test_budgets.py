"""Budgets as they are written, what they become, and which deployments and requests they hold."""

from __future__ import annotations

import pytest

from rotor_core._errors import ConfigError
from rotor_core._model import Budget, Limit
from rotor_core._planner import Planner
from rotor_core._policy.budgets import affordable, bound, general, named, scoped
from rotor_core._policy.eligible import Need
from rotor_core._policy.rank import RANKINGS
from rotor_core.catalog.schema import json_schema

MODELS = {
    "free": {"price": {"input": 0, "output": 0}, "rpm": 5},
    "paid": {"price": {"input": 1, "output": 1}, "rpm": 5},
    "unknown": {},
}
POOLS = {"fast": ["local/free", "local/paid", "local/unknown"], "slow": ["local/paid"]}


@pytest.fixture
def budgeted(read, local):
    """The catalog of a configuration with these budgets."""

    def budgeted(*budgets, pools=POOLS):
        written = budgets[0] if len(budgets) == 1 else list(budgets)
        return read(local(provider={"models": MODELS}, pools=pools, policy={"budget": written})).catalog

    return budgeted


def keys(catalog):
    return {d.model.name: [b.key for b in d.limits or ()] for d in catalog.deployments.values()}


def planned(catalog, pool="fast", caller=None):
    plan = Planner(catalog, RANKINGS["free-first"]).plan(pool, Need(), None, caller)
    held = {o.model: [b.key for b in o.limits if b.key.startswith("budget")] for o in plan.plan.options}
    return held, plan.rejections


def test_a_budget_is_one_more_limit_of_what_is_not_free(budgeted) -> None:
    catalog = budgeted({"usd": 1.5, "per": "month", "tz": "Europe/Paris"})
    assert catalog.policy.budgets == (Budget(1.5, "month", "Europe/Paris"),)
    budget = "budget|usd|month|calendar|Europe/Paris"
    assert {name: budget in held for name, held in keys(catalog).items()} == {
        "free": False,
        "paid": True,
        "unknown": True,
    }
    assert len(keys(catalog)["paid"]) == 2


def test_several_budgets_all_hold(budgeted) -> None:
    catalog = budgeted({"usd": 1}, {"usd": 20, "per": "month"})
    assert planned(catalog, "slow")[0] == {
        "paid": ["budget|usd|day|calendar|UTC", "budget|usd|month|calendar|UTC"],
    }


def test_a_raised_budget_goes_on_counting_in_the_same_window() -> None:
    assert bound(Budget(1)).key == bound(Budget(2)).key
    assert bound(Budget(2)).limit == Limit("usd", 2, "day", "calendar", source="budget")


def test_a_pools_budget_holds_what_is_drawn_from_it_and_nothing_else(budgeted) -> None:
    catalog = budgeted({"usd": 1, "pool": "fast"})
    budget = "budget|pool=fast|usd|day|calendar|UTC"
    assert planned(catalog)[0] == {"free": [], "paid": [budget]}
    assert planned(catalog, "slow")[0] == {"paid": []}
    assert planned(catalog, "local/paid")[0] == {"paid": []}
    assert not any(key.startswith("budget") for held in keys(catalog).values() for key in held)


def test_each_caller_has_a_budget_and_those_without_a_name_share_one(budgeted) -> None:
    catalog = budgeted({"usd": 1, "caller": "each"})
    held = [planned(catalog, "slow", caller)[0]["paid"] for caller in ("a", "b", "", None)]
    assert held == [[f"budget|caller={name}|usd|day|calendar|UTC"] for name in ("a", "b", "", "")]


def test_a_named_callers_budget_holds_no_other(budgeted) -> None:
    catalog = budgeted({"usd": 1, "caller": "a"})
    held = [planned(catalog, "slow", caller)[0]["paid"] for caller in ("a", "b", None)]
    assert held == [["budget|caller=a|usd|day|calendar|UTC"], [], []]


def test_a_caller_with_a_budget_of_its_own_has_it_instead_of_everybodys() -> None:
    budgets = (Budget(1, caller="each"), Budget(5, caller="a"), Budget(9, "month", caller="each"))
    assert {b.usd for b in scoped(budgets, "fast", "a")} == {5, 9}
    assert {b.usd for b in scoped(budgets, "fast", "b")} == {1, 9}
    assert {b.caller for b in scoped(budgets, "fast", "b")} == {"b"}


def test_a_budget_may_be_of_a_caller_in_a_pool() -> None:
    budgets = (Budget(1, pool="fast", caller="each"), Budget(2))
    assert scoped(budgets, "slow", "a") == ()
    (budget,) = scoped(budgets, "fast", "a")
    assert bound(budget).key == "budget|pool=fast|caller=a|usd|day|calendar|UTC"
    assert general(budgets) == (Budget(2),)


def test_names_that_look_like_keys_are_no_other_callers_budget() -> None:
    first = bound(Budget(1, caller="a|usd")).key
    assert first == "budget|caller=a%7Cusd|usd|day|calendar|UTC"
    assert bound(Budget(1, caller="a%7Cusd")).key != first


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        (Budget(1), "budget"),
        (Budget(1, pool="fast"), "budget of pool fast"),
        (Budget(1, caller="a"), "budget of caller a"),
        (Budget(1, caller=""), "budget of requests without a caller"),
        (Budget(1, pool="fast", caller="a"), "budget of caller a in pool fast"),
    ],
)
def test_every_budget_has_a_name_that_refusals_use(budget, name) -> None:
    assert named(budget) == name
    assert bound(budget).limit.source == name


def test_one_plan_serves_all_callers_unless_a_budget_tells_them_apart(budgeted) -> None:
    for budget, shared in (
        ({"usd": 1}, True),
        ({"usd": 1, "caller": "b"}, True),
        ({"usd": 1, "caller": "each"}, False),
    ):
        plans = Planner(budgeted(budget), RANKINGS["free-first"])
        first, other = (plans.plan("slow", Need(), None, caller) for caller in ("a", "c"))
        assert (first is other) is shared
        assert plans.plan("slow", Need(), None, "a") is first


def test_money_that_cannot_be_counted_is_not_spent_under_a_budget(budgeted) -> None:
    held, rejections = planned(budgeted({"usd": 1}))
    assert list(held) == ["free", "paid"]
    (why,) = rejections.values()
    assert why.reason == "paid"
    assert why.detail == "its price is unknown, so the budget cannot count it (`unknown_price: refused`)"


def test_money_that_cannot_be_counted_is_spent_where_every_budget_that_holds_allows_it(budgeted) -> None:
    allowed, refused = {"usd": 1, "unknown_price": "allowed"}, {"usd": 2, "caller": "a"}
    assert "unknown" in planned(budgeted(allowed))[0]
    catalog = budgeted(allowed, refused)
    assert "unknown" in planned(catalog, caller="b")[0]
    assert "unknown" not in planned(catalog, caller="a")[0]
    assert "budget of caller a " in next(iter(planned(catalog, caller="a")[1].values())).detail


def test_without_a_budget_that_minds_every_seat_is_kept(budgeted) -> None:
    seats = budgeted({"usd": 1}).pools["fast"].seats
    assert affordable(seats, ()) == (list(seats), {})


def test_nothing_paid_is_nothing_paid_whatever_budgets_there_are(read, local) -> None:
    policy = {"paid": "never", "budget": {"usd": 100, "unknown_price": "allowed"}}
    catalog = read(local(provider={"models": MODELS}, pools=POOLS, policy=policy)).catalog
    plan = Planner(catalog, RANKINGS["free-first"]).plan("fast", Need(paid=False))
    assert [o.model for o in plan.plan.options] == ["free"]


@pytest.mark.parametrize(
    ("budget", "key", "said"),
    [
        ({"usd": 1, "pool": "fats"}, "policy.budget.pool", "there is no such pool"),
        ([{"usd": 1}, {"usd": 1, "pool": "fats"}], "policy.budget[1].pool", "did you mean 'fast'?"),
        ([{"usd": 1}, {"usd": 2}], "policy.budget[1]", "counts the same as budget[0]"),
        ({"usd": 1, "caler": "a"}, "policy.budget.caler", "did you mean 'caller'?"),
        ({"usd": 1, "caller": ""}, "policy.budget.caller", ""),
        ({"usd": 1, "caller": 7}, "policy.budget.caller", ""),
        ({"usd": 1, "unknown_price": "maybe"}, "policy.budget.unknown_price", "allowed"),
        ({"usd": -1}, "policy.budget.usd", "above 0"),
        ({"per": "day"}, "policy.budget.usd", "missing"),
        ({"usd": 1, "tz": "Mars/Olympus"}, "policy.budget.tz", ""),
        (3, "policy.budget", ""),
    ],
)
def test_a_budget_that_cannot_be_meant_is_refused_with_its_place(budget, key, said, read, local) -> None:
    with pytest.raises(ConfigError) as caught:
        read(local(provider={"models": MODELS}, pools=POOLS, policy={"budget": budget}))
    assert caught.value.key == key
    assert said in str(caught.value)


def test_the_schema_lets_a_budget_be_one_or_several() -> None:
    schema = json_schema()["$defs"]["PolicySection"]["properties"]["budget"]
    kinds = [kind.get("type", kind.get("$ref")) for kind in schema["anyOf"]]
    assert kinds == ["array", "#/$defs/BudgetSection", "null"]
