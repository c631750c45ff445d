"""A shared ledger that goes away where the configuration says to refuse until it is back."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.stores.away import Shared, process, taken
from tests.stores.made import START, ask, at_a_time, option, plan, tpm

from rotor_core import StoreError, StoreLost
from rotor_core._ledger import Used

# --- refuse ----------------------------------------------------------------------------------------------------------


def test_refusing_says_what_happened_to_which_store_and_what_to_do(shared: Shared):
    steady, heard = process(shared, "refuse")
    of = plan(option("a"))
    shared.down()
    for _ in range(2):
        with pytest.raises(StoreError) as refused:
            steady.reserve(ask(of))
        assert str(refused.value) == (
            "nothing can be reserved: the ledger's store redis://db:6379/0 is out of reach: connection refused; with "
            "`policy.on_store_error: local` requests go on without it"
        )
        assert isinstance(refused.value.__cause__, StoreError)

    assert shared.asked == ["reserve"]
    assert heard.events == [StoreLost(START, "", "", 0, "redis://db:6379/0", "connection refused", None)]
    assert steady.state.startswith("refusing since 2001-09-09")


def test_a_store_whose_own_words_name_it_is_named_once(shared: Shared, caplog: Any):
    steady, _ = process(shared, "refuse")
    shared.words = "the ledger at redis://db:6379/0 is read-only"
    shared.down()
    with caplog.at_level(logging.WARNING, "rotor"), pytest.raises(StoreError) as refused:
        steady.reserve(ask(plan(option("a"))))

    assert caplog.messages == []
    assert str(refused.value).startswith(f"nothing can be reserved: {shared.words}; with")


def test_refusing_never_fails_an_answer_that_was_given(shared: Shared):
    steady, _ = process(shared, "refuse")
    a = option("a", tpm(1000, "rolling"), at_a_time(1))
    grant = steady.reserve(ask(plan(a), 400))
    shared.down()
    assert steady.dispatched(grant.id) == START
    assert list(steady.settle(grant.id, Used(1, 50, 0))) == []
    steady.rest(a.scopes[0], START + 20, "server_error")
    assert steady.read([a])[0].limits[0].reserved == 400
    shared.up()
    steady.attempt()

    assert taken(shared, a, "tokens") == 50
    assert shared.ledger.read([a])[0].resting == "server_error"
    shared.down()
    with pytest.raises(StoreError):
        steady.reserve(ask(plan(a)))


@pytest.mark.parametrize("policy", ["local", "refuse"])
def test_what_a_store_keeps_cannot_be_forgotten_while_it_is_away(shared: Shared, policy: str):
    steady, _ = process(shared, policy)
    shared.down()
    for _ in range(2):
        with pytest.raises(StoreError, match="can be reset"):
            steady.reset([option("a")])


# --- asynchronous ----------------------------------------------------------------------------------------------------


async def test_refusing_is_the_same_asynchronously(shared: Shared):
    steady, _ = process(shared, "refuse")
    shared.down()
    for _ in range(2):
        with pytest.raises(StoreError, match="nothing can be reserved"):
            await steady.areserve(ask(plan(option("a"))))
