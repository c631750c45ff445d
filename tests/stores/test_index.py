"""The index, against somebody who looks at every option each time."""

from __future__ import annotations

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.made import ask, at_a_time, option, plan, rpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Refusal, Standing, Ticket, Tier, Used
from rotor_core._model import BoundLimit, Limit, Price
from rotor_core._policy.rank import RANKINGS
from rotor_core._state.fit import earliest
from rotor_core.stores._index import FRESH

SOON = 0.025


class Scan:
    """Decides as the ledger's rules say, from the same windows, without any index."""

    def __init__(self, store, hands):
        self.store, self.hands = store, hands

    def instant(self, one, demand):
        now, meters = self.hands.at, self.store._book.shelf
        timed, gates = meters.of(one, now)
        rests = [r.until for s in one.scopes if (r := meters.rests.get(s)) and r.until > now]
        flying = len(self.store._book.open)
        amounts = [demand.charge(meter.limit, one.price, one.model, flying)[1] for meter in timed]
        e = earliest(now, max(rests, default=now), [meter.window for meter in timed], amounts)
        return e, all(gate.slots.fits(1) for gate in gates)

    def score(self, of, one):
        now = self.hands.at
        timed, gates = self.store._book.shelf.of(one, now)
        left = [m.window.headroom(now) for m in timed] + [g.slots.headroom() for g in gates]
        stats = self.store._book.shelf.stats_of(one.id)
        price = one.price.blended if one.price else inf
        return of.score(
            Standing(min(left, default=1.0), stats.served, stats.latency, one.weight, price, stats.on_trial)
        )

    def answer(self, one_ask):
        """The instant to expect (None: now), who may have it, and who waits for a slot only, as `(instant, option)`."""
        now, of = self.hands.at, one_ask.plan
        give_up = min(now + one_ask.max_wait, one_ask.deadline or inf)
        by = min(now + SOON, one_ask.deadline or inf)
        all_free, all_busy = [], []
        for tier in of.tiers:
            seen = [(o, *self.instant(o, one_ask.demand)) for o in tier.options if o.id not in one_ask.exclude]
            free = [(e, o) for o, e, is_free in seen if is_free]
            all_busy += [(e, o) for o, e, is_free in seen if not is_free and e < inf]
            if now_ones := [o for e, o in free if e <= by]:
                return None, now_ones, all_busy
            soonest = min((e for e, _ in free), default=inf)
            if soonest <= min(now + tier.max_wait, give_up):
                return soonest, [o for e, o in free if e == soonest], all_busy
            all_free += free
        soonest = min((e for e, _ in all_free), default=inf)
        return soonest, [o for e, o in all_free if e == soonest <= give_up], all_busy


demands = st.builds(
    Demand,
    input_tokens=st.integers(0, 60),
    output_tokens=st.integers(0, 60),
    max_tokens=st.one_of(st.none(), st.integers(1, 90)),
)


@st.composite
def limits(draw, shared):
    window = st.sampled_from(["bucket", "rolling", "calendar"])
    per = st.sampled_from(["second", 5.0, "minute"])
    choice = draw(st.integers(0, 5))
    if choice == 0:
        return Limit("requests", draw(st.integers(1, 6)), draw(per), draw(window))
    if choice == 1:
        return Limit("tokens", draw(st.integers(30, 300)), draw(per), draw(window), counts="requested")
    if choice == 2:
        return Limit("output_tokens", draw(st.integers(20, 300)), draw(per), draw(window))
    if choice == 3:
        return Limit("usd", draw(st.floats(0.001, 0.01)), draw(per), draw(window))
    if choice == 4:
        return at_a_time(draw(st.integers(1, 3)))
    return draw(st.sampled_from(shared))


@st.composite
def plans(draw, least=1, most=5):
    shared = [
        BoundLimit("org", rpm(draw(st.integers(2, 12)), "calendar")),
        BoundLimit("purse", Limit("usd", draw(st.floats(0.005, 0.05)), "minute", "rolling")),
    ]
    made, count = [], 0
    for _ in range(draw(st.integers(1, 3))):
        options = []
        for _ in range(draw(st.integers(least, most))):
            own = draw(st.lists(limits(shared), max_size=3))
            price = draw(st.sampled_from([Price(0.0, 0.0), Price(20.0, 60.0), None]))
            unique = {(x.key if isinstance(x, BoundLimit) else (x.unit, x.per, x.window)): x for x in own}
            options.append(
                option(f"o{count}", *unique.values(), scopes=("provider:p",) if count % 3 == 0 else (), price=price)
            )
            count += 1
        made.append(Tier(tuple(options), draw(st.sampled_from([0.0, 0.0, 2.0]))))
    return plan(*made, score=RANKINGS[draw(st.sampled_from(sorted(RANKINGS)))].score)


moves = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "ask", "settle", "cancel", "rest", "dispatch"]),
        st.floats(0.0, 4.0),
        demands,
        st.sampled_from([0.0, 1.0, 30.0]),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=40,
)


def play(of, steps, check_scores):
    store, hands = world()
    scan, open_ = Scan(store, hands), []
    for what, gap, demand, patience, pick in steps:
        hands.at += gap
        if what == "rest":
            store.rest("provider:p" if pick % 2 else f"deployment:o{pick}", hands.at + gap, "timeout")
        elif what != "ask":
            if open_:
                mine = open_.pop(pick % len(open_))
                if what == "dispatch":
                    store.dispatched(mine.id)
                    open_.append(mine)
                else:
                    used = NOTHING_USED if what == "cancel" else Used(1, mine.demand.input_tokens // 2, None)
                    store.settle(mine.id, used, latency=gap or None)
        else:
            exclude = frozenset({f"o{pick}"}) if pick % 4 == 0 else frozenset()
            mine = ask(of, demand=demand, max_wait=patience, exclude=exclude)
            if not (open_ and hands.at >= open_[0].expires_at):
                compare(store, hands, scan, mine, open_, check_scores)


def compare(store, hands, scan, mine, open_, check_scores):
    soonest, who, busy = scan.answer(mine)
    tops = {o.id: scan.score(mine.plan, o) for o in who}
    grant = store.reserve(mine)
    if isinstance(grant, Ticket):
        assert any(e <= grant.give_up_at for e, _ in busy)
        assert soonest is None or hands.at < grant.check_at <= max(hands.at, min(soonest, grant.give_up_at))
        assert soonest is not None or any(tier.max_wait for tier in mine.plan.tiers)
        store.settle(grant.id, NOTHING_USED)
    elif isinstance(grant, Refusal):
        assert not who
        assert mine.max_wait == 0 or not [e for e, _ in busy if e <= hands.at + mine.max_wait]
        assert set(grant.reasons) == {o.id for o in mine.plan.options}
        if busy:
            assert grant.retry_at <= soonest
        else:
            assert grant.retry_at == (soonest if soonest < inf else None)
    else:
        open_.append(grant)
        chosen = next(o for o in mine.plan.options if o.id == grant.deployment)
        if soonest is None:
            assert chosen in who
            assert grant.at <= hands.at + SOON
            best = max(tops.values())
            assert not check_scores or tops[chosen.id] == best or tops[chosen.id] >= best - 2 * FRESH * (1 + abs(best))
        else:
            assert chosen in who or busy
            assert grant.at == soonest or busy


@settings(max_examples=300, deadline=None)
@given(plans(), moves)
def test_it_chooses_as_well_as_a_look_at_every_option_would(of, steps):
    play(of, steps, check_scores=len(of.options) <= 5)


@settings(max_examples=40, deadline=None)
@given(plans(least=20, most=40), moves)
def test_among_many_options_too(of, steps):
    play(of, steps, check_scores=False)


def test_in_a_small_tier_the_order_is_exact_although_nobody_touched_what_has_refilled():
    store, hands = world()
    of = plan(tuple(option(f"o{n}", Limit("requests", 10 + n, 1.0)) for n in range(5)))
    for _ in range(40):
        store.reserve(ask(of, max_wait=0.0))
    hands.at += 0.5
    scan = Scan(store, hands)
    scores = {o.id: scan.score(of, o) for o in of.options}

    assert store.reserve(ask(of)).deployment == max(scores, key=lambda name: scores[name])
