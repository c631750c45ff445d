"""What every store is held to. The author of one subclasses `StoreSuite` in a test module and says how to open it.

    class TestMyStore(StoreSuite):
        shared = True                                  # a second store may be opened on the same ledger

        def open_store(self, clock, place, tmp_path):
            return MyStore(place, clock=clock, guard=GUARDS.delay, edge=GUARDS.edge, lease=LEASE)

The clock is turned by hand, so nothing waits for real but for a call from another process. `examples` and `steps` say
how much the machine tries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from rotor_core.stores.base import Store
from rotor_core.testing._suite_grants import Granting
from rotor_core.testing._suite_learning import Learning
from rotor_core.testing._suite_tickets import Queueing
from rotor_core.testing.hands import Hands
from rotor_core.testing.machine import Ledger, machine


class StoreSuite(Granting, Queueing, Learning):
    """Named behaviours, and the machine. `shared`: several stores, in several processes, can hold one ledger."""

    shared: ClassVar[bool] = False
    examples: ClassVar[int] = 60
    steps: ClassVar[int] = 40

    def open_store(self, clock: Callable[[], float], place: str, tmp_path: Path) -> Store:
        """A store on the ledger of that name, kept by `machine.GUARDS` and `machine.LEASE`. New when first opened.

        `tmp_path`: a directory that is the ledger's own, for one that is kept in files.
        """
        raise NotImplementedError("say how to open a store: open_store(clock, place, tmp_path)")

    def test_any_sequence_of_operations_is_answered_as_the_reference_answers(self) -> None:
        ran = run_machine(self, self.examples, self.steps)
        if ran.error is not None:
            raise ran.error

    @pytest.fixture
    def hands(self) -> Hands:
        return Hands()

    @pytest.fixture
    def place(self) -> str:
        return f"suite-{uuid4().hex[:12]}"

    @pytest.fixture
    def store(self, hands: Hands, place: str, tmp_path: Path) -> Iterator[Store]:
        opened = self.open_store(hands, place, tmp_path)
        yield opened
        opened.close()

    @pytest.fixture
    def other(self, store: Store, hands: Hands, place: str, tmp_path: Path) -> Iterator[Store]:
        """A second store on the ledger of `store`, or that store itself where there can be no other."""
        if not self.shared:
            yield store
            return
        opened = self.open_store(hands, place, tmp_path)
        yield opened
        opened.close()


@dataclass(frozen=True, slots=True)
class Ran:
    """How far the machine came. `steps`: operations that were compared; `error`: the first divergence."""

    examples: int
    steps: int
    error: BaseException | None


def run_machine(suite: StoreSuite, examples: int, steps: int, *, shrink: bool = True) -> Ran:
    """Run the machine on a suite's store. Without `shrink` it stops at the first divergence as it was found."""
    error: BaseException | None = None
    with TemporaryDirectory() as folder:
        names = count()

        def opened(hands: Hands) -> Ledger:
            path = Path(folder) / str(next(names))
            path.mkdir()
            place = f"machine-{uuid4().hex[:12]}"
            stores = [suite.open_store(hands, place, path) for _ in range(2 if suite.shared else 1)]

            def close() -> None:
                for store in stores:
                    store.close()

            return Ledger(stores, close)

        made = machine(opened)
        phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
        chosen = settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None, print_blob=False,
            report_multiple_bugs=False, phases=phases,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        )  # fmt: skip
        try:
            run_state_machine_as_test(made, settings=chosen)
        except Exception as found:  # noqa: BLE001  whatever a store raises is a divergence
            error = found
        return Ran(next(names), made.steps_taken, error)


__all__ = ["Ran", "StoreSuite", "run_machine"]
