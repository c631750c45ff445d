"""What ends a task's doing at an instant: the deadlines of an event loop, with one timer for all of them.

Hardly any deadline ever passes. A timer of its own would be made for each call, ordered among all others and cancelled,
after which it lies in the loop's heap until its instant: more work than all the rest of a deadline. So there is one, for
the nearest. When that deadline is kept, the timer is left to run; it looks then which is the nearest of those that are
under way.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from math import inf
from types import TracebackType
from typing import Final

GRAIN: Final = 0.01
"""Seconds that one look comes after another, at least: a provider that hangs lets thousands of deadlines pass one by one."""


class Deadlines:
    """Of one event loop, to be used in it alone. `under_way`: those that may still pass; `at`: when they are looked at next."""

    __slots__ = ("_context", "_timer", "at", "loop", "under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.under_way: set[Deadline] = set()
        self.at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._context = Context()  # an empty one: the first caller's is not to be kept for as long as the loop is busy

    def look_at(self, at: float) -> None:
        """Look at them at this instant, and not at another."""
        timer, self._timer, self.at = self._timer, None, inf
        if timer is not None:
            timer.cancel()
        self._timer = self.loop.call_at(at, self._look, context=self._context)
        self.at = at  # last, so that whoever is interrupted before leaves it to the next one

    def close(self) -> None:
        """Nothing new will be under way: without anything that is, there is nothing to look at."""
        if self._timer is not None and not self.under_way:
            self._timer.cancel()
            self._timer, self.at = None, inf

    def _look(self) -> None:
        now = max(self.at, self.loop.time())  # a loop may be early by its clock's resolution
        self._timer, self.at = None, inf
        try:
            for deadline in [one for one in self.under_way if one.when <= now]:
                self.under_way.discard(deadline)
                deadline.pass_()
        finally:  # the others are not to suffer for one
            if self.under_way:
                self.look_at(max(now + GRAIN, min(one.when for one in self.under_way)))


class Deadline:
    """`asyncio.timeout_at(when)`, for what is passed by every call.

    A plain context manager, to be used once. `when` is on the loop's clock. Raises TimeoutError where it ended what was
    done within; a cancellation that somebody else asked for meanwhile goes before it.
    """

    __slots__ = ("_cancelling", "_of", "_passed", "_task", "when")
    _task: asyncio.Task[object]
    _cancelling: int

    def __init__(self, of: Deadlines, when: float) -> None:
        self._of, self.when = of, when
        self._passed = False

    def __enter__(self) -> None:
        of = self._of
        task = asyncio.current_task(of.loop)
        if task is None:
            raise RuntimeError("a deadline is for what a task does")
        self._task, self._cancelling = task, task.cancelling()
        of.under_way.add(self)
        if self.when < of.at:
            try:
                of.look_at(self.when)
            except BaseException:  # nothing is done within: there is nothing to end
                of.under_way.discard(self)
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._of.under_way.discard(self)
        if self._passed and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def pass_(self) -> None:
        """It is the instant."""
        self._passed = True
        self._task.cancel()
