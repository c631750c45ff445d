"""Who waits for a slot: a higher priority first, first come first served; one line per plan, merged when a slot is freed.

Nobody is passed over for ever: whoever has been overtaken `OVERTAKEN` times by a higher priority goes before all who
have not. A waiter of another process, which shares this ledger, stands in a line of its own kind: its plan is not known
here, only the gates that it could use. When its turn comes a slot is held for it until it has asked again, or too long.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from heapq import merge
from typing import Final

from rotor_core._ledger import Ask, Plan

OVERTAKEN: Final = 2
_FOREMOST: Final = -(2**62)

Place = tuple[int, int]


class Waiter:
    """An asker with a ticket. `called`: what to run when the ticket is worth redeeming; `check_at`: when it asks by itself.

    `ask` None: of another process, at `address`. `gates`: whose slots it could use. `held`: the gates at which a slot is
    kept for it until `held_until`. `missed`: it did not come for one, so none is kept for it until it asks again.
    """

    __slots__ = (
        "address", "ask", "asked_at", "called", "check_at", "gates", "give_up_at", "held", "held_until", "id", "missed",
        "number", "passed", "place", "priority", "requests",
    )  # fmt: skip

    def __init__(
        self, ident: str, ask: Ask | None, asked_at: float, give_up_at: float, priority: int, number: int
    ) -> None:
        self.id, self.ask, self.asked_at, self.give_up_at = ident, ask, asked_at, give_up_at
        self.priority, self.number, self.passed = priority, number, 0
        self.place: Place = (-priority, number)
        self.called: Callable[[], None] | None = None
        self.check_at = give_up_at
        self.requests = ask.demand.requests if ask else 1
        self.gates: frozenset[str] = frozenset()
        self.address = ""
        self.held: tuple[str, ...] = ()
        self.held_until = 0.0
        self.missed = False


class Queue:
    """Waiters by id, and in order by plan (None: those of other processes). `by_id`: to look at."""

    __slots__ = ("_lines", "_number", "_priorities", "by_id")

    def __init__(self) -> None:
        self._number = 0
        self.by_id: dict[str, Waiter] = {}
        self._lines: dict[Plan | None, list[tuple[Place, Waiter]]] = {}
        self._priorities: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator[Waiter]:
        return iter(list(self.by_id.values()))

    def get(self, ask_id: str) -> Waiter | None:
        return self.by_id.get(ask_id)

    def waiting_for(self, plan: Plan) -> int:
        return len(self._lines.get(plan, ()))

    def plans(self) -> list[Plan]:
        return [plan for plan in self._lines if plan is not None]

    def add(self, ident: str, ask: Ask | None, asked_at: float, give_up_at: float, priority: int) -> Waiter:
        self._number += 1
        waiter = Waiter(ident, ask, asked_at, give_up_at, priority, self._number)
        self.by_id[ident] = waiter
        self._priorities[priority] = self._priorities.get(priority, 0) + 1
        insort(self._lines.setdefault(ask.plan if ask else None, []), (waiter.place, waiter), key=_place)
        return waiter

    def remove(self, ask_id: str) -> Waiter | None:
        waiter = self.by_id.pop(ask_id, None)
        if waiter is not None:
            self._priorities[waiter.priority] -= 1
            if not self._priorities[waiter.priority]:
                del self._priorities[waiter.priority]
            self._unplace(waiter)
        return waiter

    def served(self, waiter: Waiter) -> None:
        """`waiter` has had its turn: those who came before it and were to go after it have been overtaken."""
        if len(self._priorities) < 2:
            return
        for other in list(self.by_id.values()):
            if other.number < waiter.number and other.place > waiter.place:
                other.passed += 1
                if other.passed == OVERTAKEN:
                    self._unplace(other)
                    other.place = (_FOREMOST, other.number)
                    insort(
                        self._lines.setdefault(other.ask.plan if other.ask else None, []),
                        (other.place, other),
                        key=_place,
                    )

    def in_order(self, plans: list[Plan]) -> Iterator[Waiter]:
        """The waiters of some plans, and of other processes, as they stand now, whoever is removed meanwhile."""
        lines = [list(self._lines.get(plan, ())) for plan in (*plans, None)]
        for _, waiter in merge(*lines, key=_place):
            yield waiter

    def _unplace(self, waiter: Waiter) -> None:
        plan = waiter.ask.plan if waiter.ask else None
        line = self._lines[plan]
        del line[bisect_left(line, waiter.place, key=_place)]
        if not line:
            del self._lines[plan]


def _place(item: tuple[Place, Waiter]) -> Place:
    return item[0]
