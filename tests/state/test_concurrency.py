"""Slots: how many are held, and how long that takes."""

from __future__ import annotations

import pytest

from rotor_core._state.concurrency import Slots


def test_only_so_many_fit_at_a_time():
    slots = Slots(2)
    slots.take(1)
    assert slots.fits(1)
    slots.take(1)

    assert not slots.fits(1)
    assert slots.headroom() == 0.0
    slots.release(1, 3.0)
    assert slots.fits(1)
    assert slots.headroom() == 0.5


def test_the_estimate_follows_how_long_slots_are_held_and_grows_with_the_queue():
    slots = Slots(4)
    for _ in range(40):
        slots.take(1)
        slots.release(1, 8.0)

    assert slots.estimate(1) == pytest.approx(2.0, rel=0.01)
    assert slots.estimate(6) == pytest.approx(12.0, rel=0.01)


def test_giving_back_more_than_is_held_leaves_nothing_held():
    slots = Slots(4)
    slots.release(1, 1.0)

    assert slots.held == 0
    assert slots.headroom() == 1.0
