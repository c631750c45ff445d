"""A reservation that is open: what it took of which meter, so that it can be changed, moved and given back.

The journal of a shared ledger brings reservations of other processes: they have no entry in an index here, and are
given back all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Correct, Reservation, Used
from rotor_core._model import Price
from rotor_core.stores._index import Entry
from rotor_core.stores._meters import Gate, Meter, Stats


class Open:
    """`amounts` and `marks` go with `meters`; `at` is when the charges count from, `since` when slots were taken.

    `due`: its charges are for now, not for an instant to come. `taken` and `corrected`: for each meter what counted as
    taken just after this was charged, at least and at most, and how much of it others had in flight; and the meter's
    corrections up to then. `moved`: how often it was exchanged. `scopes`: at which it may
    be put to rest, where it was granted for later.
    """

    __slots__ = (
        "amounts", "ask", "at", "corrected", "due", "entry", "gates", "marks", "meters", "moved", "price", "reservation",
        "scopes", "since", "stats", "subject", "taken",
    )  # fmt: skip

    def __init__(
        self,
        reservation: Reservation,
        subject: str,
        price: Price | None,
        meters: Sequence[Meter],
        gates: Sequence[Gate],
        entry: Entry | None = None,
        ask: Ask | None = None,
    ) -> None:
        self.reservation, self.subject, self.price = reservation, subject, price
        self.meters, self.gates, self.entry, self.ask = meters, gates, entry, ask
        self.amounts: list[float] = []
        self.marks: list[float] = []
        self.at = self.since = reservation.at
        self.stats: Stats | None = entry.stats if entry is not None else None
        self.due, self.moved = True, 0
        self.scopes: tuple[str, ...] = ()
        self.taken: list[tuple[float, float, float]] | None = None
        self.corrected: list[float] = []

    def charge(self, now: float, at: float, amounts: list[float], soon: float) -> None:
        """Take the amounts from every meter, and the slots."""
        self.amounts, self.at, self.since = amounts, at, now
        if self.meters:
            charges = zip(self.meters, amounts, strict=True)
            self.marks = [meter.window.charge(now, at, amount) for meter, amount in charges]
            self._fly(now, due=at <= now + soon)
        else:
            self.due = at <= now + soon
        for gate in self.gates:
            gate.slots.take(self.reservation.demand.requests)
        self.touched()

    def move(self, now: float) -> None:
        """Let the charges count from `now`."""
        charges = zip(self.meters, self.amounts, self.marks, strict=True)
        self.marks = [meter.window.move(now, self.at, amount, mark) for meter, amount, mark in charges]
        self.at = now
        self._land()
        self._fly(now, due=True)
        self.touched()

    def lift(self, now: float) -> None:
        """Take a grant to come out of its windows, to be put back at some instant."""
        for meter, amount, mark in zip(self.meters, self.amounts, self.marks, strict=True):
            meter.window.change(now, self.at, amount, mark, 0.0)

    def put_back(self, now: float, at: float) -> None:
        self.marks = [meter.window.charge(now, at, a) for meter, a in zip(self.meters, self.amounts, strict=True)]
        self.at = at
        self.touched()

    def recharge(self, meter: Meter, now: float) -> None:
        """A meter was emptied: what this took of it is taken again."""
        for i, mine in enumerate(self.meters):
            if mine is meter:
                at = max(self.at, now)
                self.marks[i] = meter.window.charge(now, at, self.amounts[i])

    def arrive(self, now: float) -> None:
        """It is sent: what was to come is in flight."""
        if not self.due:
            self._land()
            self._fly(now, due=True)

    def holds(self, now: float) -> bool:
        """Whether every limit that this was charged to is still kept."""
        return all(meter.window.holds(now) for meter, amount in zip(self.meters, self.amounts, strict=True) if amount)

    def settle(self, now: float, actual: Sequence[float] | None) -> None:
        """Replace what was charged by what was used (None: let it be), give the slots back, and be over."""
        if self.meters:
            if actual is not None:
                for meter, amount, mark, used in zip(self.meters, self.amounts, self.marks, actual, strict=True):
                    if used != amount:
                        meter.window.change(now, self.at, amount, mark, used)
                        if used < amount:
                            meter.eased()
            self._land()
        for gate in self.gates:
            gate.slots.release(self.reservation.demand.requests, now - self.since)
            gate.eased()
        self.touched()

    def touched(self) -> None:
        if self.entry is not None:
            self.entry.touched()
        else:
            for meter in self.meters:
                meter.changes += 1
            for gate in self.gates:
                gate.changes += 1

    def correct(self, i: int, more: float, now: float) -> float:
        """Let a meter have counted so much more (or less); by how much that changed what it counts."""
        meter, amount = self.meters[i], self.amounts[i]
        before = meter.window.used(now)
        meter.window.change(now, self.at, amount, self.marks[i], amount + more)
        made = meter.window.used(now) - before
        self.amounts[i] += made
        meter.corrected += made
        if self.due:
            meter.flying += made
        return made

    def corrections(self, wanted: Sequence[Correct], actual: Sequence[float]) -> dict[int, float]:
        """By how much a provider's own figures differ from ours, by the meter's place.

        `wanted` says what counts as taken there just after this call. What other calls of ours had in flight when this
        was charged may or may not be part of that: it may arrive later, or take less, which settling it gives back. So a
        figure lower than ours counts only as far as it is lower than without them; nor does it speak against what
        another call was told since. `actual`: what this is settled as; what that gives back is not given back here again.
        """
        found: dict[int, float] = {}
        if self.taken is None:
            return found
        for correct in wanted:
            for i, meter in enumerate(self.meters):
                if meter.key != correct.key:
                    continue
                least, most, others = self.taken[i]
                since = meter.corrected - self.corrected[i]
                amount = self.amounts[i]
                back = max(0.0, amount - actual[i])
                more = max(0.0, correct.used - since - most + back)
                if not more:
                    own = back if correct.whole else amount
                    more = min(0.0, correct.used - min(0.0, since) - least + others + own)
                    more = max(more, -meter.window.used(self.at)) if correct.whole else more
                if abs(more) > _NOISE * max(1.0, meter.limit.value):
                    found[i] = more
        return found

    def _fly(self, now: float, *, due: bool) -> None:
        self.due = due
        self.taken, self.corrected = (None, []) if not due or not any(m.watched for m in self.meters) else ([], [])
        for meter, amount in zip(self.meters, self.amounts, strict=True):
            if not due:
                meter.coming += amount
                continue
            others = meter.flying
            meter.flying += amount
            if self.taken is not None:
                least, most = meter.taken(now)
                self.taken.append((least, most, others))
                self.corrected.append(meter.corrected)

    def _land(self) -> None:
        for meter, amount in zip(self.meters, self.amounts, strict=True):
            if self.due:
                meter.flying = max(0.0, meter.flying - amount)
            else:
                meter.coming = max(0.0, meter.coming - amount)


_NOISE = 1e-6
"""Of a limit: differences below are rounding."""


def actual_amounts(known: Open, used: Used) -> list[float]:
    """What `used` amounts to in each of the reservation's meters; a figure of None keeps what was reserved.

    Tokens that are counted as requested stay as they were asked for, once the request was counted at all.
    """
    if used.requests == 0:
        return [0.0] * len(known.meters)
    reserved, price = known.reservation.demand, known.price
    told = (used.requests, used.input_tokens, used.output_tokens, used.usd)
    if told == (None, None, None, None):
        return list(known.amounts)
    demand = Demand(
        input_tokens=reserved.input_tokens if used.input_tokens is None else used.input_tokens,
        output_tokens=reserved.output_tokens if used.output_tokens is None else used.output_tokens,
        max_tokens=reserved.max_tokens,
        requests=reserved.requests if used.requests is None else used.requests,
        audio_seconds=reserved.audio_seconds,
    )
    amounts: list[float] = []
    for meter, charged in zip(known.meters, known.amounts, strict=True):
        limit = meter.limit
        if limit.unit == "usd":
            amounts.append(used.usd if used.usd is not None else demand.amount(limit, price))
        elif _kept(limit.unit, used):
            amounts.append(charged)
        else:
            amounts.append(demand.amount(limit, price))
    return amounts


def _kept(unit: str, used: Used) -> bool:
    """Whether nothing was said that this unit is made of."""
    match unit:
        case "requests":
            return used.requests is None
        case "input_tokens":
            return used.input_tokens is None
        case "output_tokens":
            return used.output_tokens is None
        case "tokens":
            return used.input_tokens is None and used.output_tokens is None
        case _:
            return True
