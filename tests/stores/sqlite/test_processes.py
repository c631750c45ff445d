"""Real processes on one file: what they take together is never more than there is, and a killed one harms nobody."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

from tests.stores.made import ask, at_a_time, option, plan

from rotor_core._ledger import Refusal, Reservation
from rotor_core._model import Limit
from rotor_core.stores.sqlite import SqliteStore

LONG = 1e9
"""Seconds: a period whose turn is far away."""

COMMON = textwrap.dedent("""
    import json, sys, threading, time
    from tests.stores.made import ask, at_a_time, option, plan
    from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Refusal, Reservation, Ticket, Used
    from rotor_core._model import Limit
    from rotor_core.stores.sqlite import SqliteStore
    path, name, *more = sys.argv[1:]
    store = SqliteStore(path)
    a = option("a", Limit("requests", 300, 1e9, "calendar"), Limit("tokens", 1e9, 1e9, "rolling"))
    of = plan(a)
    number = iter(range(10**9))
    def mine(of, **more):
        return ask(of, id=f"{name}-{next(number)}", **more)
    print("ready", flush=True)
    sys.stdin.readline()
""")

TAKE = """
taken = 0
for _ in range(110):
    grant = store.reserve(mine(of, max_wait=0.0))
    if isinstance(grant, Reservation):
        taken += 1
        store.sent(grant.id)
        store.settle(grant.id, Used(1, 20, 5), 0.01)
print(json.dumps(taken))
"""

WAIT = """
slot = plan(option("slot", at_a_time(2)))
held, longest = [], 0.0
for _ in range(25):
    one, asked = mine(slot), time.monotonic()
    grant = store.reserve(one)
    while isinstance(grant, Ticket):
        called = threading.Event()
        store.watch(grant.id, called.set)
        called.wait(max(0.0, grant.check_at - store.now()))
        grant = store.reserve(one)
    longest = max(longest, time.monotonic() - asked)
    begun = time.monotonic()
    time.sleep(0.002)
    held.append((begun, time.monotonic()))
    store.settle(grant.id, AS_RESERVED, 0.002)
print(json.dumps([held, longest]))
"""

FOREVER = """
settled = 0
while True:
    grant = store.reserve(mine(of, max_wait=0.0))
    if isinstance(grant, Reservation):
        store.settle(grant.id, NOTHING_USED, 0.01)
        settled += 1
        if settled == 50:
            print("in the middle", flush=True)
"""


def started(path, body, count):
    """So many processes, all at the same line."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMMON + body, str(path), f"p{n}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n in range(count)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return processes


def said(processes):
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        answers.append(json.loads(out))
    return answers


def test_four_processes_take_all_there_is_and_not_one_more(tmp_path):
    path = tmp_path / "ledger.db"

    taken = said(started(path, TAKE, 4))

    assert sum(taken) == 300
    store = SqliteStore(path)
    a = option("a", Limit("requests", 300, LONG, "calendar"), Limit("tokens", 1e9, LONG, "rolling"))
    requests, tokens = store.read([a])[0].limits
    assert (requests.used, requests.reserved, tokens.used) == (300, 0, 300 * 25)
    assert isinstance(store.reserve(ask(plan(a), max_wait=0.0)), Refusal)
    store.close()


def test_four_processes_hand_two_slots_to_one_another(tmp_path):
    answers = said(started(tmp_path / "ledger.db", WAIT, 4))

    turns = sorted(
        (at, change) for held, _ in answers for begun, ended in held for at, change in ((begun, 1), (ended, -1))
    )
    open_ = most = 0
    for _, change in turns:
        open_ += change
        most = max(most, open_)
    assert len(turns) == 200
    assert most == 2
    assert max(longest for _, longest in answers) < 15.0


def test_a_process_killed_in_the_middle_harms_nobody(tmp_path):
    path = tmp_path / "ledger.db"
    processes = started(path, FOREVER, 3)
    for process in processes:
        assert process.stdout.readline() == "in the middle\n", process.stderr.read()
    for process in processes[:2]:
        process.send_signal(signal.SIGKILL)
        process.wait()

    store = SqliteStore(path)
    a = option("a", Limit("requests", 300, LONG, "calendar"), Limit("tokens", 1e9, LONG, "rolling"))
    before = store.read([a])[0].served
    for _ in range(20):
        assert isinstance(store.reserve(ask(plan(a))), Reservation)
    deadline = time.monotonic() + 30
    while store.read([a])[0].served < before + 21 and time.monotonic() < deadline:
        time.sleep(0.01)
    went_on = store.read([a])[0].served > before + 20
    processes[2].kill()
    for process in processes:
        process.communicate()
    store.close()

    assert went_on
    with sqlite3.connect(path) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found.close()
    again = SqliteStore(path)
    reserved = again.read([a])[0].limits[0].reserved
    assert 20 <= reserved <= 23, "what was under way in those that were killed, at most one each"
    slots = option("slots", at_a_time(1))
    assert isinstance(again.reserve(ask(plan(slots))), Reservation)
    again.close()
