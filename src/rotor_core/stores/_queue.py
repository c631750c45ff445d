"""Who waits for a slot: first come, first served, a higher priority first; one line per plan, merged when a slot is freed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from heapq import merge

from rotor_core._ledger import Ask, Plan


class Waiter:
    """An asker with a ticket. `called`: what to run when the ticket is worth redeeming; `check_at`: when it asks by itself."""

    __slots__ = ("ask", "asked_at", "called", "check_at", "give_up_at", "place")

    def __init__(self, ask: Ask, asked_at: float, give_up_at: float, number: int) -> None:
        self.ask, self.asked_at, self.give_up_at = ask, asked_at, give_up_at
        self.place = (-ask.priority, number)
        self.called: Callable[[], None] | None = None
        self.check_at = give_up_at


class Queue:
    """Waiters by id, and in order by plan."""

    __slots__ = ("_lines", "_number", "_waiters")

    def __init__(self) -> None:
        self._number = 0
        self._waiters: dict[str, Waiter] = {}
        self._lines: dict[Plan, list[tuple[tuple[int, int], Waiter]]] = {}

    def __len__(self) -> int:
        return len(self._waiters)

    def get(self, ask_id: str) -> Waiter | None:
        return self._waiters.get(ask_id)

    def waiting_for(self, plan: Plan) -> int:
        return len(self._lines.get(plan, ()))

    def plans(self) -> list[Plan]:
        return list(self._lines)

    def add(self, ask: Ask, asked_at: float, give_up_at: float) -> Waiter:
        self._number += 1
        waiter = Waiter(ask, asked_at, give_up_at, self._number)
        self._waiters[ask.id] = waiter
        insort(self._lines.setdefault(ask.plan, []), (waiter.place, waiter), key=lambda item: item[0])
        return waiter

    def remove(self, ask_id: str) -> Waiter | None:
        waiter = self._waiters.pop(ask_id, None)
        if waiter is not None:
            line = self._lines[waiter.ask.plan]
            del line[bisect_left(line, waiter.place, key=lambda item: item[0])]
            if not line:
                del self._lines[waiter.ask.plan]
        return waiter

    def in_order(self, plans: list[Plan]) -> Iterator[Waiter]:
        """The waiters of some plans as they stand now, whoever is removed meanwhile."""
        lines = [list(self._lines.get(plan, ())) for plan in plans]
        for _, waiter in merge(*lines, key=lambda item: item[0]):
            yield waiter
