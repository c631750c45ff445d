"""Wall time that never goes back."""

from __future__ import annotations

import time

from rotor_core.stores.clock import Clock


class Machine:
    def __init__(self):
        self.wall, self.monotonic = 1_000_000.0, 50.0

    def clock(self):
        return Clock(lambda: self.wall, lambda: self.monotonic)

    def pass_(self, seconds, wall=None):
        self.monotonic += seconds
        self.wall += seconds if wall is None else wall


def test_it_tells_wall_time():
    assert abs(Clock()() - time.time()) < 0.5


def test_it_runs_with_the_monotonic_clock():
    machine = Machine()
    clock = machine.clock()
    machine.pass_(3.5)

    assert clock() == 1_000_003.5


def test_a_wall_clock_set_back_does_not_take_it_along():
    machine = Machine()
    clock = machine.clock()
    machine.pass_(1.0, wall=-3600.0)
    assert clock() == 1_000_001.0

    machine.pass_(1.0)
    assert clock() == 1_000_002.0


def test_a_small_lead_of_the_wall_is_ignored():
    machine = Machine()
    clock = machine.clock()
    machine.pass_(1.0, wall=1.9)

    assert clock() == 1_000_001.0


def test_after_a_suspend_it_jumps_to_where_the_wall_is():
    machine = Machine()
    clock = machine.clock()
    machine.pass_(1.0, wall=600.0)
    assert clock() == 1_000_600.0

    machine.pass_(1.0)
    assert clock() == 1_000_601.0
