"""What a subject has been sent lately, and what its provider said of it: what a learner looks back on.

A call is entered when it is granted and taken out again when it turns out not to count. At most `ENTRIES` are kept:
when there are more, those of the older half are merged where they lie close together for their age, and count from the
latest of them. So what passed in a long period is never counted short, and the last half is known call by call.

Nothing here is a charge: windows count, this remembers. It is one process's memory and may be lost at any time.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping
from math import inf
from typing import Final, NamedTuple

from rotor_core._model import SECONDS, Unit, Window

ENTRIES: Final = 256
_CLOSE: Final = 3.0
"""Calls are close together when no further apart than their age divided by this. From a second to a month that makes
less than half of `ENTRIES`: two cells in a row are always further apart."""
FIGURES: Final = 32
"""Limits of a subject about which something is remembered. No provider has so many; it bounds what a bad one can fill."""


class Entry(NamedTuple):
    """One call, or several that were merged; then `first` is the earliest of them and `at` the latest."""

    at: float
    requests: float
    input_tokens: float
    output_tokens: float
    first: float

    def amount(self, unit: Unit) -> float:
        """What it takes of a unit; of units that nobody notes here, nothing."""
        match unit:
            case "requests":
                return self.requests
            case "tokens":
                return self.input_tokens + self.output_tokens
            case "input_tokens":
                return self.input_tokens
            case "output_tokens":
                return self.output_tokens
            case _:
                return 0.0


class Notes:
    """What is remembered of one limit.

    `told_at` and `remaining`: the last call that came with a figure, and the figure. `votes`: how many times in a row a
    deduction was as requested (above 0) or as used (below). `kinds`: what has spoken for each kind of window.
    `blamed_at`: when a refusal that named nothing was last laid to this limit. `silent`: how many refusals in a row there
    were since anything passed.
    """

    __slots__ = ("blamed_at", "kinds", "remaining", "silent", "told_at", "votes")

    def __init__(self) -> None:
        self.told_at = self.blamed_at = -inf
        self.remaining = 0.0
        self.votes = self.silent = 0
        self.kinds: Mapping[tuple[Window, str], int] = {}


class Trail:
    """Not safe from several threads at once: whoever holds it has the lock. `notes`: by a limit's key."""

    __slots__ = ("_entries", "_merged", "notes")

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._merged = 0  # so many at the front may be several calls
        self.notes: dict[str, Notes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def sent(self, at: float, requests: float, input_tokens: float, output_tokens: float) -> None:
        """A call goes out at `at`, which may be still to come."""
        entries, entry = self._entries, Entry(at, requests, input_tokens, output_tokens, at)
        if not entries or entries[-1][0] <= at:
            entries.append(entry)
        else:
            insort(entries, entry, lo=min(self._merged, len(entries)))
        if len(entries) > ENTRIES:
            self._merge()

    def refused(self, at: float) -> None:
        """The call of that instant does not count."""
        i = bisect_right(self._entries, (at, inf)) - 1  # the last one up to then: a call may be sent late, never early
        if i < 0:
            return
        entry = self._entries[i]
        if i >= self._merged or entry.requests <= 1:
            del self._entries[i]
            self._merged -= i < self._merged
        else:
            left = 1.0 - 1.0 / entry.requests
            parts = (entry.requests * left, entry.input_tokens * left, entry.output_tokens * left)
            self._entries[i] = Entry(entry.at, *parts, entry.first)

    def settled(self, at: float, input_tokens: int | None, output_tokens: int | None) -> None:
        """The call of that instant has used so many tokens; None: as many as were reserved."""
        i = bisect_right(self._entries, (at, inf)) - 1
        if i >= self._merged:
            was = self._entries[i]
            given = was.input_tokens if input_tokens is None else input_tokens
            got = was.output_tokens if output_tokens is None else output_tokens
            self._entries[i] = Entry(was.at, was.requests, given, got, was.first)

    def passed(self, unit: Unit, since: float, until: float) -> float:
        """How much went out after `since`, up to `until`."""
        first, last = bisect_right(self._entries, (since, inf)), bisect_right(self._entries, (until, inf))
        return sum(entry.amount(unit) for entry in self._entries[first:last])

    def calls(self, since: float, until: float) -> int:
        """How many entries lie after `since`, up to `until`."""
        return bisect_right(self._entries, (until, inf)) - bisect_right(self._entries, (since, inf))

    def most(self, unit: Unit, seconds: float, until: float) -> float:
        """The most that went out within any `seconds`, up to `until`; of calls that are known one by one."""
        most = total = 0.0
        entries, first = self._entries, self._merged
        for k in range(first, bisect_right(entries, (until, inf))):
            total += entries[k].amount(unit)
            while entries[first].at <= entries[k].at - seconds:
                total -= entries[first].amount(unit)
                first += 1
            most = max(most, total)
        return most

    def past(self, unit: Unit, since: float) -> tuple[tuple[float, float], ...]:
        """Charges `(at, amount)` for all that went out after `since`, by time."""
        later = self._entries[bisect_right(self._entries, (since, inf)) :]
        return tuple((entry.at, amount) for entry in later if (amount := entry.amount(unit)) > 0)

    def of(self, key: str) -> Notes:
        """What is remembered of a limit, to be written on."""
        found = self.notes.get(key)
        if found is None:
            if len(self.notes) >= FIGURES:
                self.notes.clear()
            found = self.notes[key] = Notes()
        return found

    def _merge(self) -> None:
        half, now = len(self._entries) // 2, self._entries[-1].at
        cells: list[Entry] = []
        for older in reversed(self._entries[:half]):
            age = now - older.at
            if age > SECONDS["month"]:
                break
            cell = cells[-1] if cells else None
            if cell is not None and cell.at - older.first <= max(1.0, age / _CLOSE):
                cells[-1] = Entry(
                    cell.at, cell.requests + older.requests, cell.input_tokens + older.input_tokens,
                    cell.output_tokens + older.output_tokens, older.first,
                )  # fmt: skip
            else:
                cells.append(older)
        self._merged = len(cells)
        self._entries[:half] = reversed(cells)
