"""What it costs to learn limits that nobody declared: refusals, and the share of the capacity that is used afterwards.

    python benchmarks/learning.py [seeds] [seconds]

One provider at a time, in virtual time, through the memory store. Callers come at random, twice as many as it takes, and
do not wait. Nothing is declared. `learned`: the share of the capacity used in the second half. Providers count in their
own arithmetic; a request is on its way 1 to 5 ms.
"""

# ruff: noqa: ARG001, FBT001, FBT003 - every way of telling has one signature
from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from statistics import median

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Ask, Option, Plan, Reservation, Tier, Told, Used
from rotor_core._policy.rank import most_headroom
from rotor_core.stores.memory import MemoryStore

START = 1_000_000_020.0


@dataclass
class Counter:
    """One limit as a provider counts it."""

    kind: str
    value: float
    seconds: float
    unit: str = "requests"
    log: list[tuple[float, float]] = field(default_factory=list)
    level: float = -1.0
    at: float = START

    def left(self, t: float) -> float:
        if self.kind == "bucket":
            level = (
                self.value
                if self.level < 0
                else min(self.value, self.level + (t - self.at) * self.value / self.seconds)
            )
            self.level, self.at = level, t
            return level
        since = t - self.seconds if self.kind == "rolling" else t - t % self.seconds - 1e-9
        self.log = [(at, amount) for at, amount in self.log if at > since]
        return self.value - sum(amount for _, amount in self.log)

    def wait(self, t: float, amount: float) -> float:
        missing = amount - self.left(t)
        if missing <= 0:
            return 0.0
        if self.kind == "bucket":
            return missing * self.seconds / self.value
        if self.kind == "calendar":
            return self.seconds - t % self.seconds
        for at, freed in self.log:
            missing -= freed
            if missing <= 1e-9:
                return at + self.seconds - t
        return self.seconds

    def take(self, t: float, amount: float) -> None:
        self.left(t)
        self.level -= amount
        self.log.append((t, amount))


Say = Callable[[Counter, float, float, bool], Told | None]
"""What a provider tells of one of its limits, given the amount asked for and whether that limit refused."""

NAMES = {1.0: "second", 60.0: "minute", 86400.0: "day"}


def headers(c: Counter, t: float, amount: float, refused: bool) -> Told:
    """limit, remaining, reset on every answer; a refusal in figures."""
    per = NAMES[c.seconds]
    if refused:
        return told_in_words(c, t, amount, refused)
    reset = (c.value - c.left(t)) * c.seconds / c.value if c.kind == "bucket" else c.seconds - t % c.seconds
    return Told("header", c.unit, per, c.value, float(max(0, int(c.left(t)))), resets_in=reset)


def told_in_words(c: Counter, t: float, amount: float, refused: bool) -> Told | None:
    """Nothing on answers; limit, used, requested and the wait in a refusal."""
    if not refused:
        return None
    used = float(int(c.value - c.left(t)))
    return Told("error", c.unit, NAMES[c.seconds], c.value, None, used, amount, None, c.wait(t, amount), True)


def limit_and_wait(c: Counter, t: float, amount: float, refused: bool) -> Told | None:
    return (
        Told("error", c.unit, NAMES[c.seconds], c.value, retry_in=c.wait(t, amount), refused=True) if refused else None
    )


def limit_only(c: Counter, t: float, amount: float, refused: bool) -> Told | None:
    return Told("error", c.unit, NAMES[c.seconds], c.value, refused=True) if refused else None


def nothing(c: Counter, t: float, amount: float, refused: bool) -> Told | None:
    return Told("error", refused=True) if refused else None


CASES: dict[str, tuple[Sequence[Counter], Say]] = {
    "30/min bucket, words": ([Counter("bucket", 30, 60)], told_in_words),
    "30/min + 12k tokens/min bucket, words": (
        [Counter("bucket", 30, 60), Counter("bucket", 12000, 60, "tokens")],
        told_in_words,
    ),
    "60/min + 12k tokens/min bucket, headers": (
        [Counter("bucket", 60, 60), Counter("bucket", 12000, 60, "tokens")],
        headers,
    ),
    "10/min calendar, limit and wait": ([Counter("calendar", 10, 60)], limit_and_wait),
    "20/min rolling, limit only": ([Counter("rolling", 20, 60)], limit_only),
    "5/s rolling, limit and wait": ([Counter("rolling", 5, 1)], limit_and_wait),
    "1/s bucket, nothing": ([Counter("bucket", 1, 1)], nothing),
    "20/min rolling, nothing": ([Counter("rolling", 20, 60)], nothing),
    "30/min bucket, nothing": ([Counter("bucket", 30, 60)], nothing),
}


def run(counters: Sequence[Counter], say: Say, seed: int, seconds: float, wait: float) -> tuple[dict[str, int], float]:
    rng, ids = random.Random(seed), count()
    counters = [Counter(c.kind, c.value, c.seconds, c.unit) for c in counters]
    now = START + rng.random() * 60
    begun, half = now, now + seconds / 2
    hands = [now]
    store = MemoryStore(clock=lambda: hands[0])
    option = Option("o", (), ("deployment:o",), free=True, subject="q|m", model="m")
    plan = Plan((Tier((option,)),), most_headroom)
    mean = 450.0
    rate = 2 * min(c.value / c.seconds / (mean if c.unit == "tokens" else 1) for c in counters)
    refusals: dict[str, int] = {c.unit: 0 for c in counters}
    served: dict[str, float] = {c.unit: 0.0 for c in counters}
    events: list[tuple[float, int, Callable[[float], None]]] = []

    def later(at: float, what: Callable[[float], None]) -> None:
        heappush(events, (at, next(ids), what))

    def arrive(t: float) -> None:
        later(t + rng.expovariate(rate), arrive)
        prompt, answer, cap = rng.randint(100, 500), rng.randint(50, 250), 250
        demand = Demand(prompt, cap, cap)
        grant = store.reserve(Ask(f"a{next(ids)}", plan, demand, max_wait=wait))
        if isinstance(grant, Reservation):
            later(max(t, grant.at), lambda s: send(s, grant, prompt, answer))

    def send(t: float, grant: Reservation, prompt: int, answer: int) -> None:
        if t > grant.asked_at and store.dispatched(grant.id) is None:
            store.settle(grant.id, NOTHING_USED)  # what was learned since has taken its room
            return
        store.sent(grant.id)
        later(t + rng.uniform(0.001, 0.005), lambda s: reach(s, grant, prompt, answer))

    def reach(t: float, grant: Reservation, prompt: int, answer: int) -> None:
        amounts = [float(prompt + answer) if c.unit == "tokens" else 1.0 for c in counters]
        worst = max(counters, key=lambda c: c.wait(t, amounts[counters.index(c)]))
        refused = worst.wait(t, amounts[counters.index(worst)]) > 0
        if refused:
            refusals[worst.unit] += 1
            told = [say(worst, t, amounts[counters.index(worst)], True)]
            later(t + 0.003, lambda _: store.settle(grant.id, NOTHING_USED, None, [x for x in told if x]))
            return
        for c, amount in zip(counters, amounts, strict=True):
            c.take(t, amount)
            if t >= half:
                served[c.unit] += amount
        told = [say(c, t, amount, False) for c, amount in zip(counters, amounts, strict=True)]
        used = Used(1, prompt, answer) if rng.random() < 0.98 else AS_RESERVED
        later(t + rng.lognormvariate(-0.9, 0.35), lambda _: store.settle(grant.id, used, 0.4, [x for x in told if x]))

    later(now, arrive)
    while events and events[0][0] < begun + seconds:
        hands[0], _, what = heappop(events)
        what(hands[0])
    share = max(served[c.unit] / (c.value / c.seconds * seconds / 2) for c in counters)
    return refusals, share


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 360.0
    for wait in (0.0, 5.0):
        print(
            f"wait {wait:g} s, {seconds:g} s, {seeds} seeds: refusals per limit (median, most), share learned (median, least)"
        )
        for name, (counters, say) in CASES.items():
            runs = [run(counters, say, seed, seconds, wait) for seed in range(seeds)]
            told = ", ".join(
                f"{c.unit} {median(r[0][c.unit] for r in runs):g} {max(r[0][c.unit] for r in runs)}" for c in counters
            )
            shares = [share for _, share in runs]
            print(f"  {name:<42} {told:<24} {median(shares):6.1%} {min(shares):6.1%}")


if __name__ == "__main__":
    main()
