"""What a store in Redis has besides a ledger's answers: several clients, round trips, lost scripts, lost data, trouble."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.stores.made import START, Hands, ask, at_a_time, in_order, option, plan, rpm, tpm

from rotor_core._errors import ConfigError, StoreError
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
    Ticket,
    Told,
    Used,
)
from rotor_core._model import Limit
from rotor_core.stores import _redis_ledger, _redis_lessons
from rotor_core.stores._redis_transport import _OPTIONS
from rotor_core.stores.redis import RedisStore
from rotor_core.stores.steady import Steady


def listening(store):
    store._calls.listen()
    assert store._calls.ready.wait(10)
    return store


def calls_of(server, command="evalsha"):
    return server.client().info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def test_what_one_client_takes_another_cannot(make, hands):
    one, two = make(clock=hands), make(clock=hands)
    of = plan(option("a", rpm(1)))

    assert isinstance(one.reserve(ask(of)), Reservation)
    assert isinstance(two.reserve(ask(of, max_wait=0.0)), Refusal)


def test_asking_twice_takes_once_from_whichever_client(make, hands):
    one, two = make(clock=hands), make(clock=hands)
    a = option("a", rpm(2))
    mine = ask(plan(a))
    first, again = one.reserve(mine), two.reserve(mine)

    assert first == again
    assert two.read([a])[0].limits[0].reserved == 1


def test_a_second_settle_changes_nothing(make, hands):
    store = make(clock=hands)
    a = option("a", tpm(100, "calendar"))
    grant = store.reserve(ask(plan(a), tokens=40))
    store.settle(grant.id, Used(1, 10, 0))
    store.settle(grant.id, Used(1, 90, 0))

    assert store.read([a])[0].limits[0].used == 10


def test_a_reservation_that_nobody_settles_keeps_its_charge_and_gives_its_slot_back(make, hands):
    store = make(clock=hands, lease=5.0)
    a = option("a", at_a_time(1), rpm(5, "calendar"))
    store.reserve(ask(plan(a)))
    hands.at += 5.1

    slots, requests = store.read([a])[0].limits
    assert (slots.reserved, requests.used, requests.reserved) == (0, 1, 0)


def test_one_round_trip_to_reserve_and_one_to_settle(make, server, hands):
    store = make(clock=hands)
    of = plan((option("a", rpm(1e6), tpm(1e9, "rolling")), option("b", rpm(1e6, "calendar"))))
    store.settle(store.reserve(ask(of)).id, NOTHING_USED)
    before = calls_of(server)
    for _ in range(1000):
        store.settle(store.reserve(ask(of)).id, Used(1, 5, 2), 0.2)

    assert calls_of(server) - before == 2000


def test_a_slot_that_is_freed_elsewhere_is_handed_to_the_first_who_waits(make, hands):
    holder, first, second = make(clock=hands), listening(make(clock=hands)), listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = holder.reserve(ask(of))
    called = threading.Event()
    early, late = ask(of), ask(of)
    for store, mine, call in ((first, early, called.set), (second, late, lambda: None)):
        assert isinstance(store.reserve(mine), Ticket)
        store.watch(mine.id, call)
    hands.at += 1.0
    holder.settle(held.id, AS_RESERVED)

    assert called.wait(10)
    assert isinstance(second.reserve(late), Ticket)
    grant = first.reserve(early)
    assert (grant.at, grant.asked_at) == (START + 1.0, START)


def test_a_higher_priority_is_called_first_and_nobody_is_overtaken_for_ever(make, hands):
    store = listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    asks = {
        name: ask(of, id=f"{name}-{hands.at}", priority=5 * (name != "calm")) for name in ("calm", "u1", "u2", "u3")
    }
    for mine in asks.values():
        assert isinstance(store.reserve(mine), Ticket)
    served = []
    for _ in range(4):
        store.settle(held.id, AS_RESERVED)
        grants = {name: store.reserve(mine) for name, mine in asks.items() if name not in served}
        name, held = next((name, grant) for name, grant in grants.items() if isinstance(grant, Reservation))
        served.append(name)

    assert served == ["u1", "u2", "calm", "u3"]


def test_who_is_gone_is_passed_over_and_a_slot_that_was_not_fetched_goes_on(make, hands):
    store, gone, waits = make(clock=hands), make(clock=hands), listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    gone._calls.listen = lambda: None  # it never hears of anything
    assert isinstance(gone.reserve(ask(of)), Ticket)
    hands.at += 3.0
    mine, later = ask(of), ask(of)
    assert isinstance(waits.reserve(mine), Ticket)
    assert isinstance(waits.reserve(later), Ticket)
    store.settle(held.id, AS_RESERVED)
    hands.at += 6.0

    assert isinstance(waits.reserve(later), Reservation)  # `mine` was handed it and did not come
    assert isinstance(waits.reserve(mine), Ticket)


def test_whoever_watches_before_the_connection_stands_is_called_when_it_does(make, hands):
    store = make(clock=hands)
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    mine, called = ask(of), threading.Event()
    assert isinstance(asyncio.run(store.areserve(mine)), Ticket)
    store.watch(mine.id, called.set)

    assert called.wait(10)
    called.clear()
    assert isinstance(store.reserve(mine), Ticket)
    store.watch(mine.id, called.set)
    store.settle(held.id, AS_RESERVED)
    assert called.wait(10)
    assert isinstance(store.reserve(mine), Reservation)


def test_a_call_that_comes_before_the_watch_is_not_lost(make, hands):
    store = listening(make(clock=hands))
    of = plan(option("a", at_a_time(1)))
    held = store.reserve(ask(of))
    mine, called = ask(of), threading.Event()
    store.reserve(mine)
    store.settle(held.id, AS_RESERVED)
    for _ in range(1000):
        if store._calls._early:
            break
        threading.Event().wait(0.005)
    store.watch(mine.id, called.set)

    assert called.is_set()


def test_a_ticket_that_is_settled_leaves_the_queue(make, server, hands):
    store = make(clock=hands)
    of = plan(option("a", at_a_time(1)))
    store.reserve(ask(of))
    mine = ask(of)
    assert isinstance(store.reserve(mine), Ticket)
    store.settle(mine.id, NOTHING_USED)

    assert server.client().zcard(f"{{rotor:{store.namespace}}}:queue") == 0


def test_scripts_that_the_server_forgot_are_loaded_again(make, server, hands):
    store = make(clock=hands)
    of = plan(option("a", rpm(10)))
    store.reserve(ask(of))
    server.client().script_flush()

    assert isinstance(store.reserve(ask(of)), Reservation)


def test_a_server_that_lost_everything_is_told_what_was_used(make, server, hands, caplog):
    store = make(clock=hands)
    a, b = option("a", rpm(3, "calendar"), at_a_time(4)), option("b", tpm(100, "rolling"))
    of = plan(a, b, score=in_order())
    grants = [store.reserve(ask(of, tokens=60)) for _ in range(4)]
    store.settle(grants[0].id, AS_RESERVED)
    for key in server.client().scan_iter(f"{{rotor:{store.namespace}}}:*"):
        server.client().delete(key)

    assert isinstance(store.reserve(ask(of, tokens=60, max_wait=0.0)), Refusal)
    assert store.restarts == 1
    assert "lost what it knew" in caplog.text
    requests, slots = store.read([a])[0].limits
    assert (requests.used, requests.reserved, slots.reserved) == (1, 2, 2)
    store.settle(grants[1].id, NOTHING_USED)
    assert isinstance(store.reserve(ask(of, tokens=60, max_wait=0.0)), Reservation)


def test_another_client_of_a_server_that_lost_everything_adds_what_it_knows(make, server, hands):
    one, two = make(clock=hands), make(clock=hands)
    a, b = option("a", rpm(1, "calendar")), option("b", rpm(1, "calendar"))
    one.reserve(ask(plan(a)))
    two.reserve(ask(plan(b)))
    for key in server.client().scan_iter(f"{{rotor:{one.namespace}}}:*"):
        server.client().delete(key)

    assert isinstance(one.reserve(ask(plan(a), max_wait=0.0)), Refusal)
    assert isinstance(two.reserve(ask(plan(b), max_wait=0.0)), Refusal)
    assert isinstance(one.reserve(ask(plan(b), max_wait=0.0)), Refusal)


@pytest.mark.parametrize("told", ["readonly", "full", "gone", "strange"])
def test_trouble_says_which_server_and_what_to_do(told, own_server, make, hands):
    store = make(at=own_server, namespace="ns", clock=hands)
    of = plan(option("a", rpm(10)))
    store.reserve(ask(of))
    with own_server.client() as client:
        if told == "readonly":
            client.replicaof("127.0.0.1", 1)
            says = "read-only replica"
        elif told == "full":
            client.config_set("maxmemory", 1)
            says = "memory is full"
        elif told == "gone":
            own_server.stop()
            says = "see that Redis runs there"
        else:
            client.delete("{rotor:ns}:state")
            client.set("{rotor:ns}:state", "somebody else's")
            says = "something else uses its keys"
    with pytest.raises(StoreError, match=says) as caught:
        store.reserve(ask(of))

    assert "r.sock" in str(caught.value)
    assert store.now() == hands.at
    assert [reading.id for reading in store.glance(of.options)] == ["a"]


async def test_trouble_is_the_same_for_those_who_await(own_server, make, hands):
    store = make(at=own_server, namespace="ns", clock=hands)
    of = plan(option("a", rpm(10)))
    grant = await store.areserve(ask(of))
    own_server.stop()
    with pytest.raises(StoreError):
        await store.areserve(ask(of))
    own_server.start()
    assert isinstance(await store.areserve(ask(of)), Reservation)
    assert store.restarts == 1
    await store.asettle(grant.id, AS_RESERVED)
    await store.aclose()


def test_a_password_is_in_no_text():
    store = RedisStore("redis://user:hunter2@127.0.0.1:1/0?namespace=x")
    with pytest.raises(StoreError) as caught:
        store.read([])

    assert "hunter2" not in str(caught.value) + repr(store.__dict__["shown"])
    assert "127.0.0.1:1/0" in str(caught.value)


@pytest.mark.parametrize("url", ["redis://", "http://x/0", "redis://h:1/0?namespace=a{b", "redis://h:port/0"])
def test_a_url_that_cannot_be_is_a_mistake_in_the_configuration(url):
    with pytest.raises(ConfigError):
        RedisStore.named(url)


def test_one_ledger_per_url():
    assert RedisStore.named("redis://127.0.0.1:1/7") is RedisStore.named("redis://127.0.0.1:1/7")
    assert RedisStore.named("redis://127.0.0.1:1/7") is not RedisStore.named("redis://127.0.0.1:1/8")


def test_a_ledger_of_a_newer_version_is_left_alone(make, server, hands):
    store = make(clock=hands)
    store.reserve(ask(plan(option("a", rpm(1)))))
    client, state = server.client(), f"{{rotor:{store.namespace}}}:state"
    client.hset(state, "m", _redis_ledger.pack({"layout": 99, "new": True}))
    with pytest.raises(StoreError, match="newer version"):
        store.reserve(ask(plan(option("a", rpm(1)))))


def test_of_two_configurations_that_disagree_the_one_read_last_holds(make, hands, caplog):
    one, two = make(clock=hands), make(clock=hands)
    small, large = option("a", rpm(1)), option("a", rpm(5))
    one.reserve(ask(plan(small)))
    with caplog.at_level(logging.WARNING):
        two.reserve(ask(plan(large)))

    assert caplog.text.count("was declared otherwise") == 1
    assert one.read([large])[0].limits[0].limit.value == 5


async def test_both_faces_are_one_ledger(make, hands):
    store = make(clock=hands)
    a = option("a", rpm(3), scopes=("provider:p",))
    of = plan(a)
    grant = await store.areserve(ask(of))
    await store.asettle(grant.id, Used(1, 3, 4), 0.5)
    await store.arest("provider:p", hands.at + 3.0, "tired")
    later = store.reserve(ask(of))
    hands.at = later.at
    assert await store.adispatched(later.id) == later.at
    assert await store.aread([a]) == store.read([a])
    await store.areset([a], windows=True)
    assert (await store.aread([a]))[0].resting is None
    await store.aclose()


@pytest.fixture
def patient(monkeypatch):
    """A busy machine is not what these are about."""
    for name in ("socket_connect_timeout", "socket_timeout"):
        monkeypatch.setitem(_OPTIONS, name, 20.0)


async def test_any_number_of_requests_ask_at_once_over_a_few_connections(make, server, hands, patient):
    store, of = make(clock=hands), plan(option("a", rpm(1000)))

    grants = await asyncio.gather(*(store.areserve(ask(of)) for n in range(500)))

    assert all(isinstance(grant, Reservation) for grant in grants)
    assert server.client().info("clients")["connected_clients"] < 100


def test_any_number_of_threads_ask_at_once_over_a_few_connections(make, hands, patient):
    store, of, together = make(clock=hands), plan(option("a", rpm(1000))), threading.Barrier(150)

    def one(_):
        together.wait(20)
        return store.reserve(ask(of))

    with ThreadPoolExecutor(150) as pool:
        grants = list(pool.map(one, range(150)))

    assert all(isinstance(grant, Reservation) for grant in grants)


@pytest.mark.parametrize("held_up", [1.3, 2.6])
async def test_a_loop_that_was_held_up_does_not_lose_it(make, hands, held_up):
    """A host's first call imports half of its packages on the loop: no time of the server's was that."""
    store, of = Steady(make(clock=hands), "redis://here", "local"), plan(option("a", rpm(10)))
    asking = asyncio.create_task(store.areserve(ask(of)))
    asyncio.get_running_loop().call_later(0.001, time.sleep, held_up)

    assert isinstance(await asking, Reservation)
    assert await store.aread([option("a", rpm(10))])
    assert store.state == "ok"
    await store.aclose()


def test_every_event_loop_has_connections_of_its_own(make, hands):
    store = make(clock=hands)
    of = plan(option("a", rpm(10)))

    async def once():
        return await store.areserve(ask(of))

    assert isinstance(asyncio.run(once()), Reservation)
    assert isinstance(asyncio.run(once()), Reservation)
    assert len(store._transport._loops) == 0  # closed with their loops


def test_a_late_dispatch_moves_the_charge_when_it_is_said(make, hands):
    store = make(clock=hands)
    a = option("a", rpm(1, "rolling"))
    grant = store.reserve(ask(plan(a)))
    hands.at += 2.0
    store.sent(grant.id)
    store._stop_sending()

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(hands.at + 60.0, abs=0.1)


def test_a_dispatch_that_could_not_be_said_is_part_of_settling(make, hands, monkeypatch):
    store = make(clock=hands)
    a = option("a", rpm(1, "rolling"))
    grant = store.reserve(ask(plan(a)))
    hands.at += 2.0
    monkeypatch.setattr(store, "_send_late", lambda: None)
    store.sent(grant.id)
    store.settle(grant.id, AS_RESERVED)

    assert store.read([a])[0].limits[0].resets_at == pytest.approx(hands.at + 60.0, abs=0.1)


def test_the_servers_own_clock_is_learned_from_replies(make):
    store = make()
    a = option("a", rpm(5))
    grant = store.reserve(ask(plan(a)))

    assert abs(store.now() - grant.at) < 1.0
    store.sent(grant.id)
    store.settle(grant.id, AS_RESERVED)


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


def test_a_fork_has_nothing_in_flight_and_connections_of_its_own(make, hands):
    store = listening(make(clock=hands))
    of = plan(option("a", rpm(5)))
    store.reserve(ask(of))
    store.hold()
    store.go_on()
    calls = store._calls
    store.start_over()
    calls.close()

    assert isinstance(store.reserve(ask(of)), Reservation)


def test_the_hands_may_be_turned_back(make):
    hands = Hands()
    store = make(clock=hands)
    of = plan(option("a", Limit("requests", 1, 10.0)))
    store.reserve(ask(of))
    hands.at -= 50.0

    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Refusal)
