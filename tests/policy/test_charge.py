"""How much to reserve: the bound while it is cheap, else what is likely; money more tightly; what is requested as requested."""

import pickle
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._demand import LEAST, SHARE, Demand, Expected, least_of
from rotor_core._model import Limit, Price
from rotor_core._policy.charge import expected, usual
from rotor_core._state.lengths import ENOUGH, Lengths

TOKENS = Limit("tokens", 10_000)
PRICE = Price(1.0, 2.0)
BUDGET = Limit("usd", 1.0, "day", "calendar")


def demand(likely=100, most=300, bound=1000, scale=1.0, **more):
    outputs = {"m": Expected(likely, most, bound, scale)}
    return Demand(500, 2000, more.pop("max_tokens", bound), outputs=outputs, **more)


def charge(one, limit=TOKENS, flying=0, price=None, model="m"):
    return one.charge(limit, price, model, flying)


# -- the ledger's rule


def test_the_bound_is_taken_while_it_holds_back_little():
    # 400 more than likely, of a limit of 10,000: for one call 4 %, for two 8 %.
    assert charge(demand(bound=500)) == (1000, 1000)
    assert charge(demand(bound=500), flying=1) == (600, 800)


def test_else_what_is_likely_is_taken_where_there_is_room_for_the_most():
    assert charge(demand()) == (600, 800)
    assert charge(demand(bound=None)) == (600, 800)


def test_the_room_that_is_needed_is_never_above_the_bound_nor_below_what_is_taken():
    assert charge(demand(most=5000, bound=1000), flying=5) == (600, 1500)
    assert charge(demand(likely=100, most=50)) == (600, 600)
    assert charge(demand(likely=1200, most=1300, bound=1000), flying=9) == (1500, 1500)


def test_without_knowledge_of_the_longest_the_likely_has_to_do():
    assert charge(demand(most=None)) == (600, 600)


def test_a_model_of_which_nothing_is_known_is_charged_what_the_demand_says():
    assert charge(demand(bound=None), model="other", flying=99) == (2500, 2500)
    assert Demand(500, 200, 300).charge(TOKENS, None) == (800, 800)
    assert Demand(500, 200).charge(TOKENS, None) == (700, 700)


def test_the_count_of_the_prompt_is_set_right():
    assert charge(demand(scale=1.2)) == (700, 900)
    assert charge(demand(scale=1.2), Limit("input_tokens", 1000)) == (600, 600)
    assert charge(demand(scale=1.2), Limit("input_tokens", 1000), model="other") == (500, 500)


def test_output_tokens_are_charged_without_the_prompt():
    assert charge(demand(), Limit("output_tokens", 10_000)) == (100, 300)
    assert charge(demand(bound=500), Limit("output_tokens", 10_000)) == (500, 500)


@pytest.mark.parametrize("flying", [0, 1000])
def test_what_is_deducted_as_requested_is_charged_as_requested(flying):
    requested = Limit("tokens", 10_000, counts="requested")

    assert charge(demand(), requested, flying) == (1500, 1500)
    assert charge(demand(max_tokens=None), requested, flying) == (600, 600)
    assert charge(demand(), Limit("output_tokens", 10_000, counts="requested"), flying) == (1000, 1000)


def test_what_no_answer_makes_longer_is_charged_as_it_is():
    one = demand(requests=2, audio_seconds=12.5)

    assert charge(one, Limit("requests", 9)) == (2, 2)
    assert charge(one, Limit("concurrent", 9, None, "concurrency")) == (2, 2)
    assert charge(one, Limit("audio_seconds", 90)) == (12.5, 12.5)


def test_a_budget_reserves_the_bound_while_twenty_such_calls_fit_whoever_is_under_way():
    cheap = demand(bound=20_000)  # 4 cents of a dollar

    assert charge(cheap, BUDGET, 500, PRICE) == pytest.approx((0.0405, 0.0405))


def test_a_budget_reserves_the_bound_too_where_little_is_held_back():
    # The prompt is dear, so twenty do not fit; the answer adds less than a twentieth.
    one = Demand(200_000, 100, 1000, outputs={"m": Expected(100, 300, 1000)})

    assert charge(one, BUDGET, 0, PRICE) == pytest.approx((0.202, 0.202))


def test_a_budget_reserves_the_likely_where_the_bound_is_dear():
    assert charge(demand(bound=100_000), BUDGET, 0, PRICE) == pytest.approx((0.0007, 0.0011))
    assert charge(demand(bound=None), BUDGET, 0, PRICE) == pytest.approx((0.0007, 0.0011))
    assert charge(demand(most=10), BUDGET, 999, PRICE)[0] == pytest.approx(0.0025)
    assert charge(demand(most=10, bound=None), BUDGET, 0, PRICE) == pytest.approx((0.0007, 0.0007))


def test_a_budget_reserves_a_twentieth_at_least_for_an_answer_of_which_nothing_is_known():
    assert Demand(500, 200).charge(BUDGET, PRICE) == (0.05, 0.05)
    assert Demand(500, 200_000).charge(BUDGET, PRICE) == pytest.approx((0.4005, 0.4005))
    assert charge(demand(most=None, bound=100_000), BUDGET, 0, PRICE) == (0.05, 0.05)


def test_a_price_that_is_unknown_is_not_charged():
    assert charge(demand(), BUDGET) == (0.0, 0.0)


def test_a_demand_is_the_same_whatever_is_expected_and_survives_pickling():
    assert demand(likely=1) == demand(likely=2)
    assert hash(demand()) == hash(demand())
    again = pickle.loads(pickle.dumps(demand(), protocol=4))
    assert charge(again) == charge(demand())


SIZES = st.integers(0, 5000)
EXPECTED = st.builds(
    lambda likely, most, more, scale: Expected(likely, most, None if more is None else likely + more, scale),
    SIZES, st.none() | SIZES, st.none() | SIZES, st.sampled_from([0.5, 0.9, 1.0, 1.3]),
)  # fmt: skip
UNITS = st.sampled_from(["requests", "tokens", "input_tokens", "output_tokens", "usd"])
LIMITS = st.builds(
    lambda unit, value, counts: Limit(unit, value, counts=counts),
    UNITS,
    st.floats(1, 1e5),
    st.sampled_from(["usage", "requested"]),
)
DEMANDS = st.builds(
    lambda read, out, asked, known: Demand(read, out if asked is None else asked, asked, outputs=known),
    SIZES, SIZES, st.none() | st.integers(1, 5000), st.none() | st.dictionaries(st.sampled_from("abc"), EXPECTED),
)  # fmt: skip


@given(DEMANDS, LIMITS, st.sampled_from("abcd"), st.integers(0, 500))
def test_what_must_fit_is_never_less_than_what_is_taken_and_never_less_than_the_least(one, limit, model, flying):
    take, need = one.charge(limit, PRICE, model, flying)

    assert 0 <= take <= need
    assert one.least().amount(limit, PRICE) <= need + 1e-12


@given(st.integers(0, 5000), st.integers(0, 4000), st.integers(1, 4000), st.integers(0, 300), st.floats(100, 1e6))
def test_the_reservations_in_flight_hold_back_at_most_a_twentieth_or_what_is_likely(read, likely, more, flying, value):
    one = Demand(read, likely, likely + more, outputs={"m": Expected(likely, likely + more, likely + more)})

    take, _ = one.charge(Limit("tokens", value), None, "m", flying)

    assert take == read + likely or (take - read - likely) * (flying + 1) <= SHARE * value


def test_the_least_of_several_models_may_have_been_worked_out_before():
    every = {"a": Expected(50, 60, 70, 0.5), "b": Expected(90)}
    known = {**every, LEAST: least_of(every.values())}

    assert Demand(100, 200, 300, outputs=every).least() == Demand(50, 50, 300)
    assert Demand(100, 200, 300, outputs=known).least() == Demand(50, 50, 300)


# -- what is expected


def learned(values, model="m", task=""):
    lengths = Lengths()
    for value in values:
        lengths.answered(model, task, value)
    return lengths


def test_below_ten_answers_what_was_asked_for_is_likely_or_what_is_usual():
    few = learned([5] * (ENOUGH - 1))

    assert expected(few, "m", "", estimated=10, asked=400) == Expected(400, None, 400)
    assert expected(few, "m", "", estimated=10) == Expected(usual("m"), None, None)
    assert expected(few, "m", "", estimated=10, max_output=100) == Expected(100, None, 100)


def test_models_that_think_aloud_are_expected_to_take_more():
    assert usual("openai/gpt-oss-120b") > usual("llama-3.3-70b")


def test_with_ten_answers_the_quantile_and_a_margin_above_the_longest():
    lengths = learned(range(101, 140))

    assert expected(lengths, "m", "", estimated=10) == Expected(138, ceil(139 * 1.25), None)
    assert expected(lengths, "m", "", estimated=10, asked=150) == Expected(138, 150, 150)
    assert expected(lengths, "m", "", estimated=10, asked=50) == Expected(50, 50, 50)
    assert expected(lengths, "m", "", estimated=10, max_output=4000).bound == 4000


def test_several_answers_take_as_many_times_as_much():
    assert expected(learned([100] * 20), "m", "", estimated=10, asked=110, answers=3) == Expected(300, 330, 330)
    assert expected(learned([100] * 20), "m", "", estimated=10, answers=2) == Expected(200, 250, None)


def test_how_far_the_prompts_count_is_off_is_expected_too():
    lengths = Lengths()
    for _ in range(ENOUGH):
        lengths.read("m", 100, 130)

    assert expected(lengths, "m", "", estimated=120).scale == pytest.approx(1.3)
    assert expected(lengths, "m", "", estimated=5000).scale == 1.0
