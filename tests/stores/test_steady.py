"""A shared ledger that goes away and comes back: nothing is granted twice, nothing is lost, nobody waits for a dead store."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.away import OPERATIONS, Heard, Shared, process
from tests.stores.made import FREE, START, Hands, ask, at_a_time, in_order, option, plan, rpm, tpm

from rotor_core import StoreError, StoreLost, StoreRegained
from rotor_core._demand import Demand
from rotor_core._health import FAILING
from rotor_core._ledger import (
    AS_RESERVED,
    NOTHING_USED,
    Option,
    OptionReading,
    Refusal,
    Reservation,
    Ticket,
    Told,
    Used,
)
from rotor_core._model import BoundLimit, Limit, Price
from rotor_core.stores import _steady_post
from rotor_core.stores.steady import Steady

NOW = {"max_wait": 0.0}


@pytest.fixture
def shared() -> Shared:
    return Shared(Hands())


def served(steady: Steady, of: Any, times: int, **more: Any) -> int:
    """How many of so many asks are granted at once."""
    grants = [steady.reserve(ask(of, **NOW, **more)) for _ in range(times)]
    return sum(isinstance(g, Reservation) for g in grants)


def taken(shared: Shared, of: Option, key: str = "requests") -> float:
    """What the shared ledger counts as taken of one limit."""
    (reading,) = shared.ledger.read([of])
    return sum(r.used + r.reserved for r in reading.limits if r.limit.unit == key)


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


# --- calls that were under way ---------------------------------------------------------------------------------------


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


def test_the_end_of_a_call_made_before_reaches_the_store_when_it_is_back(shared: Shared):
    steady, heard = process(shared)
    a = option("a", tpm(1000, "rolling"), at_a_time(1))
    of = plan(a)
    grant = steady.reserve(ask(of, 400))
    shared.fails = {"settle", "rest"}
    assert list(steady.settle(grant.id, Used(1, 100, 0))) == []
    assert taken(shared, a, "concurrent") == 1
    shared.up()
    assert steady.attempt() is None

    assert taken(shared, a, "concurrent") == 0
    assert taken(shared, a, "tokens") == 100
    assert [e.settled for e in heard.events if isinstance(e, StoreRegained)] == [1]


def test_a_slot_taken_before_is_taken_here_too_and_given_back_at_the_end(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(4))
    of = plan(a)
    grants = [steady.reserve(ask(of)) for _ in range(2)]
    shared.down()
    waiting = ask(of)
    calls: list[int] = []
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.watch(waiting.id, lambda: calls.append(1))
    steady.settle(grants[0].id, AS_RESERVED)

    assert calls == [1]
    assert isinstance(steady.reserve(waiting), Reservation)


def test_a_grant_that_was_promised_stays_promised(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", rpm(1, "rolling")))
    steady.reserve(ask(of))
    later = steady.reserve(ask(of, max_wait=90))
    assert isinstance(later, Reservation)
    assert later.at > START + 59
    shared.down()
    shared.hands.at = later.at

    assert steady.dispatched(later.id) == later.at
    assert steady.dispatched("made elsewhere") == later.at
    steady.sent(later.id)


def test_a_call_made_here_is_settled_here_and_there_whenever_it_ends(shared: Shared):
    steady, _ = process(shared)
    a = option("a", tpm(1000, "rolling"), at_a_time(4))
    of = plan(a)
    shared.down()
    early, late = steady.reserve(ask(of, 100)), steady.reserve(ask(of, 100))
    steady.settle(early.id, Used(1, 30, 0))
    shared.up()
    steady.attempt()
    assert taken(shared, a, "tokens") == 130
    assert taken(shared, a, "concurrent") == 1
    assert steady.dispatched(late.id) == START
    steady.sent(late.id)
    steady.settle(late.id, Used(1, 70, 0))

    assert taken(shared, a, "tokens") == 100
    assert taken(shared, a, "concurrent") == 0
    steady.settle(late.id, Used(1, 500, 0))
    steady.settle(early.id, Used(1, 500, 0))
    assert taken(shared, a, "tokens") == 100


def test_a_call_under_way_for_which_the_store_has_no_slot_goes_without(shared: Shared):
    first, _ = process(shared)
    second, _ = process(shared)
    a = option("a", at_a_time(2))
    of = plan(a)
    shared.down()
    mine = first.reserve(ask(of))
    shared.up()
    assert served(second, of, 2) == 2
    assert first.attempt() is None
    assert list(first.settle(mine.id, AS_RESERVED)) == []

    assert taken(shared, a, "concurrent") == 2


def test_only_what_still_counts_is_carried_over(shared: Shared):
    steady, heard = process(shared)
    a = option("a", rpm(10, "rolling"), Limit("requests", 100, "day", "calendar"))
    of = plan(a)
    shared.down()
    for _ in range(4):
        grant = steady.reserve(ask(of))
        steady.settle(grant.id, AS_RESERVED)
    shared.hands.at += 61
    shared.up()
    steady.attempt()

    minute, day = shared.ledger.read([a])[0].limits
    assert (minute.used, day.used) == (0, 4)
    assert heard.events[-1] == StoreRegained(START + 61, "", "", 0, "redis://db:6379/0", 61.0, 4, 0, 0)


@pytest.mark.parametrize(
    ("limit", "demand", "amount"),
    [
        (Limit("input_tokens", 100, "hour", "rolling"), Demand(7, 3), 7),
        (Limit("output_tokens", 100, "hour", "rolling"), Demand(7, 3), 3),
        (Limit("audio_seconds", 100, "hour", "rolling"), Demand(audio_seconds=2.5), 2.5),
        (Limit("tokens", 100, "hour", "bucket"), Demand(7, 3), 10),
    ],
)
def test_every_unit_is_carried_over(shared: Shared, limit: Limit, demand: Demand, amount: float):
    steady, _ = process(shared)
    a = option("a", limit)
    shared.down()
    grant = steady.reserve(ask(plan(a), demand=demand))
    steady.settle(grant.id, AS_RESERVED)
    shared.up()
    steady.attempt()

    assert taken(shared, a, limit.unit) == pytest.approx(amount)


def test_what_was_used_counts_for_everybody_afterwards(shared: Shared):
    a = option("a", rpm(10, "rolling"))
    of = plan(a)
    first, _ = process(shared)
    second, _ = process(shared)
    shared.down()
    assert served(first, of, 10) + served(second, of, 10) == 10
    shared.up()
    first.attempt()
    second.attempt()

    assert served(first, of, 5) + served(second, of, 5) == 0


def test_a_reservation_whose_answer_was_lost_is_given_back(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(2))
    of = plan(a)
    shared.lossy = {"reserve"}
    grant = steady.reserve(ask(of))
    assert isinstance(grant, Reservation)
    assert taken(shared, a) == 1
    shared.lossy = ()
    steady.attempt()

    assert taken(shared, a) == 1
    assert taken(shared, a, "concurrent") == 1
    steady.settle(grant.id, AS_RESERVED)
    assert (taken(shared, a), taken(shared, a, "concurrent")) == (1, 0)


def test_those_who_wait_for_a_slot_there_wait_here_and_there_again(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(2))
    of = plan(a)
    grants = [steady.reserve(ask(of)) for _ in range(2)]
    waiting, calls = ask(of), list[str]()
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.watch(waiting.id, lambda: calls.append("lost"))
    shared.down()
    steady.rest("somebody", START + 1, "x")
    assert calls == ["lost"]
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.watch(waiting.id, lambda: calls.append("regained"))
    shared.up()
    steady.attempt()
    assert calls == ["lost", "regained"]
    assert isinstance(steady.reserve(waiting), Ticket)
    steady.settle(grants[0].id, AS_RESERVED)

    assert isinstance(steady.reserve(waiting), Reservation)
    assert taken(shared, a, "concurrent") == 2


def test_who_cannot_be_watched_is_called_to_ask_again(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", at_a_time(1)))
    steady.reserve(ask(of))
    one, two = ask(of), ask(of)
    calls: list[str] = []
    assert isinstance(steady.reserve(one), Ticket)
    assert isinstance(steady.reserve(two), Ticket)
    shared.fails = {"watch", "rest"}
    steady.watch(one.id, lambda: calls.append("one"))
    steady.watch(two.id, lambda: calls.append("two"))

    assert calls == ["one", "two"]


def test_a_place_in_a_queue_here_can_be_given_up(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a", at_a_time(1)))
    shared.down()
    steady.reserve(ask(of))
    waiting = ask(of)
    assert isinstance(steady.reserve(waiting), Ticket)
    assert list(steady.settle(waiting.id, NOTHING_USED)) == []
    shared.up()

    assert steady.attempt() is None


# --- flapping, hanging, read-only, empty -----------------------------------------------------------------------------


def test_a_dead_store_is_asked_ever_more_rarely(shared: Shared):
    steady, _ = process(shared)
    shared.down()
    steady.reserve(ask(plan(option("a"))))

    assert [steady.attempt() for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    shared.up()
    assert steady.attempt() is None
    assert steady.attempt() is None


def test_a_store_that_flaps_is_not_trusted_at_once(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    for expected in (2.0, 4.0):
        shared.down()
        steady.reserve(ask(of))
        assert steady.attempt() == expected
        shared.up()
        steady.attempt()
    shared.hands.at += 61
    shared.down()
    steady.reserve(ask(of))

    assert steady.attempt() == 2


def test_nothing_is_granted_twice_however_often_the_store_flaps(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 40, "day", "calendar"), at_a_time(100))
    of = plan(a)
    open_, granted = list[str](), 0
    for round_ in range(40):
        shared.fails = ("reserve", "settle", "rest") if round_ % 3 == 1 else ()
        shared.lossy = ("settle",) if round_ % 5 == 2 else ("reserve",) if round_ % 5 == 4 else ()
        steady.attempt()
        for _ in range(2):
            grant = steady.reserve(ask(of, **NOW))
            if isinstance(grant, Reservation):
                granted += 1
                open_.append(grant.id)
        if len(open_) > 3:
            steady.settle(open_.pop(0), AS_RESERVED)
    shared.fails = shared.lossy = ()
    while steady.attempt() is not None:
        pass
    for ident in open_:
        steady.settle(ident, AS_RESERVED)

    assert 20 <= granted <= 40
    assert taken(shared, a) >= granted
    assert taken(shared, a, "concurrent") == 0


def test_a_hanging_store_delays_one_request_once(shared: Shared):
    steady, heard = process(shared)
    of = plan(option("a", rpm(10, "rolling")))
    shared.hangs = True
    grant = steady.reserve(ask(of))
    steady.dispatched(grant.id)
    steady.settle(grant.id, AS_RESERVED)
    steady.reserve(ask(of))
    steady.read([])

    assert shared.hands.at == START + 0.5
    assert heard.names == ["store_lost"]


def test_a_store_that_only_reads_stays_away_until_it_writes(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    shared.fails = {"reserve", "settle", "rest", "reset"}
    steady.reserve(ask(of))
    assert steady.attempt() == 2
    assert steady.state.startswith("local since")
    shared.up()
    steady.attempt()

    assert steady.state == "ok"


def test_a_store_that_returns_empty_has_what_this_process_used_meanwhile(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(5))
    of = plan(a)
    before = steady.reserve(ask(of))
    shared.down()
    steady.reserve(ask(of))
    shared.emptied()
    shared.up()
    steady.attempt()
    steady.settle(before.id, AS_RESERVED)

    assert taken(shared, a) == 1
    assert taken(shared, a, "concurrent") == 1


def test_a_store_that_goes_again_in_the_middle_of_its_return_loses_nothing(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 40, "day", "calendar"), Limit("tokens", 4000, "day", "calendar"), at_a_time(9))
    of = plan(a)
    shared.down()
    grants = [steady.reserve(ask(of)) for _ in range(4)]
    for grant in grants[:2]:
        steady.settle(grant.id, AS_RESERVED)
    for lasting in range(1, 12):
        left = [lasting]

        def fail(_: str, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                shared.down()

        shared.up()
        shared.after = fail
        if steady.attempt() is None:
            break
    shared.after = lambda _: None
    shared.up()
    steady.attempt()
    for grant in grants:
        steady.settle(grant.id, AS_RESERVED)

    assert taken(shared, a) == 4
    assert taken(shared, a, "tokens") == 40
    assert taken(shared, a, "concurrent") == 0


def test_what_happens_during_the_return_is_told_as_well(shared: Shared):
    steady, heard = process(shared)
    a = option("a", Limit("requests", 40, "day", "calendar"))
    of = plan(a)
    shared.down()
    steady.reserve(ask(of))
    busy = [3]

    def meanwhile(operation: str) -> None:
        if operation == "reserve" and busy[0]:
            busy[0] -= 1
            grant = steady.reserve(ask(of))
            steady.settle(grant.id, AS_RESERVED)

    shared.after = meanwhile
    shared.up()
    steady.attempt()

    assert taken(shared, a) == 4
    assert heard.names == ["store_lost", "store_regained"]


def test_a_load_that_never_lets_up_does_not_keep_the_store_away(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 400, "day", "calendar"))
    of = plan(a)
    shared.down()
    steady.reserve(ask(of))
    made = [1]

    def meanwhile(operation: str) -> None:
        if operation == "reserve" and steady.state != "ok":
            made[0] += 1
            grant = steady.reserve(ask(of))
            steady.settle(grant.id, AS_RESERVED)

    shared.after = meanwhile
    shared.up()

    assert steady.attempt() is None
    assert steady.state == "ok"
    assert taken(shared, a) == made[0] > 5


def test_a_store_that_goes_as_the_last_is_told_is_told_it_the_next_time(shared: Shared):
    steady, _ = process(shared)
    a = option("a", Limit("requests", 400, "day", "calendar"))
    of = plan(a)
    shared.down()
    steady.reserve(ask(of))
    made = [1]

    def meanwhile(operation: str) -> None:
        if operation == "reserve" and steady.state != "ok":
            made[0] += 1
            grant = steady.reserve(ask(of))
            steady.settle(grant.id, AS_RESERVED)

    class Ear(Heard):
        def hear(self, event: Any) -> None:
            if isinstance(event, StoreRegained):
                shared.down()

    ear = Ear()
    steady.listen(ear.hear)
    shared.after = meanwhile
    shared.up()
    steady.attempt()
    assert steady.state != "ok"
    shared.after = lambda _: None
    del ear
    gc.collect()
    shared.up()
    steady.attempt()

    assert taken(shared, a) == made[0]


def test_a_store_of_which_the_clock_is_ahead_is_followed_without_it(shared: Shared):
    shared.ledger = Shared(Hands(START + 100)).ledger
    steady, _ = process(shared)
    assert steady.now() == START + 100
    shared.down()
    shared.hands.at += 5

    assert steady.now() == START + 105
    grant = steady.reserve(ask(plan(option("a"))))
    assert isinstance(grant, Reservation)
    assert grant.at == START + 105


def test_ends_that_wait_are_bounded_and_those_dropped_are_counted(shared: Shared, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_steady_post, "MOST", 3)
    steady, heard = process(shared)
    of = plan(option("a"))
    grants = [steady.reserve(ask(of)) for _ in range(5)]
    shared.down()
    for grant in grants:
        steady.settle(grant.id, AS_RESERVED)
    shared.up()
    steady.attempt()

    (regained,) = [e for e in heard.events if isinstance(e, StoreRegained)]
    assert (regained.settled, regained.dropped) == (3, 2)


def test_reservations_that_nobody_settled_are_forgotten_once_they_expired(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    for n in range(1100):
        shared.hands.at += 1
        steady.reserve(ask(of, id=f"left-{n}"))

    assert len(steady._under_way()) < 800


# --- between the two states ------------------------------------------------------------------------------------------


def test_an_instant_can_be_had_though_the_store_has_no_clock_to_ask(shared: Shared):
    steady, heard = process(shared)
    shared.down()

    assert steady.now() == START
    assert heard.names == ["store_lost"]


def test_a_grant_made_here_as_the_store_came_back_is_made_there_instead(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(3))
    of = plan(a)
    shared.down()
    steady.rest("x", START + 1, "x")
    outage = steady._outage
    assert outage is not None
    here = outage.reserve

    def late(wish: Any) -> Any:
        grant = here(wish)
        shared.up()
        steady.attempt()
        return grant

    outage.reserve = late  # type: ignore[method-assign]
    grant = steady.reserve(ask(of))
    shared.down()
    steady.rest("x", START + 1, "x")
    shared.up()
    steady.attempt()
    steady.settle(grant.id, AS_RESERVED)

    assert (taken(shared, a), taken(shared, a, "concurrent")) == (1, 0)


async def test_a_grant_made_here_as_the_store_came_back_is_made_there_asynchronously(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(3))
    shared.down()
    await steady.arest("x", START + 1, "x")
    outage = steady._outage
    assert outage is not None
    here = outage.reserve

    def late(wish: Any) -> Any:
        grant = here(wish)
        shared.up()
        steady.attempt()
        return grant

    outage.reserve = late  # type: ignore[method-assign]
    grant = await steady.areserve(ask(plan(a)))
    assert isinstance(grant, Reservation)
    assert shared.ledger.dispatched(grant.id) == START


def test_an_end_written_down_as_the_store_came_back_is_told_at_once(shared: Shared):
    steady = Steady(shared, "redis://db", clock=shared.hands)
    a = option("a", at_a_time(1))
    grant = steady.reserve(ask(plan(a)))
    steady._settle_later(grant.id, AS_RESERVED, None, ())
    for thread in threading.enumerate():
        if thread.name == "rotor-store-post":
            thread.join(20)

    assert taken(shared, a, "concurrent") == 0
    shared.fails = {"settle"}
    assert steady._deliver() == 0
    assert steady.state == "ok"
    steady._post.settle("x", AS_RESERVED, None, ())
    assert steady._deliver() == 0
    assert steady.state != "ok"
    steady.close()


def test_what_turned_out_to_be_granted_is_not_given_back(shared: Shared):
    steady, _ = process(shared)
    a = option("a", at_a_time(1))
    wish = ask(plan(a))
    steady._post.doubt(wish.id)
    assert isinstance(steady.reserve(wish), Reservation)
    assert not steady._post
    steady._post.rest("x", START + 1, "x")
    steady._post.rest("y", START - 1, "y")
    assert steady._post.deliver(shared, START) == 0
    assert not steady._post

    assert taken(shared, a, "concurrent") == 1


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_however_it_fails_no_slot_is_lost_and_nothing_used_is_forgotten(data: st.DataObject):
    shared = Shared(Hands())
    first, second = process(shared)[0], process(shared)[0]
    a = option("a", Limit("requests", 24, "day", "calendar"), at_a_time(50))
    of = plan(a)
    under_way: list[tuple[Steady, str]] = []
    granted, alone = 0, 0
    for _ in range(data.draw(st.integers(5, 40), "turns")):
        shared.fails = data.draw(st.sampled_from([(), (), OPERATIONS, {"settle", "rest"}, {"reserve"}]), "fails")
        steady = data.draw(st.sampled_from([first, second]), "process")
        match data.draw(st.sampled_from(["reserve", "reserve", "settle", "attempt", "wait"]), "turn"):
            case "reserve":
                grant = steady.reserve(ask(of, **NOW))
                if isinstance(grant, Reservation):
                    granted += 1
                    alone += steady.state != "ok"
                    under_way.append((steady, grant.id))
            case "settle" if under_way:
                of_whom, ident = under_way.pop(data.draw(st.integers(0, len(under_way) - 1), "which"))
                of_whom.settle(ident, AS_RESERVED)
            case "attempt":
                steady.attempt()
            case _:
                shared.hands.at += 1
    shared.up()
    for steady in (first, second):
        assert steady.attempt() is None
    for of_whom, ident in under_way:
        of_whom.settle(ident, AS_RESERVED)

    assert taken(shared, a, "concurrent") == 0
    assert taken(shared, a) >= min(granted, 24)
    assert granted - alone <= 24
    assert granted <= 2 * 24


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


async def test_the_asynchronous_face_gives_the_stores_own_answers(shared: Shared):
    steady, _ = process(shared)
    a = option("a", rpm(2, "rolling"))
    first = await steady.areserve(ask(plan(a)))

    assert await steady.adispatched(first.id) == START
    assert list(await steady.asettle(first.id, AS_RESERVED)) == []
    await steady.arest(a.scopes[0], START + 5, "x")
    assert await steady.aread([a]) == shared.ledger.read([a])
    await steady.areset([a], windows=True)
    await steady.aclose()
    assert shared.asked[-1] == "aclose"


async def test_the_asynchronous_face_goes_on_without_the_store(shared: Shared):
    steady, heard = process(shared)
    a = option("a", rpm(10, "rolling"), at_a_time(4))
    of = plan(a)
    before = await steady.areserve(ask(of))
    shared.down()
    during = await steady.areserve(ask(of))
    assert isinstance(during, Reservation)
    assert await steady.adispatched(during.id) == START
    assert await steady.adispatched(before.id) == START
    assert list(await steady.asettle(before.id, AS_RESERVED)) == []
    assert list(await steady.asettle(during.id, AS_RESERVED)) == []
    await steady.arest("x", START + 1, "x")
    assert (await steady.aread([a]))[0].limits[0].limit.value == 5
    with pytest.raises(StoreError, match="can be reset"):
        await steady.areset([a])
    shared.up()
    steady.attempt()

    assert (taken(shared, a), taken(shared, a, "concurrent")) == (2, 0)
    assert heard.names == ["store_lost", "store_regained"]


@pytest.mark.parametrize("operation", ["areserve", "adispatched", "asettle", "arest", "aread", "areset"])
async def test_each_asynchronous_operation_finds_out_that_the_store_is_away(shared: Shared, operation: str):
    steady, heard = process(shared)
    a = option("a")
    grant = await steady.areserve(ask(plan(a)))
    shared.down()
    arguments: dict[str, tuple[Any, ...]] = {
        "areserve": (ask(plan(a)),),
        "adispatched": (grant.id,),
        "asettle": (grant.id, AS_RESERVED),
        "arest": ("x", START + 1, "x"),
        "aread": ([a],),
        "areset": ([a],),
    }
    try:
        await getattr(steady, operation)(*arguments[operation])
    except StoreError:
        assert operation == "areset"

    assert heard.names == ["store_lost"]


async def test_a_hanging_store_is_given_up_and_the_loop_goes_on_meanwhile(shared: Shared):
    steady, heard = process(shared, patience=0.05)
    shared.hangs = True
    turns = [0]

    async def others() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0.005)

    task = asyncio.create_task(others())
    grant = await steady.areserve(ask(plan(option("a"))))
    task.cancel()

    assert isinstance(grant, Reservation)
    assert turns[0] >= 3
    assert [e.reason for e in heard.events if isinstance(e, StoreLost)] == ["no answer within 0.05 s"]


async def test_a_loop_that_was_held_up_does_not_make_the_store_lost(shared: Shared, monkeypatch: pytest.MonkeyPatch):
    steady, heard = process(shared, patience=0.05)
    times = [0]
    there = shared.areserve

    async def slow(wish: Any) -> Any:
        times[0] += 1
        for _ in range(3):  # a round trip each, between others' blocking work
            time.sleep(0.04)  # noqa: ASYNC251
            await asyncio.sleep(0.001)
        return await there(wish)

    monkeypatch.setattr(shared, "areserve", slow)
    grant = await steady.areserve(ask(plan(option("a"))))

    assert isinstance(grant, Reservation)
    assert times == [1]
    assert heard.events == []


async def test_a_loop_that_is_held_up_without_end_gives_up_at_last(shared: Shared):
    steady, heard = process(shared, patience=0.05)
    shared.hangs = True

    async def others() -> None:
        while True:
            time.sleep(0.03)  # noqa: ASYNC251
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    grant = await steady.areserve(ask(plan(option("a"))))
    task.cancel()

    assert isinstance(grant, Reservation)
    assert heard.names == ["store_lost"]


async def test_refusing_is_the_same_asynchronously(shared: Shared):
    steady, _ = process(shared, "refuse")
    shared.down()
    for _ in range(2):
        with pytest.raises(StoreError, match="nothing can be reserved"):
            await steady.areserve(ask(plan(option("a"))))


# --- threads, processes, sharing -------------------------------------------------------------------------------------


def test_it_comes_back_by_itself(shared: Shared, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rotor_core.stores._steady_machine.FIRST", 0.01)
    steady, heard = Steady(shared, "redis://db", clock=shared.hands), Heard()
    back = threading.Event()

    class Ear:
        def hear(self, event: Any) -> None:
            heard.hear(event)
            if isinstance(event, StoreRegained):
                back.set()

    ear = Ear()
    steady.listen(ear.hear)
    shared.down()
    steady.reserve(ask(plan(option("a"))))
    shared.up()

    assert back.wait(20)
    assert heard.names == ["store_lost", "store_regained"]
    steady.close()


def test_closing_ends_the_trying(shared: Shared):
    before = set(threading.enumerate())
    steady = Steady(shared, "redis://db", clock=shared.hands)
    shared.down()
    steady.reserve(ask(plan(option("a"))))
    (thread,) = {t for t in threading.enumerate() if t.name == "rotor-store"} - before
    steady.close()
    thread.join(20)

    assert not thread.is_alive()
    assert shared.asked[-1] == "close"


def test_many_threads_lose_it_once_and_get_no_more_than_the_share(shared: Shared):
    steady, heard = process(shared)
    of = plan(option("a", rpm(40, "rolling")))
    grants: list[Any] = []
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for _ in range(10):
            grants.append(steady.reserve(ask(of, **NOW)))

    shared.down()
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(g, Reservation) for g in grants) == 20
    assert heard.names == ["store_lost"]


def test_who_shares_a_store_shares_what_stands_in_for_it(shared: Shared):
    first = Steady.around(shared, "redis://db", "local")
    second = Steady.around(shared, "redis://db", "local")

    assert first is second
    assert Steady.around(shared, "redis://db", "refuse") is not first
    first.close()
    assert Steady.around(shared, "redis://db", "local") is first
    first.close()
    second.close()
    assert Steady.around(shared, "redis://db", "local") is not first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_begins_with_the_store_there_and_nothing_under_way(shared: Shared):
    steady, _ = process(shared)
    of = plan(option("a"))
    steady.reserve(ask(of))
    shared.down()
    steady.reserve(ask(of))
    child = os.fork()
    if not child:
        os._exit(0 if steady.state == "ok" and not steady._under_way() else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert steady.state != "ok"


def test_a_listener_is_not_kept_alive(shared: Shared):
    steady, heard = process(shared)
    del heard
    gc.collect()
    shared.down()

    assert isinstance(steady.reserve(ask(plan(option("a", BoundLimit("k", rpm(2)), price=FREE)))), Reservation)
