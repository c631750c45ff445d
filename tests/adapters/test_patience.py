import math

from hypothesis import given
from hypothesis import strategies as st

from rotor_core._health import Timeouts
from rotor_core.adapters.patience import LONGEST, SHORTEST, Patience, bounded


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_first_then_between_then_total():
    clock = Clock()
    patience = Patience(Timeouts(2.0, 5.0, 9.0), clock)
    assert (patience.bound, patience.until) == ("first", 1002.0)
    clock.now = 1001.0
    patience.heard()
    assert (patience.bound, patience.until) == ("between", 1006.0)
    clock.now = 1005.0
    patience.heard(content=False)
    assert (patience.bound, patience.until) == ("total", 1009.0)
    assert patience.problem == "did not answer within 9 s (total timeout)"


def test_what_is_not_content_changes_nothing_before_content():
    clock = Clock()
    patience = Patience(Timeouts(2.0, 5.0, 9.0), clock)
    clock.now = 1001.0
    patience.heard(content=False)
    assert (patience.bound, patience.until) == ("first", 1002.0)


def test_an_answer_in_one_has_a_total_alone():
    clock = Clock()
    patience = Patience.whole(3.0, clock)
    assert (patience.bound, patience.left(), patience.seconds) == ("total", 3.0, 3.0)


def test_it_can_be_shortened_and_not_lengthened():
    clock = Clock()
    patience = Patience.whole(3.0, clock)
    patience.shorten(0.25)
    patience.shorten(7.0)
    assert patience.left() == 0.25


@given(st.floats())
def test_every_timeout_is_one_that_every_library_takes(timeout):
    assert SHORTEST <= bounded(timeout) <= LONGEST
    assert math.isfinite(bounded(timeout))


@given(
    st.tuples(*[st.floats(0.01, 100.0)] * 3),
    st.lists(st.tuples(st.floats(0.0, 50.0), st.booleans()), max_size=20),
)
def test_the_deadline_is_never_beyond_the_total_and_never_moves_back(given_timeouts, heard):
    clock = Clock()
    timeouts = Timeouts(*given_timeouts)
    patience = Patience(timeouts, clock)
    for after, content in heard:
        clock.now += after
        patience.heard(content=content)
        assert patience.until <= 1000.0 + timeouts.total
        assert patience.until <= clock.now + max(timeouts.between, timeouts.first)
