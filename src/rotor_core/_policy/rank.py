"""Rankings: which candidates are equally good, and in what order equals go. Pure, and found by name.

A ranking has two halves. `tier` sorts candidates into tiers before any state is known (smaller first); `score` orders
the options of one tier by how they stand at the instant of choosing (larger first). A pool's `priority` comes before both.

Who has never answered is tried with one call, and while that is under way stands behind all others of its tier: if its key
is no good, one call finds out. It is still taken when nobody else has room; once the call has ended, well or not, it stands
as its ranking says, so that one which never answers is held back by its rests and its breaker alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log1p
from types import MappingProxyType
from typing import Final

from rotor_core._ledger import Score, Standing
from rotor_core._model import Deployment

_UNKNOWN_PRICE: Final = float("inf")

_TURN: Final = 1e-6
"""What having served counts for: less than any difference in room, and still told apart after a million grants."""

_TRIAL: Final = 1e6
"""What being on trial counts for: more than any difference in room, speed or price; small enough to leave `_TURN` its say."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """`tier`: a deployment to a sortable figure. `about`: one line for people."""

    name: str
    about: str
    tier: Callable[[Deployment], float]
    score: Score


def price_of(deployment: Deployment) -> float:
    """The blended price, USD per million tokens. An unknown one is worse than any known one."""
    return deployment.price.blended if deployment.price else _UNKNOWN_PRICE


def _all_alike(_: Deployment) -> float:
    return 0.0


def most_headroom(standing: Standing) -> float:
    """The option with the largest part of its scarcest limit left; a heavier one stands as if it had more left.

    Equals take turns: where no limits are known, all are equals, and none of them should bear it all.
    """
    room = standing.headroom * standing.weight - _TURN * log1p(standing.served / standing.weight)
    return room - _TRIAL if standing.on_trial else room


def _least_served(standing: Standing) -> float:
    turns = -(standing.served + 1) / standing.weight
    # The others may have had thousands of turns before it came.
    return turns * _TRIAL * _TRIAL if standing.on_trial else turns


def _quickest(standing: Standing) -> float:
    if standing.on_trial:
        return most_headroom(standing)
    # Who has not been measured goes first, once, or it would never be measured.
    return standing.weight / standing.latency if standing.latency else float("inf")


def _all_things(standing: Standing) -> float:
    # Three parts of room, one of speed (against one second), one of price (against a dollar per million tokens).
    speed = 1.0 / (1.0 + (standing.latency or 0.0))
    cheap = 1.0 / (1.0 + standing.price) if standing.price != _UNKNOWN_PRICE else 0.0
    all_things = (3 * standing.headroom + speed + cheap) * standing.weight
    return all_things - _TRIAL if standing.on_trial else all_things


RANKINGS: Final[Mapping[str, Ranking]] = MappingProxyType(
    {
        r.name: r
        for r in (
            Ranking("free-first", "free ones by room left, then paid ones from the cheapest", price_of, most_headroom),
            Ranking("cheapest", "from the cheapest, equals by room left", price_of, most_headroom),
            Ranking("fastest", "the shortest smoothed latency", _all_alike, _quickest),
            Ranking("spread", "in turn, by weight", _all_alike, _least_served),
            Ranking("balanced", "room, speed and price together", _all_alike, _all_things),
        )
    }
)
