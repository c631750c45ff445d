"""Phases of failing providers: drawn from a seed, never all at once, and what each does to a call."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernel.made import deployment

from rotor_core._outcome import Failure
from rotor_core.simulate.faults import FAULTS, FaultyUpstream, Phase, timetable
from rotor_core.simulate.report import Arrival, Verdict

REFUSED = Verdict(Failure("rate_limit", retry_after=1.0))
SIX = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c", "c2": "c"}
KEEPERS = ("a1", "b1", "c2")


def well_at(phases, at):
    return [name for name, own in phases.items() if [p for p in own if p.start <= at][-1].fault is None]


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_at_any_instant_somebody_with_room_for_all_is_well(seed):
    phases = timetable(seed, 3_000, SIX, KEEPERS)
    edges = {p.start for own in phases.values() for p in own}

    for edge in edges:
        for at in (edge, math.nextafter(edge, -math.inf)):
            assert at < 0 or set(well_at(phases, at)) & set(KEEPERS)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_phases_follow_each_other_and_end_well(seed):
    for own in timetable(seed, 3_000, SIX, KEEPERS).values():
        starts = [p.start for p in own]

        assert starts == sorted(set(starts)) or starts[0] == starts[1] == 0.0
        assert own[-1].fault is None


def test_a_whole_provider_is_out_at_times_and_every_fault_occurs():
    phases = timetable(3, 30_000, SIX, KEEPERS)

    assert {p.fault for own in phases.values() for p in own} == {*FAULTS, None}
    out = {tuple(p.start for p in own if p.fault) for own in phases.values()}
    assert len(out) == len(SIX)
    assert {p.start for p in phases["a1"] if p.fault} & {p.start for p in phases["a2"] if p.fault}


def test_the_same_seed_is_the_same_timetable():
    assert timetable(1, 3_000, SIX, KEEPERS) == timetable(1, 3_000, SIX, KEEPERS) != timetable(2, 3_000, SIX, KEEPERS)


class Fine:
    """Admits everything; remembers when seats were given back."""

    def __init__(self):
        self.out = []

    def arrive(self, at, deployment, arrival):
        return Verdict(None, 1.0, self.out.append)


def failing(fault, **more):
    upstream = FaultyUpstream(Fine(), {"a/m#1": [Phase(0.0), Phase(10.0, fault, **more), Phase(20.0)]}, 0.0, 1)
    return upstream, upstream.arrive(15.0, deployment(), Arrival(15.0, 10, 20, 5))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("errors", "server_error"),
        ("overloaded", "overloaded"),
        ("untold_429", "rate_limit"),
        ("told_429", "rate_limit"),
        ("refused", "connection"),
        ("cut", "connection"),
    ],
)
def test_a_fault_has_its_kind_of_failure(fault, kind):
    upstream, verdict = failing(fault)

    assert verdict.refusal.kind == kind
    assert (verdict.refusal.retry_after is not None) == (fault == "told_429")
    assert verdict.reached == (fault != "refused")
    assert (verdict.chunks is not None) == (fault == "cut")
    assert upstream.sent == {fault: 1}


def test_a_hang_never_ends_and_a_slow_one_takes_its_factor():
    assert failing("hang")[1].seconds == math.inf
    assert failing("slow", factor=20.0)[1].seconds == 20.0


def test_who_fails_a_part_of_its_calls_serves_the_rest():
    assert failing("errors", share=0.0)[1].refusal is None


def test_before_and_after_its_fault_it_is_well():
    upstream, _ = failing("errors")

    assert upstream.arrive(9.9, deployment(), Arrival(9.9, 10, 20, 5)).refusal is None
    assert upstream.arrive(20.1, deployment(), Arrival(20.1, 10, 20, 5)).refusal is None
    assert upstream.outages(15.0)["errors"] == 5.0
    assert upstream.sent_to["a/m#1", 10.0] == 1


def test_what_its_limits_refuse_is_refused_in_a_hang_too():
    class Full:
        def arrive(self, at, deployment, arrival):
            return REFUSED

    upstream = FaultyUpstream(Full(), {"a/m#1": [Phase(0.0, "hang")]}, 0.0, 1)

    assert upstream.arrive(1.0, deployment(), Arrival(1.0, 10, 20, 5)) is REFUSED
