"""The ledger in memory, held to what every store is held to."""

from __future__ import annotations

from rotor_core.stores.memory import MemoryStore
from rotor_core.testing import StoreSuite
from rotor_core.testing.machine import GUARDS, LEASE


class TestMemoryStore(StoreSuite):
    def open_store(self, clock, place, tmp_path):
        return MemoryStore(clock=clock, guard=GUARDS.delay, edge=GUARDS.edge, lease=LEASE)
