"""A reservation that is open: what it took of which meter, so that it can be changed, moved and given back."""

from __future__ import annotations

from rotor_core._ledger import Demand, Reservation, Used
from rotor_core.stores._index import Entry


class Open:
    """`amounts` and `marks` go with `entry.meters`; `at` is when the charges count from, `since` when slots were taken."""

    __slots__ = ("amounts", "at", "entry", "marks", "reservation", "since")

    def __init__(
        self, reservation: Reservation, entry: Entry, amounts: list[float], marks: list[float], since: float
    ) -> None:
        self.reservation, self.entry, self.amounts, self.marks = reservation, entry, amounts, marks
        self.at, self.since = reservation.at, since

    def move(self, now: float) -> None:
        """Let the charges count from `now`."""
        charges = zip(self.entry.meters, self.amounts, self.marks, strict=True)
        self.marks = [meter.window.move(now, self.at, amount, mark) for meter, amount, mark in charges]
        self.at = now
        self.entry.touched()

    def holds(self, now: float) -> bool:
        """Whether every limit that this was charged to is still kept."""
        charged = zip(self.entry.meters, self.amounts, strict=True)
        return all(meter.window.holds(now) for meter, amount in charged if amount)

    def change(self, now: float, actual: list[float]) -> None:
        """Replace what was charged by what was used."""
        for i, meter in enumerate(self.entry.meters):
            amount = self.amounts[i]
            if actual[i] != amount:
                meter.window.change(now, self.at, amount, self.marks[i], actual[i])
                if actual[i] < amount:
                    meter.eased()
        self.amounts = actual

    def release(self, now: float) -> None:
        """Give the slots back."""
        requests = self.reservation.demand.requests
        for gate in self.entry.gates:
            gate.slots.release(requests, now - self.since)
            gate.eased()
        self.entry.touched()


def actual_amounts(known: Open, used: Used) -> list[float]:
    """What `used` amounts to in each of the reservation's meters; a figure of None keeps what was reserved.

    Tokens that are counted as requested stay as they were asked for, once the request was counted at all.
    """
    entry, reserved = known.entry, known.reservation.demand
    if used.requests == 0:
        return [0.0] * len(entry.meters)
    demand = Demand(
        input_tokens=reserved.input_tokens if used.input_tokens is None else used.input_tokens,
        output_tokens=reserved.output_tokens if used.output_tokens is None else used.output_tokens,
        max_tokens=reserved.max_tokens,
        requests=reserved.requests if used.requests is None else used.requests,
        audio_seconds=reserved.audio_seconds,
    )
    price = entry.option.price
    return [
        used.usd if limit.unit == "usd" and used.usd is not None else demand.amount(limit, price)
        for limit in entry.limits
    ]
