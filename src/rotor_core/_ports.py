"""What a driver answers commands with: one engine's store, adapters, randomness and listeners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rotor_core._events import Event
from rotor_core._model import Catalog, Deployment
from rotor_core.adapters.base import Adapter
from rotor_core.stores.base import Store


@dataclass(frozen=True, slots=True, eq=False)
class Ports:
    """`adapter` finds who speaks for a deployment; `emit` tells whoever listens and never raises."""

    catalog: Catalog
    store: Store
    adapter: Callable[[Deployment], Adapter]
    random: Random
    emit: Callable[[Event], None]

    def deployment(self, deployment_id: str) -> Deployment:
        return self.catalog.deployments[deployment_id]
