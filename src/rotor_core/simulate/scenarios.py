"""Worlds to run: who is there, and who comes. Every draw comes from the seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

from rotor_core._model import Catalog
from rotor_core.catalog.load import load
from rotor_core.plugins import installed
from rotor_core.sandbox.spec import SandboxSpec, config_of, read_spec
from rotor_core.simulate.report import Arrival
from rotor_core.simulate.upstream import SandboxUpstream
from rotor_core.simulate.world import World

_FREE: Final = {"input": 0, "output": 0}


def _provider(key: str, *limits: Mapping[str, Any], price: Mapping[str, float] = _FREE) -> dict[str, Any]:
    # A key of its own: one secret at one origin is one credential, whatever its provider is called.
    model = {"context": 131072, "price": dict(price), "limits": list(limits)}
    return {"keys": [key], "latency": [0.05, 0.6], "models": {"m": model}}


EVERY_WINDOW: Final[Mapping[str, Any]] = {
    "providers": {
        "bucket": _provider("lab-bucket", {"requests": 150, "per": "minute"}, {"tokens": 60_000, "per": "minute"}),
        "rolling": _provider("lab-rolling", {"requests": 100, "per": "minute", "window": "rolling"}),
        "calendar": _provider(
            "lab-calendar",
            {"requests": 120, "per": "minute", "window": "calendar"},
            {"tokens": 100_000, "per": "minute", "window": "calendar"},
        ),
        "second": _provider("lab-second", {"requests": 2, "per": "second"}),
        "mixed": _provider(
            "lab-mixed",
            {"requests": 9_000, "per": "hour", "window": "rolling"},
            {"requests": 200, "per": "minute", "window": "calendar"},
        ),
        "slots": _provider("lab-slots", {"concurrent": 2}, {"requests": 4_000, "per": "hour"}),
        "pacific": _provider(
            "lab-pacific",
            {"tokens": 80_000, "per": "minute", "window": "rolling"},
            {"requests": 100_000, "per": "day", "window": "calendar", "tz": "America/Los_Angeles"},
        ),
        "paid": _provider(
            "lab-paid",
            {"requests": 1_500, "per": "minute"},
            {"tokens": 900_000, "per": "minute", "counts": "requested"},
            price={"input": 0.1, "output": 0.4},
        ),
    },
    "policy": {"max_wait": 30},
}
"""Eight deployments of every kind of window; at 20 requests a second about four in five find a free seat."""


def poisson(seed: int, seconds: float, per_second: float) -> Iterator[Arrival]:
    """Arrivals at random, prompts of log-normal length, answers as long as they were allowed to be or shorter."""
    random, at = Random(seed), 0.0  # noqa: S311  a simulation, not a secret
    while True:
        at += random.expovariate(per_second)
        if at >= seconds:
            return
        most = random.choice((60, 120, 120, 400))
        tokens = min(9_000, int(random.lognormvariate(math.log(270), 0.9)) + 8)
        yield Arrival(at, tokens, most, min(most, random.choice((60, 120, 300))))


def world(written: Mapping[str, Any], seed: int, **more: Any) -> World:
    """A world of the sandbox's providers as `written` describes them. `more`: as for `World`."""
    spec, catalog = read_world(written)
    return World(catalog, SandboxUpstream(spec, seed), seed, **more)


def read_world(written: Mapping[str, Any]) -> tuple[SandboxSpec, Catalog]:
    """What a sandbox of `written` imitates, and the catalog that speaks to it."""
    plugins = installed()
    config = config_of(written, "http://127.0.0.1:1")
    catalog = load(config, environ={}, specs=plugins.providers, rankings=plugins.rankings, schemes=plugins.stores)
    return read_spec(written), catalog
