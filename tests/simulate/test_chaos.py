"""Six deployments that fail in every way: what of it reaches those who ask."""

import pytest

from rotor_core.simulate.chaos import KEEPERS, SIX, Chaos, Left
from rotor_core.simulate.faults import Phase


@pytest.mark.parametrize("seed", [1, 2])
def test_nearly_all_are_answered_in_time_and_nothing_is_left(seed):
    chaos = Chaos(seed, 3_000, per_second=3.0, stream_break="continue")

    report = chaos.run()

    assert report.answered - report.late >= 0.999 * report.offered
    assert report.garbled == []
    assert chaos.left() == Left(0.0, 0, 0, 0, 0, 0)
    assert chaos.left().nothing
    assert sum(chaos.upstream.sent.values()) > 50


def test_under_raise_only_streams_that_were_cut_after_their_first_chunk_are_lost():
    chaos = Chaos(1, 3_000, per_second=3.0, stream_break="raise")

    report = chaos.run()

    assert report.answered + report.unserved_by["stream broken"] >= 0.999 * report.offered
    assert chaos.left().nothing


def test_the_same_seed_is_the_same_chaos():
    one, two, other = (Chaos(seed, 1_000, per_second=2.0).run().checksum for seed in (1, 1, 2))

    assert one == two != other


def test_who_is_dead_is_left_alone():
    """Ten minutes in which a whole provider refuses: a few ask it, to see whether it is back."""
    chaos = Chaos(1, 2_100, per_second=3.0)
    calm = {name: [Phase(0.0)] for name in chaos.upstream.phases}
    for name in ("alpha/m#1", "alpha/m#2"):
        calm[name] += [Phase(100.0, "errors"), Phase(600.0)]
    chaos.upstream.retime(calm)

    report = chaos.run()

    assert report.answered == report.offered
    assert 0 < chaos.upstream.sent["errors"] < 60


def test_those_that_keep_watch_have_no_limits():
    for name in KEEPERS:
        provider, _, model = name.partition("#")[0].partition("/")
        assert SIX["providers"][provider]["models"][model]["limits"] == []
