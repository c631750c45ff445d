"""Who could serve, and in what order: pure functions over made-up catalogs."""

import math
from dataclasses import replace

import pytest
from tests.kernel.made import PAID, deployment

from rotor_core._ledger import Rejection, Standing
from rotor_core._model import Policy, Price, Seat
from rotor_core._policy.eligible import Need, eligible
from rotor_core._policy.plan import build_plan, scopes
from rotor_core._policy.rank import RANKINGS
from rotor_core._policy.refusal import refusal_text


def out(dep, **need):
    return eligible([Seat(dep)], Need(**need))[1].get(dep.id)


def test_a_model_that_states_its_capabilities_is_taken_at_its_word():
    dep = deployment(capabilities=frozenset({"tools"}))

    assert out(dep, capabilities=frozenset({"tools"})) is None
    assert out(dep, capabilities=frozenset({"vision"})).detail == "has no vision"


def test_a_model_that_states_none_has_the_benefit_of_the_doubt():
    assert out(deployment(capabilities=None), capabilities=frozenset({"vision", "tools"})) is None


def test_json_schema_covers_json_mode_but_not_the_other_way_round():
    assert out(deployment(capabilities=frozenset({"json_schema"})), capabilities=frozenset({"json_mode"})) is None
    assert (
        out(deployment(capabilities=frozenset({"json_mode"})), capabilities=frozenset({"json_schema"})).reason
        == "capability"
    )


def test_a_request_goes_only_where_its_tokens_fit():
    assert out(deployment(context=1000), context=1000) is None
    assert out(deployment(context=1000), context=1001).reason == "context"
    assert out(deployment(context=None), context=10**9) is None
    short = replace(deployment(), model=replace(deployment().model, max_output=100))
    assert out(short, output=100) is None
    assert out(short, output=101) == Rejection(
        "context", "its answers have 100 tokens at most, and `max_tokens` asks for more"
    )


def test_paid_never_leaves_out_what_costs_and_what_might():
    assert out(deployment(price=PAID), paid=False).detail.startswith("it costs money")
    assert out(deployment(price=None), paid=False).detail.startswith("its price is unknown")
    assert out(deployment(), paid=False) is None


def plan_ids(seats, ranking="free-first", policy=Policy(), prefer=None):
    return [[o.id for o in tier.options] for tier in build_plan(seats, RANKINGS[ranking], policy, prefer).tiers]


def test_free_first_puts_free_ones_in_one_tier_and_paid_ones_by_price():
    seats = [
        Seat(deployment("dear", price=Price(9, 9))),
        Seat(deployment("unknown", price=None)),
        Seat(deployment("f")),
        Seat(deployment("cheap", price=PAID)),
        Seat(deployment("g")),
    ]

    assert plan_ids(seats) == [["f/m#1", "g/m#1"], ["cheap/m#1"], ["dear/m#1"], ["unknown/m#1"]]


def test_priority_comes_before_the_ranking():
    seats = [Seat(deployment("f"), priority=2), Seat(deployment("p", price=PAID))]

    assert plan_ids(seats) == [["p/m#1"], ["f/m#1"]]


def test_a_preferred_category_goes_first_among_what_costs_the_same():
    seats = [
        Seat(deployment("s", category="small")),
        Seat(deployment("r", category="reasoning")),
        Seat(deployment("p", category="reasoning", price=PAID)),
    ]

    assert plan_ids(seats, prefer="reasoning") == [["r/m#1"], ["s/m#1"], ["p/m#1"]]


def test_only_a_free_tier_with_a_paid_one_behind_it_is_worth_the_wait_for_free():
    policy = Policy(max_wait_for_free=3.0)
    both = build_plan([Seat(deployment("f")), Seat(deployment("p", price=PAID))], RANKINGS["free-first"], policy)
    free = build_plan([Seat(deployment("f"))], RANKINGS["free-first"], policy)

    assert [t.max_wait for t in both.tiers] == [3.0, 0.0]
    assert [t.max_wait for t in free.tiers] == [0.0]
    assert len(both.options) == 2


def test_scopes_are_the_same_in_every_configuration_and_hold_no_secret():
    assert scopes(deployment()) == (
        "deployment:fp-a|m",
        "quota:fp-a|m",
        "credential:fp-a",
        "provider:http://127.0.0.1/a",
    )


def standing(headroom=1.0, served=0, latency=None, weight=1.0, price=0.0, on_trial=False):
    return Standing(headroom, served, latency, weight, price, on_trial)


@pytest.mark.parametrize(
    ("ranking", "better", "worse"),
    [
        ("free-first", standing(0.9), standing(0.5)),
        ("free-first", standing(0.5, weight=2), standing(0.9)),
        ("free-first", standing(1.0, served=10**6), standing(1.0, served=10**6 + 1)),
        ("free-first", standing(0.5 + 1e-4, served=10**6), standing(0.5)),
        ("cheapest", standing(0.9), standing(0.5)),
        ("fastest", standing(latency=0.1), standing(latency=0.2)),
        ("fastest", standing(latency=None), standing(latency=0.001)),
        ("spread", standing(served=3), standing(served=4)),
        ("spread", standing(served=6, weight=3), standing(served=4)),
        ("fastest", standing(latency=0.2, weight=3), standing(latency=0.1)),
        ("balanced", standing(0.9, latency=0.5), standing(0.9, latency=5.0)),
        ("balanced", standing(0.9, price=0.0), standing(0.9, price=math.inf)),
    ],
)
def test_each_ranking_prefers_what_its_name_says(ranking, better, worse):
    score = RANKINGS[ranking].score

    assert score(better) > score(worse)


@pytest.mark.parametrize("ranking", sorted(RANKINGS))
@pytest.mark.parametrize("weight", [0.1, 1.0, 50.0])
def test_who_is_on_trial_stands_behind_the_answering_the_untried_and_the_failed_of_its_tier(ranking, weight):
    score = RANKINGS[ranking].score
    best = standing(1.0, served=1, weight=50.0, on_trial=True)
    answering = standing(0.01, served=10**6, latency=30.0, weight=weight, price=math.inf)
    untried, failed = standing(0.01, weight=weight), standing(0.01, served=3, weight=weight)

    assert all(score(other) > score(best) for other in (answering, untried, failed))


@pytest.mark.parametrize("ranking", sorted(RANKINGS))
def test_those_on_trial_share_what_comes_to_them(ranking):
    score = RANKINGS[ranking].score
    less, more = standing(0.9, served=2, on_trial=True), standing(0.8, served=3, on_trial=True)

    assert score(less) > score(more)
    if ranking != "balanced":
        assert score(replace(more, headroom=0.9)) < score(less)


def test_a_long_refusal_names_the_first_and_counts_the_rest():
    reasons = {f"d{n}": Rejection("no_room", "full", 9.0) for n in range(8)}

    assert refusal_text("fast", reasons, 9.0, 5.0).endswith("and 3 more; capacity returns in 4.0 s")
    assert "it has no deployments" in refusal_text("fast", {}, None, 5.0)


@pytest.mark.parametrize("ranking", ["fastest", "spread", "balanced"])
def test_rankings_that_are_not_about_money_have_one_tier(ranking):
    seats = [Seat(deployment("f")), Seat(deployment("p", price=PAID))]

    assert plan_ids(seats, ranking) == [["f/m#1", "p/m#1"]]
