"""A shared ledger that goes away, among threads, processes and those who share it here."""

from __future__ import annotations

import gc
import os
import threading
from typing import Any

import pytest
from tests.stores.away import NOW, Heard, Shared, process
from tests.stores.made import FREE, ask, option, plan, rpm

from rotor_core import StoreRegained
from rotor_core._ledger import Reservation
from rotor_core._model import BoundLimit
from rotor_core.stores.steady import Steady


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
