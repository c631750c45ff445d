"""One turn at a time: the ledger's lock, its instant, and what is to be done once the lock is let go.

The lock is re-entrant, as a turn may be interrupted in its own thread: garbage collection can close a stream that
nobody holds any more, and that settles. Such a nested turn must not touch what the outer one is in the middle of; it
leaves its work in `later`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Protocol

_log = logging.getLogger("rotor_core")


class Begun(Protocol):
    """What a turn is taken in: `begin` runs first, to let go of what has expired. `called`: whom to call after the turn."""

    called: list[Callable[[], None]]

    def begin(self, now: float, /) -> None: ...


class Turns:
    """`with turns as now:` is a turn, at an instant that is never before the last one's. `depth`: above 1, it interrupts another."""

    __slots__ = ("_begin", "_clock", "_lock", "_of", "at", "depth", "later")

    def __init__(self, clock: Callable[[], float], of: Begun) -> None:
        self._clock, self._of, self._begin = clock, of, of.begin
        self._lock = threading.RLock()
        self.depth = 0
        self.at = -inf
        self.later: deque[Callable[[], object]] = deque()

    def __enter__(self) -> float:
        self._lock.acquire()
        self.depth += 1
        at = self._clock()
        if at > self.at:
            self.at = at
        else:
            at = self.at
        if self.depth == 1:
            try:
                self._begin(at)
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return at

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not self.later and not self._of.called:  # as nearly always
            self.depth -= 1
            self._lock.release()
            return
        called: list[Callable[[], None]] = []
        try:
            while self.depth == 1 and self.later:
                self.later.popleft()()
        finally:
            self.depth -= 1
            if self.depth == 0 and self._of.called:
                called, self._of.called = self._of.called, []
            self._lock.release()
        for call in called:
            _tell(call)

    def hold(self) -> None:
        """Wait for the turn under way, and let no other begin."""
        self._lock.acquire()

    def go_on(self) -> None:
        self._lock.release()

    def start_over(self) -> None:
        """As if there had been no other threads."""
        self._lock = threading.RLock()
        self.depth = 0
        self._of.called.clear()
        self.later.clear()


def _tell(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:  # noqa: BLE001  somebody else's event loop may be closed: no reason to fail whoever freed the slot
        _log.warning("an asker that waited for a slot could not be called", exc_info=True)
