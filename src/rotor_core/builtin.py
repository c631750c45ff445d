"""What Rotor brings itself, through the same door as anyone's plugin: rankings and stores."""

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
    """`memory://`, `sqlite:///file`, `redis://host:port/db` and `rediss://` (the same over TLS)."""
    return [
        StoreSpec("memory", "rotor_core.stores.memory:MemoryStore.named"),
        StoreSpec("sqlite", "rotor_core.stores.sqlite:SqliteStore.named"),
        StoreSpec("redis", "rotor_core.stores.redis:RedisStore.named"),
        StoreSpec("rediss", "rotor_core.stores.redis:RedisStore.named"),
    ]
