"""What came of it: counted from what the callers saw and from the engine's events, summed up once. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rotor_core import Answered, Event


@dataclass(slots=True)
class Seat:
    """One deployment's part. `seconds`: how long each of its answers took, without the wait."""

    free: bool
    answers: int = 0
    tokens: int = 0
    seconds: list[float] = field(default_factory=list[float])


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of the story. `upstream_429`: refusals for rate as the providers counted them.

    `p50_ms`, `p95_ms`: from the question to its answer, the wait included. `by`: answers by deployment.
    """

    offered: int
    answered: int
    free: int
    paid: int
    upstream_429: int
    waited_s: float
    longest_wait_s: float
    p50_ms: float | None
    p95_ms: float | None
    cost_usd: float
    by: dict[str, int]
    seats: dict[str, Seat]
    errors: tuple[str, ...]
    interrupted: bool

    @property
    def under_way(self) -> int:
        """Questions that had no end when the story did."""
        return self.offered - self.answered - len(self.errors)

    @property
    def all_well(self) -> bool:
        """Whether every question was answered and no provider had to refuse one."""
        return self.offered == self.answered and self.upstream_429 == 0 and not self.interrupted

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        names = ("offered", "answered", "free", "paid", "upstream_429", "waited_s", "p50_ms", "p95_ms", "by")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Account:
    """Kept while the demo runs. `seconds`: from each question to its answer, as its caller saw it."""

    offered: int = 0
    seconds: list[float] = field(default_factory=list[float])
    waits: list[float] = field(default_factory=list[float])
    cost_usd: float = 0.0
    seats: dict[str, Seat] = field(default_factory=dict[str, Seat])
    errors: list[str] = field(default_factory=list[str])

    @property
    def answered(self) -> int:
        return len(self.seconds)

    def answers(self, *, free: bool) -> int:
        return sum(seat.answers for seat in self.seats.values() if seat.free is free)

    def hear(self, event: Event) -> None:
        """A listener: who answered, for how much, after what wait."""
        if not isinstance(event, Answered):
            return
        seat = self.seats.setdefault(event.deployment, Seat(event.free))
        seat.answers += 1
        seat.tokens += event.usage.total_tokens if event.usage else 0
        seat.seconds.append(event.seconds)
        self.waits.append(event.waited)
        self.cost_usd += event.cost_usd or 0.0

    def summary(self, upstream_429: int, *, interrupted: bool = False) -> Summary:
        return Summary(
            offered=self.offered,
            answered=self.answered,
            free=self.answers(free=True),
            paid=self.answers(free=False),
            upstream_429=upstream_429,
            waited_s=round(sum(self.waits), 2),
            longest_wait_s=round(max(self.waits, default=0.0), 2),
            p50_ms=_ms(percentile(self.seconds, 50)),
            p95_ms=_ms(percentile(self.seconds, 95)),
            cost_usd=self.cost_usd,
            by={name: seat.answers for name, seat in sorted(self.seats.items())},
            seats=self.seats,
            errors=tuple(self.errors),
            interrupted=interrupted,
        )


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of all do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(percent / 100 * len(values)) - 1)]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
