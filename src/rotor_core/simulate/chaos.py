"""Chaos: six deployments of three providers, all of which fail in every way now and then, though never all at once.

Four of the six have no limits, and any of them keeps a watch alone; the other two have limits that bind. Two are two keys
of one provider, two share a key. So breakers of deployments and of providers matter, and neither is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from rotor_core._snapshot import options_of
from rotor_core.simulate.faults import FaultyUpstream, timetable
from rotor_core.simulate.report import Arrival, Report
from rotor_core.simulate.scenarios import read_world
from rotor_core.simulate.upstream import SandboxUpstream
from rotor_core.simulate.world import NOON, World

_ROOMY: Final[Mapping[str, Any]] = {"context": 131072, "price": {"input": 0, "output": 0}, "limits": []}

SIX: Final[Mapping[str, Any]] = {
    "providers": {
        "alpha": {"keys": ["chaos-alpha-1", "chaos-alpha-2"], "latency": [0.2, 1.5], "models": {"m": _ROOMY}},
        "beta": {
            "keys": ["chaos-beta"],
            "latency": [0.3, 2.0],
            "models": {"m": _ROOMY, "n": {**_ROOMY, "limits": [{"requests": 300, "per": "minute"}]}},
        },
        "gamma": {
            "keys": ["chaos-gamma"],
            "latency": [0.1, 0.8],
            "models": {
                "m": {
                    **_ROOMY,
                    "limits": [{"concurrent": 4}, {"tokens": 60_000, "per": "minute", "window": "rolling"}],
                },
                "n": _ROOMY,
            },
        },
    },
    "policy": {"max_wait": 30},
}

KEEPERS: Final = ("alpha/m#1", "alpha/m#2", "beta/m#1", "gamma/n#1")
"""Those without limits."""

PATIENCE: Final = 30.0
"""Seconds to every request's deadline."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a world has left when all is over. Anything but zero is a leak."""

    reserved: float
    open: int
    coming: int
    tickets: int
    in_flight: int
    flying: int

    @property
    def nothing(self) -> bool:
        return not any((self.reserved, self.open, self.coming, self.tickets, self.in_flight, self.flying))


class Chaos:
    """One seed's world. `per_second`: requests on the average; `streamed`: the part of them that is streamed."""

    def __init__(
        self, seed: int, requests: int, *, per_second: float = 15.0, streamed: float = 0.3, **policy: object
    ) -> None:
        self.seed, self.requests = seed, requests
        self.seconds = requests / per_second
        spec, catalog = read_world({**SIX, "policy": {**SIX["policy"], **policy}})
        providers = {d.id: d.provider.name for d in catalog.deployments.values()}
        phases = timetable(seed, self.seconds, providers, KEEPERS)
        self.upstream = FaultyUpstream(SandboxUpstream(spec, seed), phases, NOON, seed)
        self.world = World(catalog, self.upstream, seed, calibrated=True)
        self._rate, self._streamed = per_second, streamed

    def run(self, story: int | None = None) -> Report:
        return self.world.run(self.arrivals(), story=story)

    def arrivals(self) -> Iterator[Arrival]:
        """Arrivals at random, answers as long as they were allowed to be or shorter."""
        random, at = Random(self.seed), 0.0  # noqa: S311  a simulation, not a secret
        for _ in range(self.requests):
            at += random.expovariate(self._rate)
            most = random.choice((60, 120, 120, 400))
            tokens = min(4_000, int(random.lognormvariate(math.log(270), 0.9)) + 8)
            used = min(most, random.choice((60, 120, 300)))
            yield Arrival(at, tokens, most, used, PATIENCE, random.random() < self._streamed)

    def left(self) -> Left:
        """What is still taken, open, queued or under way."""
        world, engine = self.world, self.world.engine
        deployments = engine.catalog.deployments
        readings = world.store.read(options_of(deployments.values()))
        book = world.store._book  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  nobody else is to ask for it
        return Left(
            sum(limit.reserved for reading in readings for limit in reading.limits),
            len(book.open),
            len(book.coming),
            len(book.queue),
            engine.health.in_flight,
            sum(engine.health.read(name, world.at)["in_flight"] for name in deployments),
        )
