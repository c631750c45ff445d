"""A provider as its customers meet it: it knows its keys and models, counts for itself, and admits or refuses.

No server, no clock, no IO: the loopback server and a simulation in virtual time ask the same object. What it admits it
has counted, in every limit; what it refuses it has counted in none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from rotor_core._model import Limit, Price
from rotor_core.sandbox.limits import Slots, Window, window_of
from rotor_core.sandbox.spec import ImitatedKey, ImitatedModel, Imitation

Reason = Literal["auth", "model", "context", "too_large", "rate"]

STATUS: Final[Mapping[Reason, int]] = MappingProxyType(
    {"auth": 401, "model": 404, "context": 400, "too_large": 413, "rate": 429}
)
_UNIT_LETTERS: Final = {
    "requests": "R", "tokens": "T", "input_tokens": "IT", "output_tokens": "OT", "audio_seconds": "AS", "usd": "USD",
}  # fmt: skip
_PER_LETTERS: Final = {"second": "PS", "minute": "PM", "hour": "PH", "day": "PD", "month": "PMONTH"}


@dataclass(frozen=True, slots=True)
class Admitted:
    """Let in and counted. `number` tells one from another; whoever holds it gives its slots back by `release`."""

    number: int
    gates: tuple[Slots, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in, and counted nowhere.

    `status` is the usual one; a dialect may send another. `broken` is the limit that is the longest in the way, and
    `dimension` its short name (`RPM`, `TPD`, `concurrent`). `used` and `requested` are in its unit; `retry_after`, in
    seconds, is None where waiting does not help or nobody can tell how long.
    """

    reason: Reason
    status: int
    dimension: str | None = None
    limit: float | None = None
    used: float | None = None
    requested: float | None = None
    retry_after: float | None = None
    broken: Limit | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """How one limit stands. `empty_in`: seconds until nothing counts any more."""

    limit: Limit
    used: float
    empty_in: float

    @property
    def remaining(self) -> int:
        return max(0, math.floor(self.limit.value - self.used + 1e-6))


class _Meter:
    """One window and what of a request it counts."""

    __slots__ = ("limit", "requested", "unit", "window")

    def __init__(self, limit: Limit) -> None:
        self.limit, self.unit, self.requested = limit, limit.unit, limit.counts == "requested"
        self.window: Window = window_of(limit)

    def amount(self, prompt: int, output: int, most: int | None, price: Price | None) -> float:
        """What a request amounts to. Where what is asked for counts, a request that names no maximum asks for what it gets."""
        written = most if self.requested and most is not None else output
        match self.unit:
            case "requests":
                return 1
            case "tokens":
                return prompt + written
            case "input_tokens":
                return prompt
            case "output_tokens":
                return written
            case "usd":
                return price.cost(prompt, output) if price else 0.0
            case _:
                return 0.0


class _Counter:
    """Everything that a request to one model with one quota is counted by."""

    __slots__ = ("gates", "meters", "model")

    def __init__(self, model: ImitatedModel, meters: Sequence[_Meter], gates: Sequence[tuple[Limit, Slots]]) -> None:
        self.model, self.meters, self.gates = model, tuple(meters), tuple(gates)

    def admit(self, now: float, number: int, prompt: int, output: int, most: int | None) -> Admitted | Refused:
        price = self.model.price
        amounts = [meter.amount(prompt, output, most, price) for meter in self.meters]
        worst, longest = -1, 0.0
        for n, meter in enumerate(self.meters):
            wait = meter.window.wait(now, amounts[n])
            if wait > longest:
                worst, longest = n, wait
        if worst >= 0:
            return _refused(self.meters[worst], now, amounts[worst], longest)
        for limit, slots in self.gates:
            if not slots.free:
                return Refused("rate", STATUS["rate"], "concurrent", limit.value, slots.in_use, 1, None, limit)
        for meter, amount in zip(self.meters, amounts, strict=True):
            meter.window.take(now, amount)
        for _, slots in self.gates:
            slots.take(number)
        return Admitted(number, tuple(slots for _, slots in self.gates) if self.gates else ())


class ProviderModel:
    """One imitated provider. Not for several threads at once."""

    def __init__(self, imitation: Imitation) -> None:
        self.imitation = imitation
        self._keys = {key.secret.reveal(): key for key in imitation.keys}
        self.reset()

    def reset(self) -> None:
        """Forget all that was counted, calls in flight too."""
        self._shared: dict[str, tuple[list[_Meter], list[tuple[Limit, Slots]]]] = {}
        self._counters: dict[tuple[str, str], _Counter] = {}
        self._number = 0

    def key(self, secret: str) -> ImitatedKey | None:
        """The key of this secret, be it revoked; None for one that the provider does not know."""
        return self._keys.get(secret)

    def admit(
        self, now: float, key: str, model: str, prompt_tokens: int, output_tokens: int, max_tokens: int | None = None
    ) -> Admitted | Refused:
        """Judge a request that arrives at `now` and count it if it is let in. `key` is the secret itself.

        `output_tokens` is what the answer will really take; `max_tokens` what the request allowed, or None.
        """
        counter = self._counter(key, model)
        if not isinstance(counter, _Counter):
            return counter
        context = counter.model.context
        if prompt_tokens + (max_tokens or 0) > context:
            return Refused("context", STATUS["context"], None, context, None, prompt_tokens + (max_tokens or 0))
        self._number += 1
        return counter.admit(now, self._number, prompt_tokens, output_tokens, max_tokens)

    def release(self, admitted: Admitted) -> None:
        """The answer is out: its slots are free. Doing it twice changes nothing."""
        for slots in admitted.gates:
            slots.give_back(admitted.number)

    def readings(self, now: float, key: str, model: str) -> tuple[Reading, ...]:
        """How the limits of a model stand for a key, concurrency aside; nothing for those it does not know."""
        counter = self._counter(key, model)
        if not isinstance(counter, _Counter):
            return ()
        return tuple(Reading(m.limit, m.window.used(now), m.window.empty_in(now)) for m in counter.meters)

    def _counter(self, secret: str, name: str) -> _Counter | Refused:
        quota = ""
        if self._keys:
            key = self._keys.get(secret)
            if key is None or key.revoked:
                return Refused("auth", STATUS["auth"])
            quota = key.quota
        counter = self._counters.get((quota, name))
        if counter is None:
            model = self.imitation.models.get(name)
            if model is None:
                return Refused("model", STATUS["model"])
            meters, gates = _counted(model.limits)
            shared = self._shared.setdefault(quota, _counted(self.imitation.shared))
            counter = _Counter(model, meters + shared[0], gates + shared[1])
            self._counters[quota, name] = counter
        return counter


def dimension_of(limit: Limit) -> str:
    """A limit's short name: `RPM`, `TPD`, `ITPM`, `concurrent`; `R/10s` for a period that has no name."""
    if limit.unit == "concurrent":
        return "concurrent"
    unit = _UNIT_LETTERS[limit.unit]
    return unit + _PER_LETTERS[limit.per] if isinstance(limit.per, str) else f"{unit}/{limit.seconds:g}s"


def _counted(limits: Sequence[Limit]) -> tuple[list[_Meter], list[tuple[Limit, Slots]]]:
    meters = [_Meter(limit) for limit in limits if limit.unit != "concurrent"]
    return meters, [(limit, Slots(limit.value)) for limit in limits if limit.unit == "concurrent"]


def _refused(meter: _Meter, now: float, amount: float, wait: float) -> Refused:
    reason: Reason = "too_large" if math.isinf(wait) else "rate"
    limit = meter.limit
    retry_after = None if math.isinf(wait) else wait
    return Refused(
        reason, STATUS[reason], dimension_of(limit), limit.value, meter.window.used(now), amount, retry_after, limit
    )
