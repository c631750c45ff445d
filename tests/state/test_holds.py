"""Whether what is due is within the limit: after debts, it may not be, and promises must be asked for again."""

import pytest
from tests.kernel.made import PAID, deployment, work

from rotor_core import Limit
from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Ask, Reservation, Used
from rotor_core._state.window import Guards, window_for
from rotor_core.stores.memory import MemoryStore

NOW = 1_700_000_000.0


@pytest.mark.parametrize("window", ["bucket", "rolling", "calendar"])
def test_a_window_holds_until_a_debt_goes_over_its_limit(window):
    made = window_for(Limit("tokens", 100.0, 60.0, window), Guards(), NOW)
    mark = made.charge(NOW, NOW, 60.0)
    made.charge(NOW, NOW, 40.0)
    assert made.holds(NOW)

    made.change(NOW, NOW, 60.0, mark, 75.0)

    assert not made.holds(NOW)
    assert made.holds(NOW + 130.0)


@pytest.mark.parametrize("window", ["bucket", "rolling"])
def test_grants_still_to_come_do_not_count_against_what_is_due(window):
    made = window_for(Limit("tokens", 100.0, 60.0, window), Guards(), NOW)
    made.charge(NOW, NOW, 100.0)
    made.charge(NOW, NOW + 61.0, 100.0)

    assert made.holds(NOW)


class Ledger:
    """A store at an instant of our choosing, and one option with one limit."""

    def __init__(self, limit):
        self.at = NOW
        self.store = MemoryStore(clock=lambda: self.at)
        self.plan = work(deployment(limits=(limit,)), deployment("p", price=PAID, limits=(limit,))).plan
        self.asked = 0

    def ask(self, tokens=1):
        self.asked += 1
        exclude = frozenset({"p/m#1"})
        grant = self.store.reserve(Ask(f"r.{self.asked}", self.plan, Demand(tokens), None, 300.0, exclude))
        assert isinstance(grant, Reservation)
        return grant


def test_a_dispatch_that_is_late_makes_promises_behind_it_void():
    ledger = Ledger(Limit("requests", 2, 10.0, "bucket"))
    first, _, promised = ledger.ask(), ledger.ask(), ledger.ask()
    assert promised.at > NOW

    ledger.at = NOW + 1.0
    assert ledger.store.dispatched(first.id)
    ledger.at = promised.at

    assert not ledger.store.dispatched(promised.id)
    ledger.store.settle(promised.id, NOTHING_USED)
    again = ledger.ask()
    assert again.at == pytest.approx(promised.at + 1.0, abs=0.1)
    ledger.at = again.at
    assert ledger.store.dispatched(again.id)


def test_an_answer_longer_than_reserved_makes_promises_behind_it_void():
    ledger = Ledger(Limit("tokens", 100, 60.0, "rolling"))
    long = ledger.ask(50)
    ledger.at += 5.0
    ledger.ask(50)
    promised = ledger.ask(50)

    ledger.store.settle(long.id, Used(1, 90, 0))
    ledger.at = promised.at

    assert ledger.store.dispatched(promised.id)
    ledger.store.settle(promised.id, Used(1, 50, 0))


def test_a_dispatch_within_the_guard_moves_nothing():
    ledger = Ledger(Limit("requests", 2, 10.0, "bucket"))
    first, _, promised = ledger.ask(), ledger.ask(), ledger.ask()

    ledger.at = NOW + Guards().slip / 2
    ledger.store.dispatched(first.id)
    ledger.at = promised.at

    assert ledger.store.dispatched(promised.id)


def test_a_reservation_that_is_gone_had_better_not_be_sent():
    ledger = Ledger(Limit("requests", 2, 10.0, "bucket"))
    grant = ledger.ask()
    ledger.store.settle(grant.id, NOTHING_USED)

    assert not ledger.store.dispatched(grant.id)
