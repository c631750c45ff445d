"""What Rotor brings itself, through the same door as anyone's plugin: rankings and the store in memory."""

from __future__ import annotations

from collections.abc import Iterable

from rotor_core._policy.rank import RANKINGS, Ranking
from rotor_core.hookspecs import StoreSpec, hookimpl


@hookimpl
def rotor_rankings() -> Iterable[Ranking]:
    """The five rankings of `policy.ranking`."""
    return RANKINGS.values()


@hookimpl
def rotor_stores() -> Iterable[StoreSpec]:
    """`memory://`."""
    return [StoreSpec("memory", "rotor_core.stores.memory:MemoryStore.named")]
