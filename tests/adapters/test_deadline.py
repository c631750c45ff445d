import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.virtual_time import in_virtual_time

from rotor_core.adapters.deadline import GRAIN, Deadline, Deadlines


async def _within(seconds: float, doing: Callable[[], Awaitable[object]], of: Deadlines | None = None) -> None:
    loop = asyncio.get_running_loop()
    with Deadline(of or Deadlines(loop), loop.time() + seconds):
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


@in_virtual_time
async def test_of_all_deadlines_that_were_kept_one_timer_is_left_until_its_instant():
    before, loop = _timers(), asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    for n in range(100):
        await _within(1000.0 - n % 7, lambda: asyncio.sleep(1.0), deadlines)
        with pytest.raises(KeyError):
            await _within(1000.0, _failing, deadlines)
    assert _timers() == before + 1
    assert not deadlines.under_way

    await asyncio.sleep(1000.0)
    assert _timers() == before


@in_virtual_time
async def test_what_is_closed_leaves_no_timer_and_still_ends_what_is_under_way():
    before, deadlines = _timers(), Deadlines(asyncio.get_running_loop())
    await _within(1000.0, lambda: asyncio.sleep(0), deadlines)
    deadlines.close()
    assert _timers() == before

    late = asyncio.ensure_future(_within(10.0, _for_ever, deadlines))
    await asyncio.sleep(0)
    deadlines.close()
    with pytest.raises(TimeoutError):
        await late
    deadlines.close()
    assert _timers() == before


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=30))
def test_each_passes_at_its_own_instant_whatever_the_others_do(plans):
    """Of tasks that begin at an instant, have so much time and need so much: who has too little is ended when that is over."""

    async def one(begins: int, has: int, needs: int, deadlines: Deadlines) -> tuple[bool, float]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(begins)
        try:
            await _within(has - 0.5, lambda: asyncio.sleep(needs), deadlines)
        except TimeoutError:
            return True, loop.time()
        return False, loop.time()

    @in_virtual_time
    async def all_of_them() -> None:
        deadlines = Deadlines(asyncio.get_running_loop())
        ends = await asyncio.gather(*(one(*plan, deadlines) for plan in plans))
        assert ends == [
            (has - 0.5 < needs, pytest.approx(begins + min(has - 0.5, needs))) for begins, has, needs in plans
        ]
        assert not deadlines.under_way

    all_of_them()


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
        with pytest.raises(RuntimeError), Deadline(Deadlines(loop), 0.0):
            pass
    finally:
        loop.close()


class Interrupted(BaseException):
    """As Ctrl-C would be, which may come at any line."""


@in_virtual_time
async def test_one_that_was_interrupted_when_it_began_keeps_no_other_from_passing():
    loop = asyncio.get_running_loop()
    deadlines, usual = Deadlines(loop), loop.call_at

    def interrupted(*_: object, **__: object) -> None:
        raise Interrupted

    loop.call_at = interrupted  # type: ignore[method-assign,assignment]
    with pytest.raises(Interrupted), Deadline(deadlines, loop.time() + 5.0):
        pass
    loop.call_at = usual  # type: ignore[method-assign]

    assert not deadlines.under_way
    with pytest.raises(TimeoutError):
        await _within(7.0, _for_ever, deadlines)
    assert loop.time() == 7.0


@in_virtual_time
async def test_one_that_cannot_pass_keeps_no_other_from_passing():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    deadlines = Deadlines(loop)

    class Stubborn(Deadline):
        def pass_(self) -> None:
            raise ArithmeticError

    with Stubborn(deadlines, 1.0):
        for seconds in (1.0, 2.0):
            with pytest.raises(TimeoutError):
                await _within(seconds, _for_ever, deadlines)
    assert loop.time() == pytest.approx(3.0, abs=2 * GRAIN)


NAME: ContextVar[str] = ContextVar("NAME", default="nobody")


@in_virtual_time
async def test_no_callers_context_is_kept_by_the_timer():
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    NAME.set("the first caller")
    seen: list[str] = []

    class Looked(Deadline):
        def pass_(self) -> None:
            seen.append(NAME.get())
            super().pass_()

    with pytest.raises(TimeoutError), Looked(deadlines, 1.0):
        await _for_ever()
    assert seen == ["nobody"]
    assert NAME.get() == "the first caller"


@in_virtual_time
async def test_thousands_that_pass_one_by_one_are_looked_at_together():
    loop = asyncio.get_running_loop()
    deadlines, looks = Deadlines(loop), 0
    usual = deadlines.loop.call_at

    def counting(*given: Any, **named: Any) -> Any:
        nonlocal looks
        looks += 1
        return usual(*given, **named)

    loop.call_at = counting  # type: ignore[method-assign]

    async def late(n: int) -> float:
        with pytest.raises(TimeoutError), Deadline(deadlines, 1.0 + n / 2000):
            await _for_ever()
        return loop.time() - (1.0 + n / 2000)

    lates = await asyncio.gather(*(late(n) for n in range(2000)))
    assert max(lates) <= GRAIN + 0.001
    assert min(lates) >= 0.0
    assert looks < 150
