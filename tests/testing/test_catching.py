"""The machine finds what is wrong with a store: each of these is wrong in one way."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from rotor_core._ledger import NOTHING_USED, Reservation
from rotor_core.stores.memory import MemoryStore
from rotor_core.testing import GUARDS, LEASE, StoreSuite
from rotor_core.testing.store_suite import run_machine


class Early(MemoryStore):
    """Promises an instant that is too early."""

    def reserve(self, ask):
        grant = super().reserve(ask)
        return replace(grant, at=grant.at - 1.0) if isinstance(grant, Reservation) and grant.wait > 2 else grant


class Forgetful(MemoryStore):
    """Gives all back, whatever was used."""

    def settle(self, reservation_id, used, latency=None, told=()):
        return super().settle(reservation_id, NOTHING_USED, latency, told)


class Unguarded(MemoryStore):
    """Knows no guard."""

    def __init__(self, **options):
        super().__init__(**(options | {"guard": 0.0}))


class Deaf(MemoryStore):
    """Does not note when calls are really sent."""

    def dispatched(self, reservation_id):
        known = self._book.open.get(reservation_id)
        return None if known is None else known.at


@pytest.mark.parametrize("wrong", [Early, Forgetful, Unguarded, Deaf])
def test_a_store_that_is_wrong_is_found_out(wrong):
    class Suite(StoreSuite):
        def open_store(self, clock, place, tmp_path):
            return wrong(clock=clock, guard=GUARDS.delay, edge=GUARDS.edge, lease=LEASE)

    assert isinstance(run_machine(Suite(), 500, 40, shrink=False).error, AssertionError)


def test_a_suite_says_what_its_author_has_to_write():
    with pytest.raises(NotImplementedError, match="open_store"):
        StoreSuite().open_store(lambda: 0.0, "place", None)


def test_without_pytest_it_says_what_is_missing():
    code = (
        "import importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'hypothesis' else real(name, *a);"
        "import rotor_core.testing"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "rotor_core.testing needs hypothesis, which is not installed: pip install" in done.stderr
