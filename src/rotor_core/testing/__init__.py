"""What authors of stores test theirs with: a suite, a reference to compare with, and a machine that tries everything.

    store_suite    named behaviours, and one test that runs the machine
    machine        any sequence of operations, each answer held against the reference and against exact providers
    reference      the ledger once more: lists of charges, and every question answered by trying instants
    naive          its windows
    providers      limits as providers keep them, exactly

It needs pytest and hypothesis, which Rotor itself does not.
"""

from __future__ import annotations

try:
    import hypothesis as _hypothesis
    import pytest as _pytest
except ImportError as missing:
    raise ImportError(
        f"rotor_core.testing needs pytest and hypothesis, and {missing.name} is not installed: "
        "pip install pytest hypothesis"
    ) from missing

from rotor_core.testing.hands import Hands
from rotor_core.testing.store_suite import StoreSuite

__all__ = ["Hands", "StoreSuite"]

del _hypothesis, _pytest
