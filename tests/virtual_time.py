"""An event loop on which time passes at once: where nobody has anything to do, it goes to the instant of the next timer.

For what takes its time from its loop, and waits for no socket and no other thread.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """`held_up`: what somebody's blocking work is to others on the loop."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Selector(self.held_up))

    def time(self) -> float:
        return self._now

    def held_up(self, seconds: float) -> None:
        self._now += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, passes: Callable[[float], None]) -> None:
        super().__init__()
        self._passes = passes

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:  # no timer: only another thread can have more to say
            return super().select(None)
        found = super().select(0)
        if not found and timeout > 0:
            self._passes(timeout)
        return found


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is run on such a loop."""

    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*given, **named))

    return run


def held_up(seconds: float) -> None:
    """Somebody's blocking work on the running loop, which has to be such a one."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.held_up(seconds)
