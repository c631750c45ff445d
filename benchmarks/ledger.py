"""What one decision costs: median microseconds of reserve and settle, by the number of options.

    python benchmarks/ledger.py [rounds]

Each option has four limits. `open`: the best one has room. `last`: all but the last are full.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter

from rotor_core._ledger import Ask, Demand, Option, Plan, Refusal, Reservation, Tier, Used
from rotor_core._model import BoundLimit, Limit
from rotor_core._policy.rank import RANKINGS
from rotor_core.stores.memory import MemoryStore

DEMAND = Demand(input_tokens=300, output_tokens=200, max_tokens=400)
USED = Used(1, 290, 130)


def option(number: int, window: str = "bucket", scale: float = 1e6) -> Option:
    limits = (
        Limit("requests", 30 * scale, "minute", window),  # type: ignore[arg-type]
        Limit("tokens", 12_000 * scale, "minute", window),  # type: ignore[arg-type]
        Limit("requests", 1_000 * scale, "day", "calendar"),
        Limit("tokens", 500_000 * scale, "day", "calendar"),
    )
    bound = tuple(BoundLimit(f"o{number}/{i}", limit) for i, limit in enumerate(limits))
    return Option(f"o{number}", bound, (f"deployment:o{number}", "provider:p"), free=True)


def fill(store: MemoryStore, full: Option, score: object) -> None:
    """Take all of an option that takes a few requests."""
    plan = Plan((Tier((full,)),), score)  # type: ignore[arg-type]
    number = 0
    while not isinstance(store.reserve(Ask(f"fill {full.id} {number}", plan, DEMAND, max_wait=0.0)), Refusal):
        number += 1


def measure(count: int, ranking: str, rounds: int, *, all_but_last_full: bool) -> tuple[float, float]:
    """Median and 99th percentile of one reserve and its settle, in microseconds."""
    store = MemoryStore()
    score = RANKINGS[ranking].score
    options = [option(n, scale=0.1 if all_but_last_full and n < count - 1 else 1e6) for n in range(count)]
    if all_but_last_full:
        for full in options[:-1]:
            fill(store, full, score)
    plan = Plan((Tier(tuple(options)),), score)
    times: list[float] = []
    for i in range(rounds):
        start = perf_counter()
        grant = store.reserve(Ask(f"r{i}", plan, DEMAND))
        store.settle(grant.id if isinstance(grant, Reservation) else "", USED, 0.5)
        times.append(perf_counter() - start)
    times.sort()
    return median(times) * 1e6, times[int(len(times) * 0.99)] * 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    print(f"{'ranking':<12} {'options':>7}   {'open µs':>8} {'p99':>7}   {'last µs':>8} {'p99':>7}")
    for ranking in ("free-first", "spread"):
        for count in (5, 100, 1000):
            opened, last = (measure(count, ranking, rounds, all_but_last_full=full) for full in (False, True))
            print(f"{ranking:<12} {count:>7}   {opened[0]:8.1f} {opened[1]:7.1f}   {last[0]:8.1f} {last[1]:7.1f}")


if __name__ == "__main__":
    main()
