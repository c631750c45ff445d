"""What a subject has been sent lately."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core._state.trail import ENTRIES, FIGURES, Trail

MONTH = 31 * 86400.0


def test_what_was_sent_is_counted_by_unit_and_instant():
    trail = Trail()
    trail.sent(2.0, 1, 10, 5)
    trail.sent(1.0, 2, 20, 7)  # granted later, for earlier

    assert [
        trail.passed(unit, 0.0, 2.0) for unit in ("requests", "tokens", "input_tokens", "output_tokens", "usd")
    ] == [3, 42, 30, 12, 0]
    assert trail.passed("requests", 1.0, 2.0) == 1
    assert trail.past("tokens", 1.0) == ((2.0, 15),)
    assert trail.calls(0.0, 1.5) == 1


def test_a_call_that_does_not_count_is_taken_out_though_it_went_late():
    trail = Trail()
    trail.sent(1.0, 1, 10, 5)
    trail.sent(2.0, 1, 10, 5)
    trail.refused(2.4)
    trail.refused(0.5)

    assert trail.past("requests", 0.0) == ((1.0, 1),)


def test_a_settled_call_counts_as_what_it_used():
    trail = Trail()
    trail.sent(1.0, 1, 10, 400)
    trail.settled(1.1, 12, None)
    trail.settled(1.1, None, 30)
    trail.settled(0.5, 99, 99)

    assert (trail.passed("input_tokens", 0, 2), trail.passed("output_tokens", 0, 2)) == (12, 30)


def test_the_most_in_any_stretch():
    trail = Trail()
    for at in (0.0, 0.4, 0.8, 5.0, 5.9, 6.2, 6.3):
        trail.sent(at, 1, 0, 0)

    assert (trail.most("requests", 1.0, 10.0), trail.most("requests", 1.0, 6.1), trail.most("requests", 1.0, -1.0)) == (
        3,
        3,
        0,
    )


def test_notes_are_bounded():
    trail = Trail()
    for k in range(FIGURES + 1):
        trail.of(f"k{k}").votes = k

    assert len(trail.notes) == 1


def test_calls_of_a_cell_can_be_taken_out_one_by_one():
    trail = Trail()
    for k in range(ENTRIES + 1):
        trail.sent(k / 1000, 1, 10, 10)
    assert len(trail) < ENTRIES
    for _ in range(130):
        trail.refused(0.1275)
    trail.settled(0.001, 5, 5)

    assert trail.passed("requests", -1.0, 1.0) == ENTRIES + 1 - 128


def test_what_is_older_than_a_month_is_forgotten():
    trail = Trail()
    trail.sent(0.0, 1, 0, 0)
    for k in range(ENTRIES):
        trail.sent(MONTH + 1 + k, 1, 0, 0)

    assert trail.passed("requests", -1.0, 2 * MONTH) == ENTRIES


@given(st.lists(st.floats(0, 4000), min_size=300, max_size=900), st.floats(0, 100_000))
@settings(deadline=None, max_examples=50)
def test_no_period_is_counted_short_and_memory_is_bounded(gaps, span):
    trail, ats, now = Trail(), [], 0.0
    for gap in gaps:
        now += gap
        trail.sent(now, 1, 0, 0)
        ats.append(now)

    assert len(trail) <= ENTRIES
    assert trail.passed("requests", now - span, now) >= sum(now - span < at <= now and now - at < MONTH for at in ats)
    # Counted too long by a third of their age at most.
    assert trail.passed("requests", now - span, now) <= sum(at > now - 1.6 * span - 2 for at in ats)
