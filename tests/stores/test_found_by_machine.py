"""What the machine has found in a ledger, reduced by hand."""

from __future__ import annotations

from tests.stores.made import ask, in_order, option, plan, tpm, world

from rotor_core._ledger import NOTHING_USED


def test_of_two_grants_for_one_instant_the_smaller_is_given_back_too():
    store, hands = world()
    a = option("a", tpm(48))
    of = plan(a, score=in_order())
    store.rest("deployment:a", hands.at + 30, "throttled")
    store.reserve(ask(of, 4))
    smaller = store.reserve(ask(of, 1))

    store.settle(smaller.id, NOTHING_USED)

    (limit,) = store.read([a])[0].limits
    assert limit.used + limit.reserved == 4
