"""Plans, demands and instants for the machine to try.

Figures are such that seconds per unit are sums of a few powers of two, and instants lie on a grid of `TICK`: then the
arithmetic of windows is exact, and a difference between two ledgers is never one of rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Option, Plan, Standing, Tier, Used
from rotor_core._model import BoundLimit, Limit, Price
from rotor_core.testing.hands import START

TICK = 1 / 1024
"""Seconds."""

DYADIC = Price(976.5625, 1953.125)
"""USD per million tokens: 1/1024 for one of input, 1/512 for one of output."""


def _at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


STARTS = (
    START,
    _at(2025, 3, 9, 9, 59, 30),  # clocks in Los Angeles are put forward
    _at(2025, 11, 2, 6, 59, 50),  # midnight there; the day has 25 hours
    _at(2024, 2, 28, 23, 59, 58),  # the leap day is next
    _at(2025, 12, 31, 23, 59, 59),
)


def alike(_: Standing) -> float:
    """A score by which everybody is alike, so that ties go by the plan's order."""
    return 0.0


def _limits() -> st.SearchStrategy[Limit]:
    few, tokens = st.sampled_from([1, 2, 4, 8]), st.sampled_from([48, 64, 120, 240])
    counts = st.sampled_from(["usage", "usage", "requested"])
    zones = st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kathmandu"])
    build: Any = st.builds
    return st.one_of(
        build(Limit, st.just("requests"), few, st.sampled_from(["second", "minute", 10.0]), st.just("bucket")),
        build(Limit, st.just("tokens"), tokens, st.just("minute"), st.just("bucket"), counts=counts),
        build(Limit, st.just("requests"), st.integers(1, 6), st.sampled_from(["second", "minute", 10.0]), st.just("rolling")),
        build(Limit, st.just("tokens"), tokens, st.sampled_from(["minute", "hour"]), st.just("rolling"), counts=counts),
        build(Limit, st.just("output_tokens"), tokens, st.just("minute"), st.just("rolling"), counts=counts),
        build(
            Limit, st.just("requests"), st.integers(1, 6),
            st.sampled_from(["second", "minute", "hour", "day", "month", 7.5]), st.just("calendar"), zones,
        ),
        build(Limit, st.just("tokens"), tokens, st.sampled_from(["minute", "day"]), st.just("calendar"), zones),
        build(Limit, st.just("usd"), st.sampled_from([1 / 16, 1 / 4]), st.just("day"), st.just("calendar"), zones),
        build(Limit, st.just("concurrent"), st.integers(1, 3), st.none(), st.just("concurrency")),
    )  # fmt: skip


@st.composite
def plans(draw: st.DrawFn, most_plans: int = 2) -> list[Plan]:
    """One to `most_plans` plans over a few options, whose limits are partly shared."""
    keys = [
        BoundLimit(f"limit-{n}", limit) for n, limit in enumerate(draw(st.lists(_limits(), min_size=1, max_size=5)))
    ]
    options = [
        Option(
            f"option-{n}",
            tuple(draw(st.lists(st.sampled_from(keys), min_size=1, max_size=3, unique_by=lambda bound: bound.key))),
            (f"deployment:{n}", f"provider:{n % 2}"),
            price=DYADIC,
        )
        for n in range(draw(st.integers(1, 4)))
    ]
    return [_plan(draw, options) for _ in range(draw(st.integers(1, most_plans)))]


def _plan(draw: st.DrawFn, options: Sequence[Option]) -> Plan:
    chosen = draw(st.lists(st.sampled_from(options), min_size=1, max_size=4, unique_by=lambda option: option.id))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(chosen) - 1)), max_size=2)) | {0, len(chosen)})
    tiers = [
        Tier(tuple(chosen[a:b]), draw(st.sampled_from([0.0, 0.0, 1.0, 20.0]))) for a, b in pairwise(cuts) if chosen[a:b]
    ]
    return Plan(tuple(tiers), alike)


def demands() -> st.SearchStrategy[Demand]:
    """Small requests, and larger than some limits; with and without a bound on the answer."""
    return st.builds(
        Demand,
        st.integers(1, 40),
        st.integers(0, 24),
        st.one_of(st.none(), st.integers(24, 60)),
        st.sampled_from([1, 1, 1, 1, 2]),
    )


def uses() -> st.SearchStrategy[Used]:
    """What a call turned out to use: nothing, as reserved, less or more."""
    return st.one_of(
        st.just(NOTHING_USED),
        st.just(Used()),
        st.builds(Used, st.just(1), st.integers(0, 60), st.integers(0, 60)),
        st.builds(Used, st.none(), st.none(), st.integers(0, 30)),
        st.builds(Used, st.just(1), usd=st.sampled_from([0.0, 1 / 64, 1 / 8])),
    )


def spans() -> st.SearchStrategy[float]:
    """Seconds to let pass, on the grid: hardly any, some, or many."""
    ticks = st.one_of(st.integers(0, 64), st.integers(0, 4096), st.integers(0, 90 * 1024))
    return st.one_of(ticks.map(lambda n: n * TICK), st.sampled_from([60.0, 600.0, 3600.0, 86400.0, 31 * 86400.0]))
