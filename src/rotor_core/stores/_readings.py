"""The ledger as people and programs look at it. Reads, takes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from rotor_core._demand import Demand
from rotor_core._ledger import LimitReading, Option, OptionReading
from rotor_core._state.fit import earliest
from rotor_core.stores._meters import Gate, Meter
from rotor_core.stores._open import Open
from rotor_core.stores._shelf import Shelf

_SMALLEST = Demand(1, 1)


def reserved_by_key(opened: Iterable[Open]) -> dict[str, float]:
    """What reservations in flight hold of each meter."""
    reserved: dict[str, float] = {}
    for known in opened:
        for meter, amount in zip(known.meters, known.amounts, strict=True):
            reserved[meter.key] = reserved.get(meter.key, 0.0) + amount
    return reserved


def read_option(option: Option, shelf: Shelf, reserved: Mapping[str, float], now: float) -> OptionReading:
    timed, gates = shelf.of(option, now)
    rests = [rest for scope in option.scopes if (rest := shelf.rests.get(scope)) is not None and rest.until > now]
    rest = max(rests, key=lambda rest: rest.until, default=None)
    windows = [meter.window for meter in timed]
    at = earliest(now, rest.until if rest else now, windows, [_SMALLEST.amount(m.limit, option.price) for m in timed])
    for gate in gates:
        if not gate.slots.fits(1):
            at = max(at, now + gate.slots.estimate(1.0))
    readings = {meter.key: _limit(meter, reserved.get(meter.key, 0.0), now) for meter in timed}
    readings |= {gate.key: _gate(gate) for gate in gates}
    stats = shelf.stats.get(option.id)
    return OptionReading(
        id=option.id,
        available_at=at if at < inf else None,
        resting=rest.reason if rest else None,
        rests_until=rest.until if rest else None,
        limits=tuple(readings[key] for key in _in_order(option, readings, shelf)),
        served=stats.served if stats else 0,
        latency=stats.latency if stats else None,
        on_trial=stats is not None and stats.on_trial,
    )


def _in_order(option: Option, readings: Mapping[str, LimitReading], shelf: Shelf) -> list[str]:
    """Declared limits as they were declared, then those that were learned."""
    declared = [bound.key if bound.key in readings else shelf.stand_in(bound.key) for bound in option.limits]
    return declared + [key for key in readings if key not in declared]


def _limit(meter: Meter, reserved: float, now: float) -> LimitReading:
    taken = meter.window.used(now)
    reserved = min(reserved, taken)
    left = max(0.0, meter.limit.value - taken)
    known = meter.record
    return LimitReading(
        meter.key, meter.limit, taken - reserved, reserved, left, meter.window.resets_at(now),
        known.seen_at, known.expires_at, known.confidence, known.evidence, known.declared,
    )  # fmt: skip


def _gate(gate: Gate) -> LimitReading:
    held = gate.slots.held
    left = max(0.0, gate.limit.value - held)
    return LimitReading(gate.key, gate.limit, 0.0, held, left, None, declared=gate.limit)
