"""What a driver answers commands with: one engine's store, adapters, randomness and listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from rotor_core._events import Event
from rotor_core._health import Bar, Ending, Guards, Turn
from rotor_core._ledger import Plan, Reservation
from rotor_core._model import Catalog, Deployment
from rotor_core.adapters.base import Adapter
from rotor_core.stores.base import Store


class Health(Protocol):
    """How deployments fare, as this process sees it. At once, from any thread; never raises. `at`: the store's clock."""

    def barred(self, plan: Plan, at: float, *, strictly: bool = False) -> Bar: ...

    def begin(
        self, reservation: Reservation, at: float, *, forced: bool = False, streamed: bool = False
    ) -> Guards | None: ...

    def flowing(self, reservation_id: str) -> None: ...

    def finish(self, reservation_id: str, ending: Ending, at: float) -> Sequence[Turn]: ...

    def may_retry(self, at: float) -> bool: ...


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """`adapter` finds who speaks for a deployment; `emit` tells whoever listens and never raises."""

    catalog: Catalog
    store: Store
    health: Health
    adapter: Callable[[Deployment], Adapter]
    random: Random
    emit: Callable[[Event], None]

    def deployment(self, deployment_id: str) -> Deployment:
        return self.catalog.deployments[deployment_id]
