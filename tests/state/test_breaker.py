"""When somebody is left alone, for how long, and how trust returns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._state.breaker import (
    FEWEST,
    FIRST_REST,
    FORGIVEN,
    JITTER,
    LONG_REST,
    LONGEST_REST,
    MOST,
    SHARE_OF_OUTAGE,
    TABLE,
    Breaker,
)


def reliable(calls: int = 100) -> Breaker:
    breaker = Breaker()
    for at in range(calls):
        breaker.served(float(at))
    return breaker


def opened(at: float = 1000.0, **more: bool) -> Breaker:
    breaker = Breaker(**more)
    for n in range(MOST):
        breaker.failed(at, at, f"d{n}")
    return breaker


def test_one_failure_of_somebody_reliable_is_no_news():
    breaker = reliable()

    assert not breaker.failed(100.0, 99.0, "d")
    assert breaker.state == "closed"
    assert breaker.admits(100.0)


def test_two_in_a_row_open_it_where_failures_are_rare():
    breaker = reliable()
    breaker.failed(100.0, 99.0, "d")

    assert breaker.failed(100.5, 100.0, "d")
    assert breaker.state == "open"
    assert not breaker.admits(100.5)
    assert breaker.until == 100.5 + FIRST_REST


def test_somebody_unknown_is_taken_for_reliable_and_who_often_fails_by_chance_is_given_more():
    assert Breaker().enough == FEWEST
    often = Breaker()
    for n in range(100):
        often.failed(float(n), float(n), "d")
        often.served(float(n))
    assert often.enough == MOST
    assert reliable(1000).enough == FEWEST


def test_a_success_between_makes_failures_chance():
    breaker = reliable()
    for n in range(20):
        breaker.failed(100.0 + n, 100.0 + n, "d")
        breaker.served(100.0 + n)

    assert breaker.state == "closed"
    assert breaker.enough > FEWEST


def test_old_chances_are_forgotten():
    breaker = Breaker()
    for n in range(40):
        breaker.failed(float(n), float(n), "d")
        breaker.served(float(n))
    for n in range(2000):
        breaker.served(float(n))
    assert breaker.enough == FEWEST


def test_after_its_rest_one_call_may_try_and_no_more():
    breaker = opened()

    assert not breaker.admits(breaker.until - 0.001)
    assert breaker.admits(breaker.until)
    assert breaker.state == "half_open"
    breaker.flying += 1
    assert not breaker.admits(breaker.until)


def test_trust_returns_by_doubling_and_then_it_is_closed():
    breaker = opened()
    at = breaker.until
    breaker.admits(at)
    allowed = []
    while breaker.state == "half_open":
        allowed.append(breaker.allowed)
        breaker.served(at)

    assert allowed == [1, 2, 4, 8]
    assert breaker.state == "closed"
    assert breaker.streak == 0


def test_a_failed_probe_opens_it_again_for_longer():
    breaker = opened(at=0.0)
    rests = []
    at = 0.0
    while at < 40.0:
        rests.append(breaker.until - at)
        at = breaker.until
        breaker.admits(at)
        assert breaker.failed(at, at, "d")

    assert rests == [FIRST_REST, 2 * FIRST_REST, *[LONG_REST] * (len(rests) - 2)]


def test_a_long_outage_is_asked_about_ever_less_often():
    breaker = opened(at=0.0)
    at, probes = 0.0, 0
    while at < 3600.0:
        at = breaker.until
        breaker.admits(at)
        breaker.failed(at, at, "d")
        assert breaker.until - at <= min(LONGEST_REST, max(LONG_REST, at * SHARE_OF_OUTAGE)) + 1e-9
        probes += 1

    assert probes < 100


@pytest.mark.parametrize(("later", "rest"), [(1.0, 2 * FIRST_REST), (FORGIVEN + 1.0, FIRST_REST)])
def test_who_fails_soon_after_a_recovery_rests_longer_at_first_and_later_as_if_it_were_new(later, rest):
    breaker = opened(at=0.0)
    for _ in range(4):
        breaker.admits(breaker.until)
        breaker.failed(breaker.until, breaker.until, "d")
    at = breaker.until
    breaker.admits(at)
    while breaker.state == "half_open":
        breaker.served(at)
    for n in range(MOST):
        breaker.failed(at + later, at + later, f"d{n}")

    assert breaker.state == "open"
    assert breaker.until - breaker.opened_at == rest


def test_calls_from_before_the_opening_say_nothing_new_when_they_fail():
    breaker = opened(at=1000.0)
    until = breaker.until
    assert not breaker.failed(1001.0, 999.0, "d")
    assert breaker.until == until
    breaker.admits(until)

    assert not breaker.failed(until + 1, 999.0, "d")
    assert breaker.state == "half_open"


def test_a_call_that_gets_through_an_open_one_makes_it_half_open():
    breaker = opened()

    assert breaker.served(1000.5)
    assert breaker.state == "half_open"
    assert breaker.admits(1000.5)


def test_rests_vary_by_a_quarter():
    low, high = Breaker(), Breaker()
    for n in range(MOST):
        low.failed(float(n), float(n), "d", 0.0)
        high.failed(float(n), float(n), "d", 1.0)
    assert low.until - low.opened_at == pytest.approx(FIRST_REST * (1 - JITTER))
    assert high.until - high.opened_at == pytest.approx(FIRST_REST * (1 + JITTER))


def test_a_providers_breaker_opens_only_when_more_than_one_of_its_deployments_fails():
    one, two = Breaker(wide=True), Breaker(wide=True)
    for n in range(2 * MOST):
        one.failed(float(n), float(n), "d")
        two.failed(float(n), float(n), f"d{n % 2}")
    assert one.state == "closed"
    assert two.state == "open"


def test_the_table_says_everything_that_can_happen():
    states, happenings = {s for s, _ in TABLE} | {s.after for s in TABLE.values()}, {h for _, h in TABLE}
    assert states == {"closed", "open", "half_open"}
    assert happenings == {"served", "failed", "rested"}
    assert ("closed", "rested") not in TABLE


@given(st.lists(st.tuples(st.sampled_from(["served", "failed", "ask"]), st.floats(0, 20), st.floats(0, 0.999))))
def test_whatever_happens_it_is_in_a_state_of_the_table_and_a_failing_one_is_asked_again_in_time(story):
    breaker, at = Breaker(), 0.0
    for what, seconds, chance in story:
        at += seconds
        if what == "served":
            breaker.served(at)
        elif what == "failed":
            breaker.failed(at, at, "d", chance)
        elif breaker.admits(at) and breaker.state == "half_open":
            breaker.flying += 1
        assert breaker.state in ("closed", "open", "half_open")
        assert FEWEST <= breaker.enough <= MOST
        if breaker.state == "open":
            assert breaker.until <= at + LONGEST_REST * (1 + JITTER)
        breaker.flying = 0
    assert breaker.admits(at + LONGEST_REST * (1 + JITTER) + 1)
