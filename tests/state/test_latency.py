"""A smoothed mean and a histogram, against sorted lists; what is old is forgotten."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._state.latency import ENOUGH, GENERATION, LASTS, Latency

QUANTILES = st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0])
SECONDS = st.floats(0.001, 1000.0)
LISTS = st.lists(SECONDS, max_size=GENERATION)


def latency_of(values, every=0.0):
    latency = Latency()
    for n, value in enumerate(values):
        latency.add(value, n * every)
    return latency


def exact(values, q):
    return sorted(values)[int(q * (len(values) - 1))]


def near(seconds, expected):
    return abs(seconds - expected) <= 0.05 * expected + 1e-9


def test_nothing_is_known_before_the_first_call():
    assert Latency().ewma is None
    assert Latency().quantile(0.5) is None


def test_the_mean_leans_to_the_newest_by_three_tenths():
    latency = Latency()
    latency.add(1.0)
    latency.add(2.0)

    assert latency.ewma == 1.3


def test_no_time_at_all_is_a_time_too():
    assert latency_of([0.0, -1.0]).quantile(0.5) < 1e-5


@given(st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=200), QUANTILES)
def test_a_quantile_is_right_to_within_a_twentieth(values, q):
    latency = Latency()
    for value in values:
        latency.add(value)

    assert near(latency.quantile(q), exact(values, q))


@given(LISTS, LISTS, QUANTILES)
def test_merging_is_adding(some, others, q):
    merged, other = latency_of(some), latency_of(others)
    before = dict(other.buckets)
    merged.merge(other)

    assert merged.count == len(some) + len(others)
    assert merged.buckets == latency_of(some + others).buckets if len(some + others) <= GENERATION else True
    assert merged.quantile(q) is None if not some + others else near(merged.quantile(q), exact(some + others, q))
    assert other.buckets == before


@given(LISTS, LISTS)
def test_it_does_not_matter_who_is_merged_with_whom(some, others):
    one, two = latency_of(some), latency_of(others)
    one.merge(latency_of(others))
    two.merge(latency_of(some))

    assert one.buckets == two.buckets
    assert one.ewma == pytest.approx(two.ewma) if one.ewma is not None else two.ewma is None


def test_the_mean_of_two_weighs_their_answers():
    one, three = latency_of([1.0]), latency_of([5.0, 5.0, 5.0])
    one.merge(three)

    assert one.ewma == 4.0


def test_what_was_merged_ages_as_what_was_seen():
    merged = Latency()
    merged.merge(latency_of([9.0] * ENOUGH, every=1.0))
    merged.merge(Latency())
    for _ in range(ENOUGH):
        merged.add(0.1, LASTS + 10)
    assert merged.quantile(1.0) > 8

    merged.add(0.1, 2 * LASTS + 10)

    assert merged.quantile(1.0) < 0.2


def test_a_merged_generation_is_as_old_as_its_younger_part():
    old, young, unknown = Latency(), Latency(), Latency()
    for _ in range(ENOUGH):
        old.add(9.0, 0.0)
        young.add(9.0, LASTS)
        unknown.add(9.0)
    old.merge(unknown)
    old.merge(young)
    for n in range(3):
        old.add(0.1, LASTS + n)

    assert old.count == 3 * ENOUGH + 3
    assert len(old._newest) == 2


@given(st.lists(SECONDS, max_size=500), st.floats(0.0, 10.0), QUANTILES)
def test_two_generations_later_it_is_as_if_the_past_had_not_been(past, every, q):
    latency, fresh = latency_of(past, every), Latency()
    start = len(past) * every
    for n in range(3 * GENERATION):
        latency.add(0.5 + n % 7, start + n)
        fresh.add(0.5 + n % 7, start + n)

    assert near(latency.quantile(q), fresh.quantile(q))
    assert latency.count <= 2 * GENERATION


@given(st.integers(0, 1000), st.floats(0.0, 100.0))
def test_never_more_than_two_generations_count(many, every):
    latency = latency_of([1.0] * many, every)

    assert latency.count == sum(latency.buckets.values()) <= 2 * GENERATION
    assert latency.count >= min(many, ENOUGH)


@pytest.mark.parametrize("between", [2.0, 20.0])
def test_a_slow_hour_is_forgotten_within_some_hundred_answers_or_ten_minutes(between):
    latency, at = Latency(), 0.0
    while at < 3600.0:
        latency.add(30.0, at)
        at += between
    assert latency.quantile(0.99) > 28

    answers = 0
    while latency.quantile(0.99) > 1.1:
        latency.add(1.0, at)
        at += between
        answers += 1

    assert answers < 2 * GENERATION
    assert at - 3600.0 <= 2 * LASTS + 2 * between


def test_without_a_time_the_number_of_answers_ages_what_is_known():
    latency = Latency()
    for value in [30.0] * 1000 + [1.0] * (2 * GENERATION):
        latency.add(value)

    assert latency.quantile(1.0) < 1.1


def test_what_is_seldom_asked_is_not_forgotten_for_want_of_anything_newer():
    latency = latency_of([1.0] * 5, every=3600.0)

    assert latency.count == 5


def test_a_clock_that_goes_back_forgets_nothing():
    latency = Latency()
    for n in range(50):
        latency.add(1.0, -1000.0 * n)

    assert latency.count == 50


def test_the_quantiles_of_a_long_run_are_those_of_its_end():
    rng = Random(3)
    values = [rng.lognormvariate(0.0, 0.8) for _ in range(5000)]
    latency = latency_of(values)

    counted = values[-latency.count :]
    for q in (0.5, 0.95, 0.99):
        assert near(latency.quantile(q), exact(counted, q))
