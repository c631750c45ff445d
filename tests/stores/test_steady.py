"""A shared ledger that goes away: what is held to meanwhile is a share of the limits, and no answer is lost by it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from tests.stores.away import NOW, Shared, process, served, taken
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm

from rotor_core import StoreLost
from rotor_core._health import FAILING
from rotor_core._ledger import AS_RESERVED, OptionReading, Refusal, Reservation, Ticket, Told, Used
from rotor_core._model import Limit, Price

# --- while it is there -----------------------------------------------------------------------------------------------


def test_while_the_store_is_there_every_answer_is_its_own(shared: Shared):
    steady, heard = process(shared)
    a = option("a", rpm(2, "rolling"))
    of = plan(a)
    first = steady.reserve(ask(of))

    assert isinstance(first, Reservation)
    assert steady.dispatched(first.id) == shared.hands.at
    steady.sent(first.id)
    assert list(steady.settle(first.id, AS_RESERVED)) == []
    steady.rest(a.scopes[0], START + 5, "server_error")
    assert steady.read([a]) == steady.glance([a]) == shared.ledger.read([a])
    steady.reset([a], windows=True)
    assert taken(shared, a) == 0
    assert steady.state == "ok"
    assert heard.events == []
    assert shared.asked == ["reserve", "dispatched", "settle", "rest", "read", "reset"]


def test_a_ticket_is_called_when_the_store_has_a_slot(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", at_a_time(1)))
    first, second = steady.reserve(ask(of)), ask(of)
    calls: list[int] = []
    assert isinstance(steady.reserve(second), Ticket)
    steady.watch(second.id, lambda: calls.append(1))
    steady.settle(first.id, AS_RESERVED)

    assert calls == [1]
    assert isinstance(steady.reserve(second), Reservation)


# --- local -----------------------------------------------------------------------------------------------------------


def test_a_store_that_fails_at_reserve_costs_no_answer_and_is_said_once(shared: Shared, caplog: Any):
    steady, heard = process(shared)
    of = plan(option("a", rpm(10, "rolling")))
    shared.down()
    with caplog.at_level(logging.WARNING, "rotor"):
        assert isinstance(steady.reserve(ask(of)), Reservation)
        assert isinstance(steady.reserve(ask(of)), Reservation)

    assert heard.events == [StoreLost(START, "", "", 0, "redis://db:6379/0", "connection refused", 0.5)]
    assert steady.state == "local since 2001-09-09T01:47:00+00:00: connection refused"
    assert "redis://db:6379/0 is out of reach: connection refused" in caplog.text
    assert shared.asked == ["reserve"]


def test_processes_that_are_cut_off_together_keep_the_limit_together(shared: Shared):
    of = plan(option("a", rpm(30, "rolling")))
    processes = [process(shared, share=1 / 3)[0] for _ in range(3)]
    assert [served(p, of, 2) for p in processes] == [2, 2, 2]
    shared.down()

    assert sum(served(p, of, 30) for p in processes) == 24


def test_a_share_is_the_part_of_the_calls_that_were_made_of_late(shared: Shared):
    of = plan(option("a", Limit("requests", 3000, "day", "calendar")), option("b"), score=in_order())
    first, second = process(shared, share=None)[0], process(shared, share=None)[0]
    assert served(first, of, 300) == 300
    for _ in range(30):
        assert served(first, of, 3) + served(second, of, 9) == 12
    shared.down()
    for steady in (first, second):
        steady.reserve(ask(of))
    shares = [r.limits[0].limit.value / 3000 for s in (first, second) for r in s.read([of.options[0]])]

    assert shares[1] == pytest.approx(0.75, abs=0.02)
    assert shares[0] == pytest.approx(0.25, abs=0.02)


def test_who_is_alone_goes_on_with_all_of_it_and_who_has_made_no_calls_with_half(shared: Shared):
    alone, fresh = process(shared, share=None)[0], process(shared, share=None)[0]
    of = plan(option("a", rpm(30, "rolling")))
    assert served(alone, of, 10) == 10
    shared.down()

    assert served(alone, of, 30) == 20
    assert served(fresh, of, 30) == 10


def test_a_store_that_was_emptied_before_leaves_a_share_that_can_be(shared: Shared):
    steady, _ = process(shared, share=None)
    of = plan(option("a", rpm(30, "rolling")))
    assert served(steady, of, 10) == 10
    shared.emptied()
    shared.down()

    assert served(steady, of, 40) == 30


@pytest.mark.parametrize(("window", "after"), [("rolling", 60.2), ("bucket", 60.2), ("calendar", 60.2)])
def test_what_was_used_before_counts_until_its_window_lets_it_go(shared: Shared, window: Any, after: float):
    steady, _ = process(shared)
    of = plan(option("a", rpm(10, window)))
    assert served(steady, of, 10) == 10
    shared.down()

    assert served(steady, of, 10) == 0
    shared.hands.at += after
    assert served(steady, of, 10) == 5


def test_a_share_is_never_too_small_for_one_request(shared: Shared):
    steady, _ = process(shared, share=1 / 8)
    of = plan(option("a", rpm(3, "rolling"), at_a_time(4)))
    shared.down()

    assert served(steady, of, 5) == 1


def test_a_request_of_more_tokens_than_a_share_takes_the_whole_of_it(shared: Shared):
    steady, _ = process(shared, share=1 / 4)
    small, large = option("small", tpm(2000, "rolling")), option("large", tpm(4000, "rolling"))
    of = plan(small, large)
    shared.down()
    grant = steady.reserve(ask(of, 3000, **NOW))

    assert isinstance(grant, Reservation)
    assert (grant.deployment, grant.demand.input_tokens) == ("large", 3000)
    assert isinstance(steady.reserve(ask(of, 3000, **NOW)), Refusal)
    never = steady.reserve(ask(of, 5000))
    assert isinstance(never, Refusal)
    assert never.retry_at is None
    assert isinstance(steady.reserve(ask(of, 3000, exclude=frozenset({"large"}))), Refusal)


def test_a_budget_holds_while_the_store_is_away_and_after(shared: Shared):
    price = Price(1.0, 0.0)
    a = option("a", Limit("usd", 0.010, "day", "calendar"), price=price)
    of = plan(a)
    first, _ = process(shared)
    second, _ = process(shared)
    for steady in (first, second):
        grant = steady.reserve(ask(of, 2000, **NOW))
        steady.settle(grant.id, AS_RESERVED)
    shared.down()
    both = served(first, of, 20, tokens=1000) + served(second, of, 20, tokens=1000)
    assert both == 6

    shared.up()
    assert first.attempt() is None
    assert second.attempt() is None
    assert taken(shared, a, "usd") == pytest.approx(0.010)
    assert served(first, of, 3, tokens=1000) == 0


def test_rests_are_kept_and_known_to_the_others_afterwards(shared: Shared):
    steady, _ = process(shared)
    a, b = option("a"), option("b")
    steady.rest(a.scopes[0], START + 50, "rate_limit")
    shared.down()
    steady.rest(b.scopes[0], START + 90, "server_error")
    steady.rest(b.scopes[0], START + 30, "server_error")
    refused = steady.reserve(ask(plan(a, b), **NOW))

    assert isinstance(refused, Refusal)
    assert [r.resting for r in steady.read([a, b])] == ["rate_limit", "server_error"]
    shared.up()
    steady.attempt()
    assert shared.ledger.read([b])[0].rests_until == START + 90


def test_who_was_failing_may_still_be_tried_by_who_has_nobody_else(shared: Shared):
    steady, _ = process(shared)
    a = option("a", scopes=("health:a",))
    steady.rest("health:a", START + 50, f"{FAILING}timeout")
    steady.read([a])
    shared.down()

    assert isinstance(steady.reserve(ask(plan(a), **NOW)), Refusal)
    assert isinstance(steady.reserve(ask(plan(replace(a, scopes=("deployment:a",))), **NOW)), Reservation)


def test_a_rest_that_is_over_is_over_for_all_once_the_store_is_back(shared: Shared):
    steady, _ = process(shared)
    a = option("a")
    steady.rest(a.scopes[0], START + 50, "server_error")
    shared.down()
    steady.rest(a.scopes[0], 0.0, "")
    shared.up()
    steady.attempt()

    assert shared.ledger.read([a])[0].resting is None


def test_learned_limits_bind_while_the_store_is_away(shared: Shared):
    steady, _ = process(shared)
    free = option("a", subject="q|m", model="m")
    of = plan(free)
    first = steady.reserve(ask(of))
    steady.settle(first.id, Used(1), None, [Told("header", "requests", "minute", 10, 9, resets_in=6)])
    assert [r.limit.value for r in shared.ledger.read([free])[0].limits] == [10]
    shared.down()

    assert served(steady, of, 10) == 4
    (reading,) = steady.read([free])
    assert [(r.limit.value, r.declared.value if r.declared else None) for r in reading.limits] == [(5, 10)]


def test_looking_goes_on_with_what_is_held_to_here(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(4))
    of = plan(a)
    assert served(steady, of, 2) == 2
    shared.down()
    (reading,) = steady.read([a])
    requests, slots = reading.limits

    assert (requests.limit.value, requests.used, requests.declared and requests.declared.value) == (5, 1, 10)
    assert (slots.limit.value, slots.reserved) == (2, 2)
    assert reading.served == 2
    assert isinstance(reading, OptionReading)


def test_who_has_answered_before_is_not_on_trial_while_the_store_is_away(shared: Shared):
    old, new = option("old", rpm(100)), option("new", rpm(100))
    steady, _ = process(shared)
    first = steady.reserve(ask(plan(old)))
    steady.settle(first.id, AS_RESERVED, 0.5)
    steady.read([old, new])
    shared.down()

    for one in (old, new):
        assert isinstance(steady.reserve(ask(plan(one))), Reservation)

    assert [reading.on_trial for reading in steady.read([old, new])] == [False, True]
    assert [reading.latency for reading in steady.read([old, new])] == [0.5, None]
