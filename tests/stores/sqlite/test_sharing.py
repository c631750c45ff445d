"""Several processes on one file hold one ledger, and it outlives them all."""

from __future__ import annotations

import gc
import json
import sqlite3
import weakref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, tpm, world

from rotor_core._demand import Demand
from rotor_core._errors import ConfigError
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Hold, LimitRecord, Refusal, Reservation, Ticket, Tier, Used
from rotor_core._model import Limit
from rotor_core.stores import _journal, sqlite
from rotor_core.stores._learning import teach
from rotor_core.stores.base import Store
from rotor_core.stores.sqlite import SqliteStore


def test_what_one_takes_the_other_cannot_have(site):
    one, other = site.open(), site.open()
    of = plan(option("a", rpm(2, "calendar")))

    assert isinstance(one.reserve(ask(of)), Reservation)
    assert isinstance(other.reserve(ask(of)), Reservation)
    assert isinstance(one.reserve(ask(of, max_wait=0.0)), Refusal)
    assert isinstance(other.reserve(ask(of, max_wait=0.0)), Refusal)


def test_a_reservation_may_be_settled_elsewhere_and_only_once(site):
    one, other = site.open(), site.open()
    a = option("a", tpm(100, "calendar"))
    grant = one.reserve(ask(plan(a), demand=Demand(60, 20)))

    other.settle(grant.id, Used(1, 10, 5))
    one.settle(grant.id, NOTHING_USED)

    assert one.read([a])[0].limits[0].used == 15


def test_reserving_again_by_the_same_id_takes_nothing_more(site):
    one, other = site.open(), site.open()
    a = option("a", rpm(5, "calendar"))
    first = one.reserve(ask(plan(a), id="mine"))

    again = other.reserve(ask(plan(a), id="mine"))

    assert (again.id, again.at, again.expires_at) == (first.id, first.at, first.expires_at)
    assert other.read([a])[0].limits[0].reserved == 1


def test_a_rest_holds_everywhere_until_it_is_reset(site):
    one, other = site.open(), site.open()
    a = option("a", rpm(5))
    one.rest("deployment:a", START + 60, "timeout")
    assert isinstance(other.reserve(ask(plan(a), max_wait=0.0)), Refusal)

    other.reset([a])

    assert isinstance(one.reserve(ask(plan(a), max_wait=0.0)), Reservation)


def test_windows_statistics_and_what_was_learned_survive_a_restart(site):
    before = site.open()
    a = option("a", rpm(3), tpm(500, "rolling"), Limit("requests", 9, "day", "calendar"), subject="q|m")
    of = plan(a)
    for _ in range(3):
        before.settle(before.reserve(ask(of)).id, Used(1, 40, 5), 0.7)
    limit = Limit("requests", 4, "hour", "rolling", source="header")
    record = LimitRecord(f"q|m|{limit.identity}", limit, None, START, START + 1e6, 0.9, "a header")
    before._turns.turn(lambda book, now: teach(book.shelf, "q|m", [Hold(record, ((START, 3.0),))], now))
    was = before.read([a])
    before.close()

    site.hands.at += 5.0
    after = site.open()
    now = after.read([a])

    assert now[0].served == was[0].served == 3
    assert now[0].latency == was[0].latency
    assert [(x.key, x.limit, x.seen_at, x.confidence) for x in now[0].limits] == [
        (x.key, x.limit, x.seen_at, x.confidence) for x in was[0].limits
    ]
    assert [x.used for x in now[0].limits] == pytest.approx([3 - 5 / 20, 135, 3, 3])
    assert isinstance(after.reserve(ask(of, max_wait=0.0)), Refusal), "the bucket has not refilled yet"
    site.hands.at += 60.0
    assert isinstance(after.reserve(ask(of, max_wait=0.0)), Reservation)
    assert isinstance(after.reserve(ask(of, max_wait=0.0)), Refusal), "four an hour were learned"


def test_who_was_away_for_longer_than_the_journal_reaches_reads_the_whole_again(site, monkeypatch):
    monkeypatch.setattr(_journal, "_OFTEN", 8)
    monkeypatch.setattr(_journal, "KEPT", 4)
    one, away = site.open(), site.open()
    slot = option("slot", at_a_time(1))
    a = option("a", rpm(1000, "calendar"))
    held = one.reserve(ask(plan(slot)))
    waiting = ask(plan(slot))
    assert isinstance(away.reserve(waiting), Ticket)
    for _ in range(40):
        one.settle(one.reserve(ask(plan(a))).id, AS_RESERVED)
    kept = one._file.rows("SELECT count(*) FROM journal")[0][0]

    assert kept <= 16
    assert away.read([a])[0].limits[0].used == 40
    one.settle(held.id, AS_RESERVED)
    assert isinstance(away.reserve(waiting), Reservation), "it still knew whose ticket that was"


def test_a_process_that_was_killed_gives_its_slots_back_when_its_lease_ends(site):
    killed, other = site.open(lease=60.0), site.open(lease=60.0)
    of = plan(option("a", at_a_time(1), rpm(2, "calendar")))
    killed.reserve(ask(of))
    assert isinstance(other.reserve(ask(of)), Ticket)

    site.hands.at += 61

    assert isinstance(other.reserve(ask(of)), Reservation)
    assert killed._turns.book.read([], START) == []


def test_a_glance_sees_what_was_last_seen_and_asks_nobody(site):
    one, other = site.open(), site.open()
    a = option("a", rpm(5, "calendar"))
    assert other.glance([a])[0].limits[0].used == 0
    other.reserve(ask(plan(a)))
    one.reserve(ask(plan(a)))

    assert other.glance([a])[0].limits[0].reserved == 1
    other._file.close()
    assert other.glance([a])[0].limits[0].reserved == 1
    assert not other._file.is_open
    assert other.read([a])[0].limits[0].reserved == 2


def test_a_limit_first_seen_in_a_glance_is_known_to_the_others_too(site):
    one, other = site.open(), site.open()
    a, b = option("a", rpm(1, "calendar")), option("b", rpm(1, "calendar"))
    one.reserve(ask(plan(b)))
    one.glance([a])

    one.reserve(ask(plan(a)))

    assert isinstance(other.reserve(ask(plan(a), max_wait=0.0)), Refusal)


def test_the_journal_holds_neither_more_nor_less_than_json(site):
    store = site.open()
    grant = store.reserve(ask(plan(option("a", rpm(5), subject="q|m", price=None))))
    store.settle(grant.id, AS_RESERVED, 0.25)

    rows = [json.loads(text) for (text,) in store._file.rows("SELECT effects FROM journal ORDER BY seq")]

    assert rows[0] == []
    assert [effect[0] for effect in rows[1]] == ["meter", "take"]
    assert [effect[0] for effect in rows[2]] == ["end"]


def test_the_file_says_what_it_is(site):
    site.open().read([])
    site.close()
    with sqlite3.connect(site.path) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (1,)
        assert found.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    found.close()


def test_a_url_stands_for_one_ledger_in_the_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative: Store = SqliteStore.named("sqlite:///here.db")
    absolute = SqliteStore.named(f"sqlite:///{tmp_path}/here.db")

    assert relative is absolute
    assert SqliteStore.named("sqlite:///other.db") is not absolute
    assert absolute.path == (tmp_path / "here.db").resolve()
    assert not absolute.path.exists(), "it is made when first needed"
    assert isinstance(relative.now(), float)


@pytest.mark.parametrize(
    "url", ["sqlite://x.db", "sqlite:///", "sqlite", "redis:///x", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "sqlite:///d/"]
)  # fmt: skip
def test_what_is_not_a_ledger_in_a_file_is_refused_by_name(url):
    with pytest.raises(ConfigError, match="sqlite:////absolute/path.db") as error:
        SqliteStore.named(url)

    assert url in str(error.value)


def test_a_store_that_is_closed_opens_again_when_it_is_used(site):
    store = site.open()
    a = option("a", rpm(5, "calendar"))
    store.reserve(ask(plan(a)))
    store.close()
    assert not store._file.is_open

    assert isinstance(store.reserve(ask(plan(a))), Reservation)
    assert store.read([a])[0].limits[0].reserved == 2


def test_a_store_that_nobody_holds_lets_go_of_its_file(site):
    store = SqliteStore(site.path, clock=site.hands)
    of = plan(option("a", at_a_time(1)))
    store.reserve(ask(of))
    store.reserve(ask(of))
    file, bell, gone = store._file, store._bell, weakref.ref(store)
    assert bell.address
    del store
    gc.collect()

    assert gone() is None
    assert not file.is_open
    assert not bell.address


def test_a_bell_may_ring_for_a_store_that_is_gone():
    class Gone:
        def rung(self, ticket_id):
            raise AssertionError

    there = Gone()
    rung = sqlite._weakly(there.rung)
    del there
    gc.collect()

    rung("x")


def test_after_a_fork_the_child_begins_anew(site):
    store = site.open()
    a = option("a", at_a_time(1))
    store.reserve(ask(plan(a)))
    waiting = ask(plan(a))
    assert isinstance(store.reserve(waiting), Ticket)
    store.hold()
    assert not store._file.is_open
    store.start_over()

    assert not store._bell.address
    assert store._turns.seq is None
    assert isinstance(store.reserve(ask(plan(a), max_wait=0.0)), Refusal)
    assert store._turns.book.queue.get(waiting.id).ask is None, "the parent's"


LIMITS = st.sampled_from(
    [
        (rpm(3),),
        (rpm(2, "rolling"), tpm(90, "calendar")),
        (at_a_time(1), rpm(4, "calendar")),
        (tpm(200, "bucket"), Limit("requests", 3, 10.0, "calendar")),
    ]
)

STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["reserve", "reserve", "reserve", "settle", "cancel", "late", "rest", "close", "behind"]),
        st.integers(1, 60),
        st.floats(0.0, 30.0),
    ),
    min_size=5,
    max_size=30,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LIMITS, min_size=1, max_size=3), STEPS)
def test_whichever_process_is_asked_the_answers_are_those_of_one_ledger_in_memory(tmp_path_factory, limits, steps):
    model, hands = world()
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    stores = [SqliteStore(path, clock=hands) for _ in range(3)]
    options = [option(f"o{n}", *some) for n, some in enumerate(limits)]
    of = plan(Tier(tuple(options)), score=in_order())
    grants: list[str] = []
    try:
        for n, what, amount, pause in steps:
            store = stores[n]
            hands.at += pause
            if what == "reserve":
                mine = ask(of, demand=Demand(amount, 5), max_wait=20.0)
                got, want = store.reserve(mine), model.reserve(mine)
                if isinstance(want, Ticket):
                    assert isinstance(got, Ticket)
                    assert got.give_up_at == want.give_up_at
                    for each in (store, model):
                        each.settle(mine.id, NOTHING_USED)
                elif isinstance(want, Reservation):
                    assert (got.deployment, got.at) == (want.deployment, pytest.approx(want.at, abs=1e-6))
                    grants.append(mine.id)
                else:
                    assert isinstance(got, Refusal)
                    assert got.retry_at == pytest.approx(want.retry_at, abs=1e-6)
            elif what in ("settle", "cancel") and grants:
                ident = grants.pop(amount % len(grants))
                used = NOTHING_USED if what == "cancel" else Used(1, amount, 3)
                store.settle(ident, used, 0.2)
                model.settle(ident, used, 0.2)
            elif what == "late" and grants:
                ident = grants[amount % len(grants)]
                assert store.dispatched(ident) == pytest.approx(model.dispatched(ident), abs=1e-6)
            elif what == "rest":
                store.rest(f"deployment:o{amount % 3}", hands.at + amount, "timeout")
                model.rest(f"deployment:o{amount % 3}", hands.at + amount, "timeout")
            elif what == "close":
                store.close()
            elif what == "behind":
                store._turns.seq = None
        expected = [[(x.key, x.used, x.reserved) for x in r.limits] for r in model.read(options)]
        for store in stores:
            found = [[(x.key, x.used, x.reserved) for x in r.limits] for r in store.read(options)]
            for mine, theirs in zip(found, expected, strict=True):
                for (key, used, reserved), (same, as_used, as_reserved) in zip(mine, theirs, strict=True):
                    assert key == same
                    assert used == pytest.approx(as_used, abs=1e-6)
                    assert reserved == pytest.approx(as_reserved, abs=1e-6)
    finally:
        for store in stores:
            store.close()
