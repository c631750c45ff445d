"""Stores on one file, and a clock that a test turns."""

from __future__ import annotations

import pytest
from tests.stores.made import Hands

from rotor_core.stores.sqlite import SqliteStore


class Site:
    """`open` gives one more store on the file: another process, as far as the file can tell."""

    def __init__(self, path):
        self.path = path
        self.hands = Hands()
        self.stores = []

    def open(self, **options):
        store = SqliteStore(self.path, **{"clock": self.hands, **options})
        self.stores.append(store)
        return store

    def close(self):
        for store in self.stores:
            store.close()


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path / "ledger.db")
    yield made
    made.close()
