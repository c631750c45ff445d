"""Minutes of traffic in virtual time: what the ledger promises, judged by providers that count for themselves."""

import pytest
from tests.kernel.made import PAID, catalog, deployment

from rotor_core import Limit
from rotor_core._outcome import Failure
from rotor_core.simulate.report import Arrival, Verdict
from rotor_core.simulate.scenarios import EVERY_WINDOW, poisson, world
from rotor_core.simulate.world import NOON, World


@pytest.mark.parametrize("seed", range(1, 7))
def test_ten_minutes_over_every_kind_of_window_meet_no_refusal_and_leave_nobody_out(seed):
    report = world(EVERY_WINDOW, seed).run(poisson(seed, 600, 20))

    assert report.refusals == 0
    assert report.answered == report.offered > 11_000
    assert all(report.by[f"{name}/m#1"] for name in EVERY_WINDOW["providers"])


# What ten minutes of each provider's limits allow, by hand: a full bucket and what refills, ten rolling minutes, eleven
# calendar minutes (the world begins 20 s into one).
ALLOWED = {"bucket": 150 + 1500, "rolling": 1000, "calendar": 11 * 120, "second": 2 + 1200, "mixed": 11 * 200}


def test_when_twice_too_many_come_next_to_nothing_free_is_wasted():
    report = world(EVERY_WINDOW, 1).run(poisson(1, 600, 40))

    assert report.refusals == 0
    for name, allowed in ALLOWED.items():
        assert 0.99 * allowed <= report.by[f"{name}/m#1"] <= allowed


def test_while_there_is_room_for_all_hardly_any_is_paid_for():
    report = world(EVERY_WINDOW, 1).run(poisson(1, 600, 15))

    assert report.by["paid/m#1"] < 0.01 * report.answered


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("cold", [0.1, 0.7])
def test_first_calls_that_leave_late_cost_no_refusal(seed, cold):
    """Imports and connections: what was promised before they stood is asked for again."""
    report = world(EVERY_WINDOW, seed, cold=cold).run(poisson(seed, 120, 60))

    assert report.refusals == 0
    assert report.answered == report.offered


def test_the_same_seed_is_the_same_world_and_another_is_not():
    one, two, other = (world(EVERY_WINDOW, seed).run(poisson(seed, 60, 20)).checksum for seed in (5, 5, 6))

    assert one == two != other


def test_any_request_can_be_told_again_from_its_seed():
    first, again = world(EVERY_WINDOW, 5), world(EVERY_WINDOW, 5)
    first.run(poisson(5, 60, 20), story=700)
    again.run(poisson(5, 60, 20), story=700)

    assert [e.name for e in first.story(700)][-1] == "answered"
    assert first.story(700) == again.story(700)


class Strict:
    """A provider that refuses the first so many calls."""

    def __init__(self, refusals):
        self.left = refusals

    def arrive(self, at, deployment, arrival):
        self.left -= 1
        return Verdict(Failure("rate_limit", retry_after=2.0)) if self.left >= 0 else Verdict(seconds=0.1)


def test_a_refusal_is_counted_and_waited_out():
    small = World(catalog(deployment(limits=None)), Strict(1), 1)

    report = small.run([Arrival(0.0, 10, 20, 5)], story=0)

    assert (report.refusals, report.answered, report.refused_by["a/m#1"]) == (1, 1, 1)
    assert [e.name for e in small.story(0)] == [
        "selected",
        "failed",
        "rested",
        "limit_learned",
        "exhausted",
        "recovered",
        "selected",
        "answered",
    ]
    assert small.at - NOON > 2.0


def test_a_refusal_by_one_that_is_known_to_have_no_limits_is_waited_out_too_and_nothing_is_guessed():
    small = World(catalog(deployment(limits=())), Strict(1), 1)

    report = small.run([Arrival(0.0, 10, 20, 5)], story=0)

    assert (report.refusals, report.answered) == (1, 1)
    assert "limit_learned" not in [e.name for e in small.story(0)]
    assert small.at - NOON > 2.0


def test_who_cannot_be_served_in_time_is_counted_as_unserved():
    limit = Limit("requests", 1, "hour", "calendar")
    small = World(catalog(deployment(limits=(limit,))), Strict(0), 1)

    report = small.run([Arrival(0.0, 10, 20, 5), Arrival(1.0, 10, 20, 5, patience=5.0)])

    assert (report.answered, report.unserved, report.refusals) == (1, 1, 0)


def test_slots_are_handed_on_in_virtual_time():
    limit = Limit("concurrent", 1, None, "concurrency")
    small = World(catalog(deployment(limits=(limit,)), deployment("p", price=PAID, limits=(limit,))), Strict(0), 1)

    report = small.run([Arrival(0.001 * n, 10, 20, 5) for n in range(10)])

    assert report.answered == 10
    assert report.waited > 0
