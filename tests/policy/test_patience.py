"""How long an attempt is waited for: what was learned, what the caller allows, what is left for the next attempt."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._health import NO_GUARDS, Guards
from rotor_core._policy.patience import (
    BETWEEN,
    ENDLESS,
    FIRST,
    LEAST,
    MOST,
    SHARE,
    WHOLE,
    call_timeout,
    stream_timeouts,
)

LEARNED = Guards(first=2.0, whole=5.0, between=12.0, late=3.0, hedge=2.0)


def test_a_learned_guard_is_four_times_as_wide_with_each_attempt():
    assert [call_timeout(LEARNED, 120.0, None, n, 3 - n) for n in (1, 2, 3)] == [5.0, 20.0, 80.0]
    assert [stream_timeouts(LEARNED, 120.0, None, n, 3 - n).first for n in (1, 2, 3)] == [2.0, 8.0, 32.0]


def test_nothing_is_waited_for_longer_than_the_caller_or_the_provider_s_entry_says():
    assert call_timeout(LEARNED, 3.0, None, 1, 2) == 3.0
    assert call_timeout(LEARNED, 120.0, None, 5, 0) == 120.0
    assert call_timeout(LEARNED, 120.0, None, 100_000, 0) == 120.0

    timeouts = stream_timeouts(LEARNED, 1.0, None, 1, 2)
    assert (timeouts.first, timeouts.between, timeouts.total) == (1.0, 1.0, ENDLESS)


def test_a_hang_of_a_deployment_that_is_new_costs_half_a_minute_of_a_stream_and_a_minute_of_a_call():
    assert stream_timeouts(NO_GUARDS, 120.0, None, 1, 2).first == FIRST <= 30.0
    assert call_timeout(NO_GUARDS, 120.0, None, 1, 2) == WHOLE == 60.0


def test_what_was_too_slow_for_the_first_attempt_has_all_the_time_in_the_next():
    assert call_timeout(NO_GUARDS, 120.0, None, 2, 1) == 120.0
    assert stream_timeouts(NO_GUARDS, 120.0, None, 2, 1).first == 4 * FIRST


def test_the_last_attempt_at_something_unknown_is_not_given_up_early():
    assert call_timeout(NO_GUARDS, 120.0, None, 1, 0) == 120.0
    assert stream_timeouts(NO_GUARDS, 120.0, None, 1, 0).first == 120.0
    assert call_timeout(LEARNED, 120.0, None, 1, 0) == 5.0


def test_a_deadline_leaves_time_for_another_attempt():
    assert call_timeout(NO_GUARDS, 120.0, 30.0, 1, 2) == SHARE * 30.0 == 18.0
    assert call_timeout(NO_GUARDS, 120.0, 12.0, 2, 1) == pytest.approx(7.2)
    assert call_timeout(NO_GUARDS, 120.0, 4.8, 3, 0) == 4.8

    timeouts = stream_timeouts(NO_GUARDS, 120.0, 30.0, 1, 2)
    assert (timeouts.first, timeouts.between, timeouts.total) == (18.0, 30.0, 30.0)


def test_a_call_that_is_likely_to_succeed_is_not_cut_off_for_one_with_less_time():
    slow = Guards(whole=20.0, late=15.0, hedge=8.0)

    assert call_timeout(slow, 120.0, 10.0, 1, 2) == 8.0
    assert call_timeout(slow, 120.0, 7.0, 1, 2) == MOST * 7.0, "something is left for another"
    assert call_timeout(slow, 120.0, 100.0, 1, 2) == 20.0


def test_between_chunks_there_is_a_usual_guard_or_a_learned_one():
    assert stream_timeouts(NO_GUARDS, 120.0, None, 1, 2).between == BETWEEN
    assert stream_timeouts(LEARNED, 120.0, None, 2, 1).between == 12.0
    assert stream_timeouts(LEARNED, 120.0, 9.0, 1, 2).between == 9.0


@pytest.mark.parametrize("left", [0.0, -5.0, 0.0005])
def test_no_timeout_is_zero_or_less(left):
    timeouts = stream_timeouts(LEARNED, 120.0, left, 1, 2)

    assert call_timeout(LEARNED, 120.0, left, 1, 2) == LEAST
    assert (timeouts.first, timeouts.between, timeouts.total) == (LEAST, LEAST, LEAST)
    assert call_timeout(NO_GUARDS, 0.0, None, 1, 2) == LEAST


seconds = st.floats(0.0, 1000.0)
maybe = st.one_of(st.none(), seconds)
guards = st.builds(Guards, first=maybe, whole=maybe, between=maybe, late=maybe, hedge=maybe)
lefts = st.one_of(st.none(), st.floats(-10.0, 1000.0))
attempts = st.integers(1, 6)


def waits(*arguments):
    timeouts = stream_timeouts(*arguments)
    return call_timeout(*arguments), timeouts.first, timeouts.between, timeouts.total


@given(guards, seconds, lefts, attempts, st.integers(0, 5))
def test_all_waits_are_bounded_by_the_timeout_and_the_deadline(guards, longest, left, attempt, attempts_left):
    whole, first, between, total = waits(guards, longest, left, attempt, attempts_left)

    for wait in (whole, first, between):
        assert LEAST <= wait <= max(LEAST, longest)
        assert wait <= total
    assert total == (ENDLESS if left is None else max(LEAST, left))


@given(guards, seconds, lefts, attempts, st.integers(0, 5), st.floats(0.0, 100.0))
def test_who_allows_more_waits_no_less(guards, longest, left, attempt, attempts_left, more):
    waited = waits(guards, longest, left, attempt, attempts_left)

    others = [
        waits(guards, longest + more, left, attempt, attempts_left),
        waits(guards, longest, left, attempt + 1, attempts_left),
        waits(guards, longest, None if left is None else left + more, attempt, attempts_left),
        waits(guards, longest, None, attempt, attempts_left),
        waits(guards, longest, left, attempt, max(0, attempts_left - 1)),
    ]
    for other in others:
        assert all(before <= after for before, after in zip(waited, other, strict=True))


@given(guards, seconds, lefts, attempts, st.integers(0, 5), st.floats(0.0, 100.0))
def test_a_wider_guard_waits_no_less(guards, longest, left, attempt, attempts_left, more):
    wider = replace(
        guards,
        **{
            name: value + more for name in ("first", "whole", "between") if (value := getattr(guards, name)) is not None
        },
    )

    waited = waits(guards, longest, left, attempt, attempts_left)
    longer = waits(wider, longest, left, attempt, attempts_left)
    assert all(before <= after for before, after in zip(waited, longer, strict=True))


@given(seconds, st.floats(0.01, 1000.0), attempts, st.integers(1, 5))
def test_without_anything_known_a_deadline_is_never_spent_on_one_of_several_attempts(longest, left, attempt, more):
    whole, first, _, _ = waits(NO_GUARDS, longest, left, attempt, more)

    assert max(whole, first) <= max(LEAST, SHARE * left)
