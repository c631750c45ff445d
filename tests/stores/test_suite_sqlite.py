"""The ledger in a file, two stores on one: held to what every store is held to."""

from __future__ import annotations

import pytest

pytest.importorskip("rotor_core.stores.sqlite", reason="there is no SqliteStore")

from rotor_core.stores.sqlite import SqliteStore
from rotor_core.testing import StoreSuite
from rotor_core.testing.machine import GUARDS, LEASE


class TestSqliteStore(StoreSuite):
    shared = True
    examples = 25
    steps = 30

    def open_store(self, clock, place, tmp_path):
        return SqliteStore(tmp_path / place, clock=clock, guard=GUARDS.delay, edge=GUARDS.edge, lease=LEASE)
