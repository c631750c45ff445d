"""Keys of one organisation: found from what their answers tell, and counted as one where the configuration leaves it open."""

from __future__ import annotations

from random import Random

import pytest
from tests.stores.made import START, ask, at_a_time, in_order, option, plan, rpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Kin, Refusal, Reservation, Told, Used
from rotor_core._model import BoundLimit
from rotor_core._state.window import Guards, window_for
from rotor_core.stores._book import Book
from rotor_core.stores._kin import merge, merged

ONE = Used(1, 10, 5)
AT = "provider:https://a"


def key(quota, *limits, model="m", **more):
    bound = [BoundLimit(f"{quota}|{model}|{limit.identity}", limit) for limit in limits]
    return option(quota, *bound, scopes=(AT,), subject=f"{quota}|{model}", model=model, **more)


class There:
    """A provider that counts each key's requests in the quota that it belongs to."""

    def __init__(self, owners, limit=100.0, window="calendar"):
        self.owners, self.limit = owners, rpm(limit, window)
        self.windows = {owner: window_for(self.limit, Guards(0.0, 0.0), START - 60) for owner in owners.values()}

    def counted(self, owner, now):
        return self.windows[owner].used(now)

    def takes(self, key_, now):
        """Count a call; what its answer tells. What is refused counts nothing."""
        owner, value = self.owners[key_], self.limit.value
        if self.counted(owner, now) <= value - 1:
            self.windows[owner].charge(now, now, 1.0)
        remaining = int(max(0.0, value - self.counted(owner, now)))
        return Told("header", "requests", "minute", limit=value, remaining=float(remaining))


def traffic(store, hands, there, options, calls, draw, flying=1):
    """Calls with a key drawn each time, up to `flying` at once; the kinships found."""
    found, under_way = [], []
    for _ in range(calls):
        hands.at += 0.5
        one = draw.choice(options)
        grant = store.reserve(ask(plan(one), demand=Demand(10, 5), max_wait=0.0))
        if isinstance(grant, Reservation):
            under_way.append((grant.id, there.takes(one.id, hands.at)))
        if len(under_way) >= flying:
            ident, told = under_way.pop(draw.randrange(len(under_way)))
            found += [x for x in store.settle(ident, ONE, 0.1, [told]) if isinstance(x, Kin)]
    for ident, told in under_way:
        found += [x for x in store.settle(ident, ONE, 0.1, [told]) if isinstance(x, Kin)]
    return found


def used(store, one):
    return store.read([one])[0].limits[0].used


@pytest.mark.parametrize(
    ("window", "flying"), [("calendar", 1), ("calendar", 4), ("bucket", 1), ("bucket", 2), ("rolling", 1)]
)
def test_keys_of_one_quota_are_reported_once(window, flying):
    for seed in range(10):
        store, hands = world()
        options = [key("a", rpm(100, window)), key("b", rpm(100, window))]

        found = traffic(store, hands, There({"a": "x", "b": "x"}, 100.0, window), options, 250, Random(seed), flying)

        assert [kin.quotas for kin in found] == [("a", "b")]
        assert "requests a minute" in found[0].evidence


@pytest.mark.parametrize("window", ["calendar", "bucket", "rolling"])
def test_independent_keys_never_are(window):
    for seed in range(20):
        store, hands = world()
        options = [key(f"auto:{name}", rpm(100, window)) for name in "abc"]

        assert not traffic(
            store, hands, There({o.id: o.id for o in options}, 100.0, window), options, 600, Random(seed), 4
        )


def test_limits_that_only_headers_tell_are_compared_as_well():
    store, hands = world()
    options = [key("a"), key("b")]

    found = traffic(store, hands, There({"a": "x", "b": "x"}), options, 150, Random(1))

    assert [kin.quotas for kin in found] == [("a", "b")]


def test_quotas_with_a_name_are_reported_and_left_as_they_are():
    store, hands = world()
    a, b = key("a", rpm(100, "calendar")), key("auto:b", rpm(100, "calendar"))
    traffic(store, hands, There({"a": "x", "auto:b": "x"}), [a, b], 115, Random(1))
    hands.at = START + 60

    store.reserve(ask(plan(a)))

    assert store.read([b])[0].limits[0].reserved == 0


@pytest.mark.parametrize("declared", [True, False])
def test_auto_quotas_draw_on_the_same_limits_once_they_are_found_to_be_one(declared):
    store, hands = world()
    there = There({"auto:a": "x", "auto:b": "x"})
    limits = [rpm(100, "calendar")] if declared else []
    a, b = key("auto:a", *limits), key("auto:b", *limits)
    assert traffic(store, hands, there, [a, b], 230, Random(2))
    hands.at = START + 600

    grants = [store.reserve(ask(plan(a, b, score=in_order()), max_wait=0.0)) for _ in range(120)]

    assert sum(isinstance(grant, Reservation) for grant in grants) == 100
    readings = store.read([a, b])
    assert readings[0].limits == readings[1].limits
    assert isinstance(store.reserve(ask(plan(b), max_wait=0.0)), Refusal)


def test_after_it_neither_key_is_refused_though_they_share_one_limit():
    store, hands = world()
    there = There({"auto:a": "x", "auto:b": "x"}, limit=60.0)
    a, b = key("auto:a", rpm(60, "calendar")), key("auto:b", rpm(60, "calendar"))
    traffic(store, hands, there, [a, b], 230, Random(3))
    hands.at = START + 600

    traffic(store, hands, there, [a, b], 118, Random(4), 3)

    assert there.counted("x", hands.at) == 60


def book_with(*quotas, **more):
    """A book with two calls under way on each quota, one of them to come, and a call settled on each."""
    book = Book(Guards(), 600.0, shared=True)
    options = {quota: key(quota, rpm(4, "calendar"), at_a_time(9), **more) for quota in quotas}
    grants = []
    for quota, of in options.items():
        grants += [
            book.reserve(ask(plan(of), demand=Demand(10, 5), id=f"{quota}{n}", max_wait=90), START) for n in range(5)
        ]
        book.settle(f"{quota}0", ONE, 0.1, (), START)
    return book, options


def test_what_is_in_flight_goes_on_in_the_limit_that_stands_for_the_other():
    book, options = book_with("auto:a", "auto:b")
    merge(book, "auto:a", "auto:b", START + 1)
    merge(book, "auto:b", "auto:a", START + 1)

    [meter] = book.shelf.meters.values()
    assert meter.key.startswith("auto:a|")
    assert meter.window.used(START + 1) == 1 + 3 + 3
    assert (meter.flying, meter.coming) == (6, 2)
    for ident in list(book.open):
        book.settle(ident, NOTHING_USED, None, (), START + 2)
    assert meter.window.used(START + 2) == pytest.approx(1)
    assert (meter.flying, meter.coming) == (0, 0)
    assert [r.limits[0].key for r in book.read(list(options.values()), START + 2)] == [meter.key] * 2


def test_another_process_merges_as_well_and_a_snapshot_keeps_it():
    one, options = book_with("auto:a", "auto:b")
    effects = len(one.effects)
    two = Book(Guards(), 600.0, shared=True)
    two.load(one.dump())

    merged(one, [Kin(("auto:a", "auto:b"), "")], START + 1)
    for effect in one.effects[effects:]:
        two.apply(effect)
    three = Book(Guards(), 600.0, shared=True)
    three.load(one.dump())

    dumped = one.dump()
    assert two.dump()["meters"] == three.dump()["meters"] == dumped["meters"]
    assert two.dump()["open"] == dumped["open"]
    assert two.shelf.stands == three.shelf.stands == {"auto:b": "auto:a"}


def test_a_third_quota_joins_those_that_are_one_already():
    book, options = book_with("auto:a", "auto:b", "auto:c")
    merge(book, "auto:b", "auto:c", START + 1)
    merge(book, "auto:a", "auto:b", START + 1)

    assert book.shelf.stands == {"auto:b": "auto:a", "auto:c": "auto:a"}
    assert len(book.shelf.meters) == 1
    assert {known.subject for known in book.open.values()} == {"auto:a|m"}


def test_a_limit_that_only_the_other_quota_has_goes_with_it():
    book = Book(Guards(), 600.0)
    b = key("auto:b", rpm(4, "calendar"))
    book.settle(book.reserve(ask(plan(b)), START).id, AS_RESERVED, None, (), START)
    merge(book, "auto:a", "auto:b", START)

    [meter] = book.shelf.meters.values()
    assert meter.key.startswith("auto:a|")
    assert meter.window.used(START) == 1
    assert book.reserve(ask(plan(b)), START).deployment == "auto:b"


def test_a_call_that_was_not_counted_is_not_expected_in_the_others_figure():
    store, hands = world()
    there = There({"a": "x", "b": "x"})
    a, b = key("a", rpm(100, "calendar")), key("b", rpm(100, "calendar"))
    found, draw = [], Random(5)
    for _ in range(200):
        hands.at += 0.5
        one = draw.choice([a, b])
        for used_ in (NOTHING_USED, ONE):
            grant = store.reserve(ask(plan(one), demand=Demand(10, 5), max_wait=0.0))
            if isinstance(grant, Reservation):
                told = [there.takes(one.id, hands.at)] if used_ is ONE else []
                found += [x for x in store.settle(grant.id, used_, 0.1, told) if isinstance(x, Kin)]

    assert [kin.quotas for kin in found] == [("a", "b")]
