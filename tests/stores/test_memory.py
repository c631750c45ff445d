"""The ledger in memory as a thing in a process: its names, threads, forks, and whoever interrupts it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest
from tests.stores.made import ask, at_a_time, option, plan, rpm, tpm, world

from rotor_core._errors import ConfigError
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Ticket, Used
from rotor_core.stores import _index
from rotor_core.stores.base import Store
from rotor_core.stores.memory import MemoryStore, open_memory_store


def test_a_name_stands_for_one_ledger_in_the_process():
    plain: Store = open_memory_store("memory://")

    assert MemoryStore.named() is plain
    assert MemoryStore.named("memory://tests") is MemoryStore.named("memory://tests")
    assert MemoryStore.named("memory://tests") is not plain
    assert isinstance(plain.now(), float)


@pytest.mark.parametrize("url", ["redis://x", "memory:/x", "memory", "memory://a/b"])
def test_what_is_not_a_ledger_in_memory_is_refused_by_name(url):
    with pytest.raises(ConfigError, match="memory://name") as error:
        MemoryStore.named(url)

    assert url in str(error.value)


def test_a_plan_that_nobody_holds_is_let_go():
    store, _ = world()
    of = plan(option("a", rpm(1, "calendar")))
    grant = store.reserve(ask(of))
    store.reserve(ask(of, max_wait=0.0))
    store.settle(grant.id, AS_RESERVED)
    gone = weakref.ref(of)
    del of
    gc.collect()

    assert gone() is None
    assert len(store._book._indexes) == 0
    assert len(store._book.shelf.meters["a/requests/minute/calendar"].groups) == 0


def test_leases_of_the_settled_are_not_kept():
    store, _ = world()
    of = plan(option("a"))
    for _ in range(1000):
        store.settle(store.reserve(ask(of)).id, AS_RESERVED)

    assert len(store._book._leases) < 200


def test_a_settlement_in_the_middle_of_a_turn_of_the_same_thread_waits_for_its_end():
    """Garbage collection may close a forgotten stream at any moment, and that settles."""
    store, _ = world()
    one = option("a", rpm(10, "calendar"))
    of = plan(one)
    open_ = store.reserve(ask(of))

    def score(standing):
        store.settle(open_.id, NOTHING_USED)
        seen.append(open_.id in store._book.open)
        return 0.0

    seen = []
    store.reserve(ask(plan(one, score=score)))

    assert seen[0] is True
    assert open_.id not in store._book.open
    assert store.read([one])[0].limits[0].reserved == 1


def test_a_ranking_that_fails_leaves_the_ledger_usable():
    store, hands = world(lease=5.0)
    slot = option("a", at_a_time(1))
    broken = plan((slot,), score=lambda s: 1 / s.served)
    with pytest.raises(ZeroDivisionError):
        store.reserve(ask(broken))

    of = plan(slot)
    store.reserve(ask(of))
    assert isinstance(store.reserve(ask(of)), Ticket)
    done = threading.Thread(target=store.now)
    done.start()
    done.join(5)
    assert not done.is_alive()


def test_an_error_while_expired_slots_are_passed_on_does_not_keep_the_lock():
    store, hands = world(lease=5.0)
    slot, broken = option("a", at_a_time(1)), []

    def score(standing):
        if broken:
            raise ZeroDivisionError
        return 0.0

    of = plan(slot, score=score)
    store.reserve(ask(of))
    store.reserve(ask(of, max_wait=50.0))
    hands.at += 10
    broken.append(True)
    with pytest.raises(ZeroDivisionError):
        store.read([])
    answered = []
    other = threading.Thread(target=lambda: answered.append(store.read([slot])))
    other.start()
    other.join(5)

    assert answered


def test_hammered_by_threads_nothing_is_granted_twice_or_lost():
    store = MemoryStore()
    one, two = option("a", rpm(200, "calendar"), tpm(4000, "calendar")), option("b", rpm(150, "rolling"))
    plans = [plan((one, two)), plan((two, one)), plan(one)]
    granted, errors = [], []

    def work(k):
        try:
            for n in range(100):
                grant = store.reserve(ask(plans[(k + n) % 3], 10, id=f"{k}.{n}", max_wait=0.0))
                if isinstance(grant, Reservation):
                    granted.append(grant.deployment)
                    if n % 3:
                        store.dispatched(grant.id)
                        store.settle(grant.id, Used(1, 10, 0), latency=0.1)
                store.read([one, two])
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert errors == []
    # A minute may have ended meanwhile, once.
    assert granted.count("a") in range(200, 401)
    assert granted.count("b") == 150


def test_starting_over_frees_the_slots_wakes_who_slept_for_them_and_keeps_the_charges():
    store, _ = world()
    one = option("a", at_a_time(1), rpm(3, "calendar"))
    of = plan(one, option("b"))
    mine = store.reserve(ask(of))
    assert store.reserve(ask(of)).deployment == "b"
    store.reserve(ask(plan(one), id="waits"))
    store.start_over()

    assert store.reserve(ask(of)).deployment == "a"
    store.settle(mine.id, NOTHING_USED)
    slots, requests = store.read([one])[0].limits
    assert (slots.reserved, requests.used, requests.reserved) == (1, 1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_after_a_fork_the_child_has_nothing_in_flight_and_the_parent_goes_on():
    store, _ = world()
    one = option("a", at_a_time(1), rpm(3, "calendar"))
    of = plan(one)
    mine = store.reserve(ask(of))
    store.reserve(ask(of, id="waits"))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        slots, requests = store.read([one])[0].limits
        grant = store.reserve(ask(of))
        said = f"{slots.reserved:g} {requests.used:g} {type(grant).__name__} {len(store._book.queue)}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 100).decode()
    os.close(read)
    os.waitpid(child, 0)

    assert said == "0 1 Reservation 0"
    assert isinstance(store.reserve(ask(of)), Ticket)
    store.settle(mine.id, AS_RESERVED)
    assert isinstance(store.reserve(ask(of, id="waits")), Reservation)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_other_threads_are_at_it_leaves_a_whole_ledger():
    store = MemoryStore()
    of = plan(tuple(option(f"o{n}", rpm(1e9)) for n in range(20)))
    stop = threading.Event()

    def work():
        while not stop.is_set():
            store.settle(store.reserve(ask(of)).id, AS_RESERVED)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    codes = []
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                fine = all(isinstance(store.reserve(ask(of)), Reservation) for _ in range(50))
                os._exit(0 if fine and MemoryStore.named("memory://forked") else 1)
            codes.append(os.waitpid(child, 0)[1])
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)

    assert codes == [0] * 5


def test_the_ledger_needs_no_more_than_the_standard_library_and_the_plugin_door():
    code = (
        "import sys, rotor_core.stores.memory;"
        "print([m for m in ('httpx', 'pydantic', 'yaml', 'asyncio', 'aiohttp', 'langchain_core') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"


def test_a_refusal_costs_nobody_else_anything():
    store, _ = world()
    of = plan(option("a", rpm(1)), option("b", rpm(1)))
    for _ in range(2):
        store.reserve(ask(of))

    before = store.read([option("a", rpm(1)), option("b", rpm(1))])
    assert all(isinstance(store.reserve(ask(of, max_wait=1.0)), Refusal) for _ in range(20))
    assert store.read([option("a", rpm(1)), option("b", rpm(1))]) == before


def test_an_order_that_ctrl_c_cut_off_in_the_middle_of_sorting_is_made_anew(monkeypatch):
    store, hands = world()
    of = plan(tuple(option(name, rpm(50)) for name in "abc"))
    cut = 0

    def interrupted(*_):
        raise KeyboardInterrupt

    for _ in range(12):
        hands.at += 1.0
        store.reserve(ask(of))
        with monkeypatch.context() as patched:
            patched.setattr(_index, "insort", interrupted)
            try:
                store.reserve(ask(of))
            except KeyboardInterrupt:
                cut += 1
        assert isinstance(store.reserve(ask(of)), Reservation)

    assert cut
