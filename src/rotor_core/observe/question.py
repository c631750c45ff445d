"""One question at a time, and what a nested one may do: garbage collection can ask in the middle of another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Question:
    """One question at a time. `with` it: whether this one interrupts another in its own thread, which it must not disturb.

    Garbage collection can close a stream that nobody holds any more at any allocation, and that says `finish`; what a
    nested question has to change it leaves in `later`. `lock`: all that is needed for what no nested one touches.
    """

    __slots__ = ("_depth", "later", "lock")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self.later: deque[Callable[[], object]] = deque()

    def __enter__(self) -> bool:
        self.lock.acquire()
        self._depth += 1
        return self._depth > 1

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._depth -= 1
        if not self.later:  # as nearly always
            self.lock.release()
            return
        try:
            while self.later and not self._depth:
                self.later.popleft()()
        finally:
            self.lock.release()
