"""Two books on one journal: what one does, the other does again, and both come to the same answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Hold, LimitRecord, Refusal, Reservation, Ticket, Tier, Used
from rotor_core._model import Limit, Price
from rotor_core._state.window import Guards
from rotor_core.stores._book import Book
from rotor_core.stores._handing import HELD
from rotor_core.stores._learning import teach


class Pair:
    """Books that share a journal. Everything goes through JSON on its way from one to the other."""

    def __init__(self, count=2, lease=600.0):
        self.books = [Book(Guards(), lease, shared=True) for _ in range(count)]
        for n, book in enumerate(self.books):
            book.address = f"process {n}"
        self.at = START
        self.journal = []

    def do(self, n, what, *arguments, **more):
        """One turn of one process; then all others catch up."""
        book = self.books[n]
        book.begin(self.at)
        result = getattr(book, what)(*arguments, now=self.at, **more)
        self.spread(n)
        return result

    def spread(self, n):
        row = json.dumps(self.books[n].effects)
        self.books[n].effects.clear()
        self.journal.append(row)
        for other in self.books:
            if other is not self.books[n]:
                for effect in json.loads(row):
                    other.apply(effect)

    def reserve(self, n, mine):
        return self.do(n, "reserve", mine)

    def settle(self, n, ident, used=AS_RESERVED, latency=None):
        return self.do(n, "settle", ident, used, latency, ())

    def agree(self):
        for book in self.books:
            for meter in book.shelf.meters.values():
                meter.window.resize(self.at, meter.window.value)  # what is over is forgotten by whoever looks
                meter.window.holds(self.at)
        states = [book.dump() for book in self.books]
        for state in states:
            for part in ("meters", "gates", "stats", "open", "queue", "rests"):
                state[part].sort(key=lambda row: json.dumps(row[0]))
        for state in states[1:]:
            for part, rows in states[0].items():
                assert _rounded(state[part]) == _rounded(rows), part


def _rounded(value):
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return value


def test_what_one_process_takes_another_cannot_have():
    pair = Pair()
    of = plan(option("a", rpm(2, "calendar")))

    assert isinstance(pair.reserve(0, ask(of)), Reservation)
    assert isinstance(pair.reserve(1, ask(of)), Reservation)
    assert isinstance(pair.reserve(0, ask(of, max_wait=0.0)), Refusal)
    pair.agree()


def test_another_process_may_settle_and_a_second_settle_changes_nothing():
    pair = Pair()
    one = option("a", Limit("tokens", 100, "minute", "calendar"), price=Price(1.0, 1.0))
    of = plan(one)
    grant = pair.reserve(0, ask(of, demand=Demand(60, 20)))

    pair.settle(1, grant.id, Used(1, 10, 5))
    pair.settle(0, grant.id, NOTHING_USED)

    assert pair.books[0].read([one], pair.at)[0].limits[0].used == 15
    pair.agree()


def test_a_freed_slot_is_kept_for_the_first_in_line_wherever_it_waits():
    pair = Pair(3)
    of = plan(option("a", at_a_time(1)))
    holder = pair.reserve(0, ask(of))
    first, second = ask(of), ask(of)
    called = []
    assert isinstance(pair.reserve(1, first), Ticket)
    assert isinstance(pair.reserve(2, second), Ticket)
    pair.books[1].watch(first.id, lambda: called.append("first"))

    pair.settle(0, holder.id)

    assert pair.books[0].wakes == [("process 1", first.id)]
    assert [call() for call in pair.books[1].called] == [None]
    assert called == ["first"]
    assert isinstance(pair.reserve(0, ask(of, max_wait=0.0)), Refusal), "a newcomer does not get it"
    assert isinstance(pair.reserve(2, second), Ticket)
    assert isinstance(pair.reserve(1, first), Reservation)
    pair.agree()


def test_a_slot_that_nobody_comes_for_goes_to_the_next_in_line():
    pair = Pair(3)
    of = plan(option("a", at_a_time(1)))
    holder = pair.reserve(0, ask(of))
    gone, next_ = ask(of, max_wait=100.0), ask(of, max_wait=100.0)
    pair.reserve(1, gone)
    pair.reserve(2, next_)
    pair.settle(0, holder.id)

    pair.at += HELD + 0.1

    assert isinstance(pair.reserve(2, next_), Reservation)
    pair.agree()


def test_a_ticket_that_is_given_up_lets_go_of_the_slot_kept_for_it():
    pair = Pair()
    of = plan(option("a", at_a_time(1)))
    holder = pair.reserve(0, ask(of))
    waiting = ask(of)
    pair.reserve(1, waiting)
    pair.settle(0, holder.id)

    pair.settle(1, waiting.id, NOTHING_USED)

    assert isinstance(pair.reserve(0, ask(of)), Reservation)
    pair.agree()


def test_a_process_that_was_killed_gives_its_slots_back_when_its_lease_ends():
    pair = Pair(lease=60.0)
    of = plan(option("a", at_a_time(1), rpm(2, "calendar")))
    pair.reserve(0, ask(of))
    pair.at += 61

    assert isinstance(pair.reserve(1, ask(of)), Reservation)
    pair.agree()


def test_what_one_process_learns_binds_the_others():
    pair = Pair()
    one = option("a", subject="q|m")
    of = plan(one)
    pair.reserve(0, ask(of))
    pair.reserve(1, ask(of))
    limit = Limit("requests", 2, "minute", "rolling", source="header")
    record = LimitRecord(f"q|m|{limit.identity}", limit, None, pair.at, pair.at + 100, 1.0, "a header")

    lessons = teach(pair.books[0].shelf, "q|m", [Hold(record, ((pair.at - 5, 1.0),))], pair.at)
    pair.spread(0)

    assert [lesson.before for lesson in lessons] == [None]
    assert isinstance(pair.reserve(1, ask(of)), Reservation)
    assert isinstance(pair.reserve(1, ask(of, max_wait=0.0)), Refusal)
    pair.at += 101
    assert isinstance(pair.reserve(0, ask(of, max_wait=0.0)), Reservation), "it is no longer believed"
    assert pair.books[1].read([one], pair.at)[0].limits == ()
    pair.agree()


def test_a_book_that_was_away_goes_on_from_the_others_state():
    pair = Pair()
    one = option("a", rpm(3), at_a_time(2), Limit("tokens", 500, "minute", "rolling"), subject="q|m")
    of = plan(one)
    grants = [pair.reserve(0, ask(of)) for _ in range(2)]
    waiting = ask(of)
    called = []
    pair.reserve(1, waiting)
    pair.books[1].watch(waiting.id, lambda: called.append(1))
    pair.do(0, "rest", "provider:x", pair.at + 50, "timeout")

    pair.books[1].load(json.loads(json.dumps(pair.books[0].dump())))
    pair.agree()
    pair.settle(0, grants[0].id, latency=0.5)

    assert [call() for call in pair.books[1].called] == [None]
    assert called == [1]
    assert isinstance(pair.reserve(1, waiting), Reservation)


LIMITS = st.sampled_from(
    [
        (rpm(3),),
        (rpm(2, "rolling"), Limit("tokens", 90, "minute", "calendar")),
        (at_a_time(1), rpm(4, "calendar")),
        (at_a_time(2),),
        (Limit("tokens", 200, 10.0, "bucket"), Limit("usd", 0.01, "day", "calendar")),
    ]
)
STEP = st.tuples(
    st.integers(0, 1),
    st.sampled_from(["reserve", "reserve", "settle", "twice", "cancel", "late", "redeem", "rest", "reset", "reload"]),
    st.integers(0, 60),
    st.floats(0.0, 30.0),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LIMITS, min_size=1, max_size=3), st.lists(STEP, min_size=5, max_size=40))
def test_books_on_one_journal_come_to_the_same_state_and_to_the_same_answers(limits, steps):
    pair = Pair(lease=45.0)
    options = [option(f"o{n}", *some, subject=f"q{n}|m", price=Price(1.0, 2.0)) for n, some in enumerate(limits)]
    plans = [plan(Tier(tuple(options)), score=in_order()) for _ in pair.books]
    grants: list[str] = []
    tickets: list[tuple[int, object]] = []
    for n, what, amount, pause in steps:
        pair.at += pause
        if what == "reserve":
            mine = ask(plans[n], demand=Demand(amount + 1, 5), max_wait=20.0, priority=amount % 3)
            grant = pair.reserve(n, mine)
            if isinstance(grant, Ticket):
                tickets.append((n, mine))
            elif isinstance(grant, Reservation):
                grants.append(grant.id)
        elif what == "redeem" and tickets:
            of_whom, mine = tickets.pop(0)
            grant = pair.reserve(of_whom, mine)
            if isinstance(grant, Ticket):
                tickets.append((of_whom, mine))
            elif isinstance(grant, Reservation):
                grants.append(grant.id)
        elif what in ("settle", "twice", "cancel") and grants:
            ident = grants[amount % len(grants)] if what == "twice" else grants.pop(amount % len(grants))
            pair.settle(n, ident, NOTHING_USED if what == "cancel" else Used(1, amount, 3), 0.2)
        elif what == "late" and grants:
            pair.do(n, "dispatched", grants[amount % len(grants)])
        elif what == "rest":
            pair.do(n, "rest", f"deployment:o{amount % 3}", pair.at + amount, "timeout")
        elif what == "reset":
            pair.do(n, "reset", options[:1], windows=amount % 2 == 0)
        elif what == "reload":
            pair.books[n].load(json.loads(json.dumps(pair.books[1 - n].dump())))
        pair.agree()
    readings = [[r.limits for r in book.read(options, pair.at)] for book in pair.books]
    flat = [[(x.key, x.used, x.reserved) for limits in r for x in limits] for r in readings]
    assert [(k, pytest.approx(u), pytest.approx(v)) for k, u, v in flat[0]] == flat[1]


def test_a_waiter_that_leaves_while_a_slot_is_kept_for_it_lets_the_next_one_have_it_at_once():
    pair = Pair(3)
    of = plan(option("a", at_a_time(1)))
    holder = pair.reserve(0, ask(of))
    first, second = ask(of), ask(of)
    pair.reserve(1, first)
    pair.reserve(2, second)
    pair.settle(0, holder.id)
    pair.books[0].wakes.clear()

    pair.settle(1, first.id, NOTHING_USED)

    assert pair.books[1].wakes == [("process 2", second.id)]
    assert isinstance(pair.reserve(2, second), Reservation)
