"""What authors of plugins test theirs with. For stores: a suite, a reference to compare with, and a machine that tries everything.

    store_suite    named behaviours, and one test that runs the machine
    machine        any sequence of operations, each answer held against the reference and against exact providers
    reference      the ledger once more: lists of charges, and every question answered by trying instants
    naive          its windows                 amounts    what a call took of each limit
    plans          what the machine tries
    providers      limits as providers keep them, exactly

For adapters of providers:

    adapter_suite  named behaviours, each through both faces, against an imitation on loopback
    cassette_suite, cassettes, record   recorded answers, replayed without a network; vcrpy is imported when one plays

It needs pytest and hypothesis, which Rotor itself does not.
"""

from __future__ import annotations

from rotor_core.testing import _needs as _needs
from rotor_core.testing.adapter_suite import AdapterSuite
from rotor_core.testing.cassette_suite import CassetteSuite
from rotor_core.testing.cassettes import Cassettes
from rotor_core.testing.hands import Hands
from rotor_core.testing.machine import GUARDS, LEASE
from rotor_core.testing.store_suite import StoreSuite

__all__ = ["GUARDS", "LEASE", "AdapterSuite", "CassetteSuite", "Cassettes", "Hands", "StoreSuite"]
