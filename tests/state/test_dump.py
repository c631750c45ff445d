"""A window that is written down and read again goes on as if nothing had happened."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._model import Limit
from rotor_core._state.concurrency import Slots
from rotor_core._state.window import Guards, window_for

START = 1_000_000_020.0
LIMITS = [
    Limit("tokens", 100, "minute", "bucket"),
    Limit("tokens", 100, "minute", "rolling"),
    Limit("tokens", 100, "minute", "calendar"),
    Limit("tokens", 100, "day", "calendar", "America/Los_Angeles"),
    Limit("usd", 0.3, 90.0, "rolling"),
]
STEP = st.tuples(
    st.sampled_from(["charge", "charge", "charge", "change", "move", "resize", "block"]),
    st.floats(0.0, 40.0),
    st.floats(0.0, 1.0),
)


def copied(data):
    """As a file has it."""
    return json.loads(json.dumps(data, allow_nan=False))


def state(window, now):
    """All that can be asked of it."""
    amounts = [0.1 * window.value, 0.6 * window.value, window.value]
    return (
        [window.earliest(now, now + ahead, amount) for amount in amounts for ahead in (0.0, 35.0)],
        window.used(now),
        window.headroom(now),
        window.resets_at(now),
        window.holds(now),
    )


def close_to(found):
    earliest, used, headroom, resets_at, holds = found
    return (
        pytest.approx(earliest, abs=1e-5), pytest.approx(used, abs=1e-6), pytest.approx(headroom, abs=1e-6),
        None if resets_at is None else pytest.approx(resets_at, abs=1e-5), holds,
    )  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.window}-{limit.per}")
@given(before=st.lists(STEP, max_size=15), after=st.lists(STEP, max_size=8))
def test_a_window_read_again_answers_as_the_one_that_was_written(limit, before, after):
    now = START
    one = window_for(limit, Guards(), now)
    charges = []

    def do(windows, what, pause, part):
        nonlocal now
        now += pause
        amount = part * limit.value
        if what == "charge":
            at = {window.earliest(now, now, amount) for window in windows}
            at = min(at)
            if at < now + 300:
                charges.append((at, amount, windows[0].charge(now, at, amount)))
                for window in windows[1:]:
                    window.charge(now, at, amount)
        elif what == "resize":
            for window in windows:
                window.resize(now, limit.value * (0.5 + part))
        elif what == "block":
            for window in windows:
                window.block(now, amount, now + 10 * part)
        elif charges:
            at, amount, mark = charges.pop()
            for window in windows:
                if what == "change" or at > now:
                    window.change(now, at, amount, mark, amount * part)
                else:
                    window.move(now, at, amount, mark)

    for step in before:
        do([one], *step)
    other = window_for(Limit(limit.unit, one.value, limit.per, limit.window, limit.tz), Guards(), now)
    other.charge(now, now, limit.value / 10)
    other.load(copied(one.dump()))

    assert state(other, now) == close_to(state(one, now))
    for step in after:
        do([one, other], *step)
        assert state(other, now) == close_to(state(one, now))


def test_many_charges_of_a_rolling_window_are_written_as_they_are_kept():
    one = window_for(Limit("requests", 1000, "minute", "rolling"), Guards(), START)
    for n in range(300):
        one.charge(START + n * 0.1, START + n * 0.1, 1)
    other = window_for(Limit("requests", 1000, "minute", "rolling"), Guards(), START)
    other.load(copied(one.dump()))

    assert other.dump() == one.dump()
    for later in (40.0, 62.0, 75.0, 100.0):
        assert other.used(START + later) == one.used(START + later)


def test_an_unused_period_of_a_calendar_is_not_written():
    window = window_for(Limit("requests", 10, "minute", "calendar"), Guards(), START)
    window.earliest(START, START, 1)
    assert window.dump() == []

    window.charge(START, START + 1, 2)
    assert window.dump() == [[START, START + 60, 2]]


def test_slots_read_again_are_held_by_as_many():
    slots, again = Slots(4), Slots(4)
    slots.take(3)
    slots.release(1, 5.0)
    again.load(copied(slots.dump()))

    assert (again.held, again.hold) == (2, slots.hold)
    assert not again.fits(3)
    assert again.fits(2)
