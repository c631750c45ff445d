"""What one decision costs: median microseconds of decide, reserve and settle, by the number of options.

    python benchmarks/ledger.py [rounds]

Each option has four limits. `open`: all have room. `half`: half of them are full. `last`: all but the last are full.
Beside it, in the same run where LiteLLM is installed, what its router takes only to select a deployment (`open`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from rotor_core._demand import Demand
from rotor_core._ledger import Ask, Option, Plan, Refusal, Reservation, Tier, Used
from rotor_core._model import BoundLimit, Limit
from rotor_core._policy.rank import RANKINGS
from rotor_core.stores.memory import MemoryStore

DEMAND = Demand(input_tokens=300, output_tokens=200, max_tokens=400)
USED = Used(1, 290, 130)
SIZES = (5, 100, 1000)


def option(number: int, window: str = "bucket", scale: float = 1e6) -> Option:
    limits = (
        Limit("requests", 30 * scale, "minute", window),  # type: ignore[arg-type]
        Limit("tokens", 12_000 * scale, "minute", window),  # type: ignore[arg-type]
        Limit("requests", 1_000 * scale, "day", "calendar"),
        Limit("tokens", 500_000 * scale, "day", "calendar"),
    )
    bound = tuple(BoundLimit(f"o{number}/{i}", limit) for i, limit in enumerate(limits))
    scopes = (f"deployment:o{number}", f"quota:o{number}", f"credential:o{number}", "provider:p")
    return Option(f"o{number}", bound, scopes, free=True, subject=f"q{number}|m", model="m")


def fill(store: MemoryStore, full: Option, score: object) -> None:
    """Take all of an option that takes a few requests."""
    plan = Plan((Tier((full,)),), score)  # type: ignore[arg-type]
    number = 0
    while not isinstance(store.reserve(Ask(f"fill {full.id} {number}", plan, DEMAND, max_wait=0.0)), Refusal):
        number += 1


def measure(count: int, ranking: str, rounds: int, full: Callable[[int], bool]) -> tuple[float, float]:
    """Median and 99th percentile of one decision, its reservation and its settlement, in microseconds."""
    store = MemoryStore()
    score = RANKINGS[ranking].score
    options = [option(n, scale=0.1 if full(n) else 1e6) for n in range(count)]
    for n, one in enumerate(options):
        if full(n):
            fill(store, one, score)
    plan = Plan((Tier(tuple(options)),), score)
    times: list[float] = []
    for i in range(rounds):
        start = perf_counter()
        grant = store.reserve(Ask(f"r{i}", plan, DEMAND))
        store.sent(grant.id if isinstance(grant, Reservation) else "")
        store.settle(grant.id if isinstance(grant, Reservation) else "", USED, 0.5)
        times.append(perf_counter() - start)
    times.sort()
    return median(times) * 1e6, times[int(len(times) * 0.99)] * 1e6


async def _litellm(count: int, strategy: str, rounds: int) -> float:
    """Median microseconds that LiteLLM's router takes to select one of `count` deployments; it reserves nothing."""
    from litellm import Router

    made = [
        {
            "model_name": "m",
            "litellm_params": {"model": "openai/m", "api_key": f"k{n}", "rpm": 30_000_000, "tpm": 12_000_000_000},
            "model_info": {"id": f"o{n}"},
        }
        for n in range(count)
    ]
    router: Any = Router(model_list=made, routing_strategy=strategy)  # type: ignore[arg-type]
    messages = [{"role": "user", "content": "x" * 1200}]
    times: list[float] = []
    for _ in range(rounds):
        start = perf_counter()
        await router.async_get_available_deployment(model="m", messages=messages, request_kwargs={})
        times.append(perf_counter() - start)
    return median(times) * 1e6


def litellm(rounds: int) -> None:
    """LiteLLM's two usual strategies, or a line that says that it is not installed."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm as library
    except ImportError:
        print("LiteLLM is not installed; nothing to compare with")
        return
    library.suppress_debug_info = True
    for strategy in ("simple-shuffle", "usage-based-routing-v2"):
        row = [asyncio.run(_litellm(count, strategy, max(50, rounds // count))) for count in SIZES]
        shown = "".join(f"{count:>7}: {microseconds:8.1f} µs" for count, microseconds in zip(SIZES, row, strict=True))
        print(f"LiteLLM {strategy:<24} selection only {shown}")


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    kinds: dict[str, Callable[[int], Callable[[int], bool]]] = {
        "open": lambda _: lambda _: False,
        "half": lambda _: lambda n: n % 2 == 0,
        "last": lambda count: lambda n: n < count - 1,
    }
    print(f"{'ranking':<12} {'options':>7}  " + "".join(f"  {kind + ' µs':>8} {'p99':>7}" for kind in kinds))
    for ranking in ("free-first", "spread"):
        for count in SIZES:
            found = [measure(count, ranking, rounds, full(count)) for full in kinds.values()]
            print(f"{ranking:<12} {count:>7}  " + "".join(f"  {mid:8.1f} {p99:7.1f}" for mid, p99 in found))
    litellm(rounds)


if __name__ == "__main__":
    main()
