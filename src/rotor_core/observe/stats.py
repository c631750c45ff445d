"""What each deployment has done since the engine began: requests, failures, tokens, cost, latency. Counted from events."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from rotor_core._events import Answered, Event, Failed
from rotor_core._state.latency import Latency


@dataclass(slots=True)
class Tally:
    """`requests`: calls made, failed ones included. `tokens`: input and output. `cost_usd`: where prices are known."""

    requests: int = 0
    failures: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    latency: Latency = field(default_factory=Latency)


class Stats:
    """A listener; safe from any thread."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """After a fork: another lock, and nothing counted yet."""
        self._lock = threading.Lock()
        self._tallies: dict[str, Tally] = {}

    def __call__(self, event: Event) -> None:
        if not isinstance(event, (Failed, Answered)):
            return
        with self._lock:
            tally = self._tallies.get(event.deployment)
            if tally is None:
                tally = self._tallies[event.deployment] = Tally()
            tally.requests += 1
            if isinstance(event, Failed):
                tally.failures += 1
                return
            tally.cost_usd += event.cost_usd or 0.0
            tally.tokens += event.usage.total_tokens if event.usage else 0
            tally.latency.add(event.seconds)

    def read(self, deployment_id: str) -> dict[str, object]:
        """The part of `status --json` that is about the past."""
        with self._lock:
            tally = self._tallies.get(deployment_id, Tally())
            quantiles = {f"p{q}": _ms(tally.latency.quantile(q / 100)) for q in (50, 95, 99)}
            return {
                "latency_ms": {"ewma": _ms(tally.latency.ewma), **quantiles},
                "requests": tally.requests,
                "failures": tally.failures,
                "tokens": tally.tokens,
                "cost_usd": round(tally.cost_usd, 8),
            }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
