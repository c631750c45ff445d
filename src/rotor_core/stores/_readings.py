"""The ledger as people and programs look at it. Reads, takes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from rotor_core._ledger import Demand, LimitReading, Option, OptionReading
from rotor_core._state.fit import earliest
from rotor_core.stores._meters import Gate, Meter, Meters
from rotor_core.stores._open import Open

_SMALLEST = Demand(1, 1)


def reserved_by_key(opened: Iterable[Open]) -> dict[str, float]:
    """What reservations in flight hold of each meter."""
    reserved: dict[str, float] = {}
    for known in opened:
        for meter, amount in zip(known.entry.meters, known.amounts, strict=True):
            reserved[meter.key] = reserved.get(meter.key, 0.0) + amount
    return reserved


def read_option(option: Option, meters: Meters, reserved: Mapping[str, float], now: float) -> OptionReading:
    timed, gates = meters.of(option, now)
    rests = [rest for scope in option.scopes if (rest := meters.rests.get(scope)) is not None and rest.until > now]
    rest = max(rests, key=lambda rest: rest.until, default=None)
    windows = [meter.window for meter in timed]
    at = earliest(now, rest.until if rest else now, windows, [_SMALLEST.amount(m.limit, option.price) for m in timed])
    for gate in gates:
        if not gate.slots.fits(1):
            at = max(at, now + gate.slots.estimate(1.0))
    readings = {meter.key: _limit(meter, reserved.get(meter.key, 0.0), now) for meter in timed}
    readings |= {gate.key: _gate(gate) for gate in gates}
    stats = meters.stats.get(option.id)
    return OptionReading(
        id=option.id,
        available_at=at if at < inf else None,
        resting=rest.reason if rest else None,
        rests_until=rest.until if rest else None,
        limits=tuple(readings[bound.key] for bound in option.limits),
        served=stats.served if stats else 0,
        latency=stats.latency if stats else None,
    )


def _limit(meter: Meter, reserved: float, now: float) -> LimitReading:
    taken = meter.window.used(now)
    reserved = min(reserved, taken)
    left = max(0.0, meter.limit.value - taken)
    return LimitReading(meter.key, meter.limit, taken - reserved, reserved, left, meter.window.resets_at(now))


def _gate(gate: Gate) -> LimitReading:
    held = gate.slots.held
    return LimitReading(gate.key, gate.limit, 0.0, held, max(0.0, gate.limit.value - held), None)
