"""What one client learns of a provider's limits, kept in a Redis for all."""

from __future__ import annotations

import pytest
from tests.stores.made import START, ask, option, plan, rpm, tpm

from rotor_core._ledger import (
    AS_RESERVED,
    NOTHING_USED,
    Block,
    Correct,
    Drop,
    Hold,
    LimitRecord,
    Refusal,
    Reservation,
    Told,
    Used,
)
from rotor_core.stores import _redis_lessons


def teach(monkeypatch, *changes):
    """Have the next settled call teach this."""
    monkeypatch.setattr(_redis_lessons, "learn", lambda *_: list(changes))


TOLD = (Told("header", "requests", "minute", 7.0),)

SUBJECT = {"subject": "q|m"}


def held(key, value, **more):
    return Hold(
        LimitRecord(key, rpm(value, "rolling", source="header"), None, START, START + 100.0, 0.9, "a header"), **more
    )


def test_what_one_client_learns_binds_every_option_of_the_subject_everywhere(make, hands, monkeypatch):
    one, two = make(clock=hands), make(clock=hands)
    a, b = option("a", **SUBJECT), option("b", **SUBJECT)
    grant = one.reserve(ask(plan(a)))
    teach(monkeypatch, held("q|m|r", 2, past=((START - 1.0, 1.0),)))
    lessons = one.settle(grant.id, AS_RESERVED, told=TOLD)

    assert [(x.key, x.before, x.limit.value, x.evidence) for x in lessons] == [("q|m|r", None, 2, "a header")]
    assert isinstance(two.reserve(ask(plan(b))), Reservation)
    assert isinstance(two.reserve(ask(plan(a), max_wait=0.0)), Refusal)
    reading = two.read([a])[0].limits[0]
    assert (reading.key, reading.used + reading.reserved, reading.seen_at, reading.confidence) == (
        "q|m|r",
        2,
        START,
        0.9,
    )
    assert two.glance([b])[0].limits[0].evidence == "a header"
    hands.at += 100.0
    assert two.read([a])[0].limits == ()


def test_what_was_learned_of_a_declared_limit_outranks_it_until_it_is_dropped(make, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", rpm(9, "rolling"), **SUBJECT)
    key = a.limits[0].key
    teach(monkeypatch, held(key, 4))
    lessons = store.settle(store.reserve(ask(plan(a))).id, AS_RESERVED, told=TOLD)
    assert (lessons[0].before, lessons[0].limit.value) == (9, 4)
    assert make(clock=hands).read([a])[0].limits[0].limit.value == 4
    teach(monkeypatch, Drop(key))
    store.settle(store.reserve(ask(plan(a))).id, AS_RESERVED, told=TOLD)

    reading = store.read([a])[0].limits[0]
    assert (reading.limit.value, reading.seen_at, reading.used) == (9, None, 2)


def test_a_providers_own_figure_corrects_ours(make, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", rpm(50, "calendar"), tpm(1000), **SUBJECT)
    requests, tokens = (bound.key for bound in a.limits)
    grant, other = store.reserve(ask(plan(a), tokens=100)), store.reserve(ask(plan(a), tokens=100))
    teach(monkeypatch, Correct(requests, 10.0, whole=True), Correct(tokens, 400.0, whole=False))
    store.settle(grant.id, Used(1, 100, 0), told=TOLD)

    reading = {limit.key: limit.used + limit.reserved for limit in store.read([a])[0].limits}
    assert reading == {requests: 11.0, tokens: pytest.approx(500.0)}
    # It was under way with the one that was told more: which of them was counted first, nobody knows.
    teach(monkeypatch, Correct(requests, 6.0, whole=True))
    store.settle(other.id, Used(1, 100, 0), told=TOLD)
    assert store.read([a])[0].limits[0].used == 11.0
    store.settle(store.reserve(ask(plan(a), tokens=100)).id, Used(1, 100, 0), told=TOLD)
    assert store.read([a])[0].limits[0].used == 6.0


@pytest.mark.parametrize("kind", ["bucket", "rolling", "calendar"])
def test_a_block_keeps_a_limit_shut_until_then(kind, make, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", rpm(5, kind), **SUBJECT)
    teach(monkeypatch, Block(a.limits[0].key, 1.0, START + 30.0))
    store.settle(store.reserve(ask(plan(a))).id, AS_RESERVED, told=TOLD)
    refused = store.reserve(ask(plan(a), max_wait=0.0))

    assert isinstance(refused, Refusal)
    assert refused.retry_at >= START + 30.0 - 0.001


def test_what_was_learned_survives_a_server_that_lost_everything(make, server, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", **SUBJECT)
    teach(monkeypatch, held("q|m|r", 2))
    store.settle(store.reserve(ask(plan(a))).id, AS_RESERVED, told=TOLD)
    for key in server.client().scan_iter(f"{{rotor:{store.namespace}}}:*"):
        server.client().delete(key)

    assert store.read([a])[0].limits[0].limit.value == 2


def test_resetting_forgets_what_was_learned_and_counted(make, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", rpm(5, "calendar"), **SUBJECT)
    teach(monkeypatch, held("q|m|r", 2))
    store.settle(store.reserve(ask(plan(a))).id, AS_RESERVED, told=TOLD)
    open_ = store.reserve(ask(plan(a)))
    store.rest("deployment:a", hands.at + 9.0, "tired")
    store.reset([a], windows=True)

    (reading,) = store.read([a])
    assert (reading.resting, [limit.key for limit in reading.limits]) == (None, [a.limits[0].key])
    assert (reading.limits[0].used, reading.limits[0].reserved) == (0, 1)
    store.settle(open_.id, NOTHING_USED)
