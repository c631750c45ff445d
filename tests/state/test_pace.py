"""How fast a deployment answers: what its guards let through, what they cut off, and how they follow."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._health import NO_GUARDS
from rotor_core._state.latency import ENOUGH
from rotor_core._state.pace import FLOOR, LATE, LIFE, SILENCE_FLOOR, SLACK, STEP, STRETCH, WAVES, Pace


def pace_of(seconds, tokens=100, every=1.0, first_chunk=None):
    pace = Pace()
    for n, value in enumerate(seconds):
        pace.answered(n * every, value, tokens, first_chunk)
    return pace


def lognormal(rng, median, sigma=0.35):
    return median * rng.lognormvariate(0.0, sigma)


def test_before_eight_answers_nothing_is_known():
    assert Pace().guards(100, 0.0) == NO_GUARDS
    assert pace_of([1.0] * (ENOUGH - 1)).guards(100, 7.0) == NO_GUARDS
    assert pace_of([1.0] * (ENOUGH - 1), first_chunk=0.2).guards(100, 7.0, streamed=True) == NO_GUARDS

    assert pace_of([1.0] * ENOUGH).guards(100, 7.0).whole is not None
    assert pace_of([1.0] * ENOUGH, first_chunk=0.2).guards(100, 7.0).first is not None


def test_a_fast_deployment_that_hangs_is_given_up_after_two_seconds():
    rng = Random(1)
    guards = pace_of([lognormal(rng, 0.2) for _ in range(100)]).guards(125, 100.0)

    assert guards.whole == FLOOR == 2.0
    assert 0.5 < guards.late < 1.2
    assert 0.25 < guards.hedge < 0.6


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("median", [0.2, 5.0])
def test_lognormal_latencies_are_hardly_ever_late_and_never_cut_off(seed, median):
    rng, pace, calls, late, cut = Random(seed), Pace(), 100_000, 0, 0
    for n in range(calls):
        guards = pace.guards(150, n * 0.5)
        seconds = lognormal(rng, median)
        late += guards.late is not None and seconds > guards.late
        cut += guards.whole is not None and seconds > guards.whole
        pace.answered(n * 0.5, seconds, 120, None)

    assert late / calls < 1 / 500
    assert cut == 0


def test_an_answer_far_longer_than_any_before_is_not_cut_off():
    rng, pace = Random(4), Pace()
    for n in range(200):
        tokens = rng.randint(20, 100)
        pace.answered(n, 0.4 + 0.012 * tokens * lognormal(rng, 1.0), tokens, None)

    assert pace.guards(8192, 200.0).whole > 2 * (0.4 + 0.012 * 8192)
    assert pace.guards(100, 200.0).whole < 10


def test_a_short_answer_of_a_deployment_that_gave_long_ones_may_take_what_half_of_those_took():
    guards = pace_of([20.0] * 100, tokens=1000).guards(5, 100.0)

    assert guards.whole >= 2 * 20.0 / 1.05


def test_without_a_bound_on_its_tokens_an_answer_has_no_guard_but_may_be_late():
    guards = pace_of([1.0] * 100).guards(None, 100.0)

    assert guards.whole is None
    assert guards.late == pytest.approx(LATE * 1.08 + SLACK, rel=0.06)
    assert guards.hedge == pytest.approx(1.0, rel=0.05)


def test_a_provider_that_counts_no_tokens_gets_no_guard_on_whole_answers():
    pace = pace_of([1.0] * 100, tokens=None)

    assert pace.guards(100, 100.0) == NO_GUARDS
    assert pace.guards(None, 100.0).late is not None
    assert pace.tokens_per_second is None


def test_few_answers_make_for_wide_guards():
    few, many = (pace_of([10.0] * n).guards(100, n).whole for n in (ENOUGH, 200))

    assert few == pytest.approx(50.0, rel=0.05)
    assert many == pytest.approx(26.0, rel=0.05)


def test_streams_are_guarded_to_their_first_chunk_and_say_nothing_of_whole_answers():
    guards = pace_of([30.0] * 100, first_chunk=2.0).guards(100, 100.0)

    assert guards.first == pytest.approx(2.5 * 2.0 * 1.08, rel=0.06)
    assert (guards.whole, guards.late, guards.hedge) == (None, None, None)
    assert pace_of([30.0] * 100, first_chunk=0.1).guards(100, 100.0).first == FLOOR


def test_what_is_late_for_a_stream_is_its_first_chunk():
    pace = pace_of([30.0] * 100, first_chunk=2.0)
    guards = pace.guards(100, 100.0, streamed=True)

    assert 2.0 < guards.late < guards.first
    assert guards.hedge == pytest.approx(2.0, rel=0.05)


def test_a_stream_that_falls_silent_is_cut_by_the_silences_of_others():
    pace = pace_of([30.0] * 10, first_chunk=2.0)
    assert pace.guards(100, 10.0).between is None

    for n in range(100):
        pace.gap(10.0 + n, 0.2)
    assert pace.guards(100, 110.0).between == SILENCE_FLOOR

    for n in range(400):
        pace.gap(110.0 + n, 10.0)
    assert pace.guards(100, 110.0).between == pytest.approx(40.0, rel=0.1)


def test_speed_is_smoothed_and_that_of_a_stream_begins_with_its_first_chunk():
    pace = pace_of([2.0], tokens=100)
    assert pace.tokens_per_second == 50.0

    pace.answered(1.0, 3.0, 150, 1.0)
    assert pace.tokens_per_second == pytest.approx(50 + 0.3 * 25)

    pace.answered(2.0, 1.0, 0, None)
    pace.answered(3.0, 1.0, 10, 1.0)
    assert pace.tokens_per_second == pytest.approx(57.5)


def test_a_deployment_that_has_become_fast_is_known_to_be_so_within_some_hundred_answers():
    pace = pace_of([30.0] * 500)
    assert pace.guards(100, 500.0).whole > 60

    for n in range(400):
        pace.answered(500.0 + n, 0.3, 100, None)

    assert pace.guards(100, 900.0).whole == FLOOR


def test_a_deployment_that_has_become_slow_gets_through_after_few_cuts_and_is_believed():
    pace, at, cuts = pace_of([1.0] * 100), 100.0, 0
    while (guard := pace.guards(100, at).whole) < 8.0:
        at += guard
        pace.cut(at, guard)
        cuts += 1
    assert cuts == WAVES + 3

    for n in range(ENOUGH):
        pace.answered(at + n, 8.0, 100, None)

    assert pace.guards(100, at + ENOUGH).whole > 8.0


def test_calls_cut_at_the_same_time_stretch_the_guards_once_and_an_answer_ends_it():
    pace = pace_of([10.0] * 100)
    usual = pace.guards(100, 100.0)
    for wave in range(WAVES):
        pace.cut(110.0 + wave, 1.0)
    assert pace.guards(100, 115.0).whole == usual.whole, "a short outage is the likelier reason"
    for n in range(5):
        pace.cut(130.0 + n, 10.0)

    stretched = pace.guards(100, 135.0)
    assert stretched.whole == STEP * usual.whole
    assert stretched.late > usual.late
    assert stretched.hedge == usual.hedge

    pace.answered(140.0, 10.0, 100, None)
    assert pace.guards(100, 140.0).whole == pytest.approx(usual.whole, rel=0.02)


def test_guards_are_stretched_so_far_and_no_further():
    pace = pace_of([10.0] * 100)
    usual = pace.guards(100, 100.0).whole
    for n in range(10):
        pace.cut(1000.0 + 100 * n, 30.0)

    assert pace.guards(100, 2000.0).whole == STRETCH * usual


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("answered"), st.floats(0.1, 30.0), st.sampled_from([None, 0.5])),
            st.tuples(st.just("cut"), st.floats(0.1, 30.0), st.none()),
            st.tuples(st.just("gap"), st.floats(0.1, 30.0), st.none()),
        ),
        min_size=ENOUGH,
        max_size=60,
    )
)
def test_what_was_asked_before_changes_no_answer(happenings):
    """Guards are kept for requests alike: who never asked before is told the same."""
    asked = [(100, 50, False), (100, None, True), (None, None, False), (20, 50, False)]
    often, seldom = Pace(), [Pace() for _ in asked]
    for n, (kind, seconds, first_chunk) in enumerate(happenings):
        at = 100.0 * n
        for pace in (often, *seldom):
            if kind == "answered":
                pace.answered(at, seconds, 100, first_chunk)
            else:
                getattr(pace, kind)(at, seconds)
        for pace, (tokens, likely, streamed) in zip(seldom, asked, strict=True):
            guards = often.guards(tokens, at, likely=likely, streamed=streamed)
            assert guards == often.guards(tokens, at, likely=likely, streamed=streamed)
            assert guards == pace.guards(tokens, at, likely=likely, streamed=streamed)


def test_after_an_hour_without_an_answer_nothing_is_known():
    pace = pace_of([1.0] * 100)

    assert pace.guards(100, 99.0 + LIFE - 1) != NO_GUARDS
    assert pace.guards(100, 99.0 + LIFE) == NO_GUARDS


answers = st.lists(
    st.tuples(
        st.floats(0.0, 300.0),
        st.one_of(st.none(), st.integers(0, 10_000)),
        st.one_of(st.none(), st.floats(0.0, 100.0)),
    ),
    max_size=80,
)


def seen(rows):
    pace = Pace()
    for n, (seconds, tokens, first_chunk) in enumerate(rows):
        pace.answered(n, seconds, tokens, first_chunk)
        if first_chunk is not None:
            pace.gap(n, first_chunk / 2)
    return pace


@given(answers, st.integers(-5, 100_000), st.integers(0, 100_000))
def test_more_tokens_are_never_waited_for_less_long(rows, tokens, more):
    pace = seen(rows)
    short, long = pace.guards(tokens, 80.0), pace.guards(tokens + more, 80.0)

    for name in ("whole", "late", "hedge"):
        before, after = getattr(short, name), getattr(long, name)
        assert (before is None) == (after is None)
        assert before is None or before <= after
    assert short.first == long.first
    assert short.between == long.between


@given(answers, st.one_of(st.none(), st.integers(0, 100_000)), st.booleans())
def test_late_comes_before_the_guard_and_no_guard_is_below_its_floor(rows, tokens, streamed):
    guards = seen(rows).guards(tokens, 80.0, streamed=streamed)
    cut_off = guards.first if streamed else guards.whole

    if guards.late is not None and cut_off is not None:
        assert guards.hedge <= guards.late <= cut_off
    for guard in (guards.first, guards.whole):
        assert guard is None or guard >= FLOOR
    assert guards.between is None or guards.between >= SILENCE_FLOOR


@given(st.lists(st.floats(0.05, 100.0), min_size=ENOUGH, max_size=100), st.floats(1.0, 5.0))
def test_a_slower_deployment_has_longer_guards(seconds, factor):
    quick = pace_of(seconds).guards(100, 100.0)
    slow = pace_of([factor * value for value in seconds]).guards(100, 100.0)

    assert slow.whole >= quick.whole
    assert slow.late >= quick.late
    assert slow.hedge >= quick.hedge


@given(st.lists(st.floats(0.05, 100.0), min_size=ENOUGH, max_size=100))
def test_no_call_that_is_already_known_would_have_been_cut_off_but_the_topmost(seconds):
    guard = pace_of(seconds).guards(100, 100.0).whole

    assert all(value <= guard for value in sorted(seconds)[:-1])


def test_who_answers_much_slower_than_it_used_to_is_slow_until_it_does_not():
    pace = pace_of([0.2] * 100)
    assert not pace.slow
    for n in range(3):
        pace.answered(100.0 + n, 2.0, 100, None)
    assert pace.slow

    for n in range(6):
        pace.answered(110.0 + n, 0.2, 100, None)
    assert not pace.slow


def test_a_long_answer_is_not_a_slow_one():
    pace = pace_of([0.2] * 100)
    for n in range(3):
        pace.answered(100.0 + n, 4.0, 4000, None)

    assert not pace.slow


def test_a_stream_is_slow_by_its_first_chunk_and_nobody_is_before_enough_is_known():
    pace = Pace()
    for n in range(ENOUGH - 1):
        pace.answered(float(n), 5.0, 100, 0.2)
    pace.answered(9.0, 50.0, 100, 20.0)
    assert pace.slow
    assert not Pace().slow
