import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.virtual_time import in_virtual_time

from rotor_core._health import Timeouts
from rotor_core.adapters.patience import LONGEST, SHORTEST, Deadline, Patience, bounded


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


@given(st.floats(allow_nan=False))
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


# ---- what ends a task's doing


async def _within(seconds: float, doing: Callable[[], Awaitable[object]]) -> None:
    loop = asyncio.get_running_loop()
    with Deadline(loop, loop.time() + seconds):
        await doing()


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _timers() -> int:
    waiting = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return sum(not timer.cancelled() for timer in waiting)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.01])
@in_virtual_time
async def test_a_deadline_ends_what_is_done_and_the_task_goes_on(seconds):
    with pytest.raises(TimeoutError) as passed:
        await _within(seconds, _for_ever)
    assert isinstance(passed.value.__cause__, asyncio.CancelledError)
    await asyncio.sleep(1.0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_deadline_that_was_kept_leaves_no_timer_behind():
    before = _timers()
    await _within(1000.0, lambda: asyncio.sleep(0))
    with pytest.raises(KeyError):
        await _within(1000.0, _failing)
    assert _timers() == before


async def _failing() -> None:
    await asyncio.sleep(0)
    raise KeyError


async def test_a_task_that_others_cancel_is_cancelled_and_not_late():
    for seconds in (1000.0, 0.0):  # 0: the deadline passes in the same instant, and who was cancelled stays so
        task = asyncio.ensure_future(_within(seconds, _for_ever))
        await asyncio.sleep(0)
        if not seconds:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


@in_virtual_time
async def test_of_two_deadlines_the_nearer_one_passes():
    for inner, outer in ((0.01, 1000.0), (1000.0, 0.01)):
        heard: list[type[BaseException]] = []

        async def listening(inner: float = inner, heard: list[type[BaseException]] = heard) -> None:
            try:
                await _within(inner, _for_ever)
            except (TimeoutError, asyncio.CancelledError) as error:
                heard.append(type(error))
                raise

        with pytest.raises(TimeoutError):
            await _within(outer, listening)
        assert heard == [TimeoutError if inner < outer else asyncio.CancelledError]


@in_virtual_time
async def test_an_error_at_the_deadline_is_the_error_and_the_task_goes_on():
    async def stubborn() -> None:
        try:
            await _for_ever()
        except asyncio.CancelledError:
            raise KeyError from None

    with pytest.raises(KeyError):
        await _within(0.0, stubborn)
    await asyncio.sleep(1.0)


def test_a_deadline_is_for_what_a_task_does():
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(RuntimeError), Deadline(loop, 0.0):
            pass
    finally:
        loop.close()
