"""What a shared ledger that is away has to be told when it is back: ends of reservations, and rests. Of bounded length."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from rotor_core._ledger import NOTHING_USED, Told, Used
from rotor_core.stores.base import Store

MOST: Final = 10_000
"""Ends that are kept; the oldest gives way, and its reservation expires where it was made."""

_DOUBTED: Final[list[Told]] = []

End = tuple[Used, float | None, Sequence[Told]]


class Post:
    """Safe from any thread. Each end is kept under its reservation's id: told twice, the first stands."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: OrderedDict[str, End] = OrderedDict()
        self._rests: dict[str, tuple[float, str]] = {}
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._ends) or bool(self._rests)

    def settle(self, reservation_id: str, used: Used, latency: float | None, told: Sequence[Told]) -> None:
        with self._lock:
            self._ends.setdefault(reservation_id, (used, latency, told))
            while len(self._ends) > MOST:
                self._ends.popitem(last=False)
                self._dropped += 1

    def doubt(self, reservation_id: str) -> None:
        """It may have been made there, though nobody here has it: it is to be given back."""
        self.settle(reservation_id, NOTHING_USED, None, _DOUBTED)

    def rest(self, scope: str, until: float, reason: str) -> None:
        """The longest rest wins, but for `until` 0, which ends it."""
        with self._lock:
            if until == 0.0 or scope not in self._rests or self._rests[scope][0] < until:
                self._rests[scope] = until, reason

    def forget(self, reservation_id: str) -> None:
        """It turned out to be granted: whoever has it will settle it."""
        with self._lock:
            self._ends.pop(reservation_id, None)

    def deliver(self, store: Store, now: float) -> int:
        """Tell it all. Returns how many ends that was, of reservations that somebody had. Raises `StoreError`; what was not told then is kept."""
        told = 0
        with self._lock:
            ids, rests = list(self._ends), list(self._rests.items())
        for reservation_id in ids:
            end = self._ends.get(reservation_id)
            if end is not None:
                store.settle(reservation_id, *end)
                told += end[2] is not _DOUBTED
                with self._lock:
                    self._ends.pop(reservation_id, None)
        for scope, (until, reason) in rests:
            if until > now or until == 0.0:
                store.rest(scope, until, reason)
            with self._lock:
                if self._rests.get(scope) == (until, reason):
                    del self._rests[scope]
        return told

    def dropped(self) -> int:
        """How many gave way since this was last asked."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped
