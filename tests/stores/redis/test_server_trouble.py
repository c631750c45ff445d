"""A Redis that forgot, that lost everything or is in trouble, and a URL that cannot be: what is done and what is said."""

from __future__ import annotations

import pytest
from tests.stores.made import ask, at_a_time, in_order, option, plan, rpm, tpm

from rotor_core._errors import ConfigError, StoreError
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation
from rotor_core.stores import _redis_ledger
from rotor_core.stores.redis import RedisStore


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
