"""How often somebody served lately, and how many retries there may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._state.availability import HALF_LIFE, Availability
from rotor_core._state.retries import A_SECOND, SAVED, SHARE, RetryBudget


def test_nobody_is_bad_before_the_first_call():
    assert Availability().score == 1.0


def test_what_is_a_half_life_old_counts_half():
    availability = Availability()
    availability.add(1000.0, served=False)
    availability.add(1000.0 + HALF_LIFE, served=True)

    assert availability.score == pytest.approx(1.0 / 1.5)


def test_a_clock_that_steps_back_does_no_harm():
    availability = Availability()
    availability.add(1000.0, served=True)
    availability.add(900.0, served=False)

    assert availability.score == 0.5


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), min_size=1))
def test_the_score_is_a_share(calls):
    availability, at = Availability(), 0.0
    for seconds, served in calls:
        at += seconds
        availability.add(at, served=served)
    assert 0.0 <= availability.score <= 1.0


def test_an_engine_with_few_requests_may_retry():
    budget = RetryBudget()
    taken = sum(budget.take(100.0) for _ in range(1000))
    assert taken == A_SECOND * SAVED
    assert sum(budget.take(101.0) for _ in range(1000)) == A_SECOND


def test_retries_are_a_share_of_the_requests_where_these_are_many():
    budget, retried = RetryBudget(), 0
    for n in range(100_000):
        at = n / 1000
        budget.sent()
        retried += budget.take(at)
    assert retried <= 100_000 * SHARE + 100 * A_SECOND + A_SECOND * SAVED + 1
    assert retried >= 100_000 * SHARE


def test_what_is_saved_up_is_bounded():
    budget = RetryBudget()
    for _ in range(100_000):
        budget.sent()
    assert sum(budget.take(1.0) for _ in range(10_000)) == 2 * A_SECOND * SAVED
