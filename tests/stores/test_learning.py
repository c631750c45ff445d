"""What settled calls teach the ledger: limits that answers tell of, what is left of them, and refusals."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.made import START, ask, option, plan, rpm, tpm, world

from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Refusal, Reservation, Told, Used
from rotor_core._model import BoundLimit

ONE = Used(1, 10, 5)


def header(remaining=None, limit=30.0, unit="requests", per="minute", window="calendar", **more):
    return Told("header", unit, per, limit=limit, remaining=remaining, window=window, **more)


def bound(limit, subject="q|m"):
    return BoundLimit(f"{subject}|{limit.identity}", limit)


def learner(*limits):
    return option("a", *(bound(limit) for limit in limits), subject="q|m", model="m")


def reading(store, one, n=0):
    return store.read([one])[0].limits[n]


def call(store, of, *told, used=ONE, **more):
    """One call, settled with what its answer told; the lessons."""
    grant = store.reserve(ask(of, demand=Demand(10, 5), **more))
    assert isinstance(grant, Reservation)
    return store.settle(grant.id, used, 0.1, told)


def test_an_unknown_limit_is_held_once_a_header_tells_it():
    store, _ = world()
    one = learner()
    of = plan(one)

    lessons = call(store, of, header(27.0))

    assert [(x.before, x.limit.value, x.limit.unit, x.limit.source) for x in lessons] == [
        (None, 30.0, "requests", "header")
    ]
    assert reading(store, one).seen_at == START
    assert reading(store, one).declared is None
    grants = [store.reserve(ask(of, max_wait=0.0)) for _ in range(40)]
    assert 26 <= sum(isinstance(grant, Reservation) for grant in grants) <= 29


def test_a_header_outranks_the_configuration_and_says_so_once():
    store, _ = world()
    one = learner(rpm(100, "calendar"))
    of = plan(one)

    first, second = call(store, of, header(29.0)), call(store, of, header(28.0))

    assert [(x.before, x.limit.value) for x in first] == [(100.0, 30.0)]
    assert list(second) == []
    assert (reading(store, one).limit.value, reading(store, one).declared.value) == (30.0, 100.0)


def test_limits_go_up_as_well():
    store, _ = world()
    one = learner(rpm(3, "calendar"))
    of = plan(one)
    call(store, of, header(99.0, limit=100.0))

    assert all(isinstance(store.reserve(ask(of, max_wait=0.0)), Reservation) for _ in range(50))


@pytest.mark.parametrize("window", ["bucket", "calendar", "rolling"])
def test_what_others_took_of_the_same_limit_is_seen_in_what_is_left(window):
    store, _ = world()
    one = learner(rpm(30, window))
    of = plan(one)

    call(store, of, header(9.0, window=None))

    assert reading(store, one).remaining == pytest.approx(9, abs=0.1)


@pytest.mark.parametrize("window", ["bucket", "calendar"])
def test_what_was_counted_here_and_not_there_comes_back(window):
    store, hands = world()
    one = learner(rpm(30, window))
    of = plan(one)
    for _ in range(10):
        call(store, of)
    hands.at += 1

    call(store, of, header(29.0, window=None))

    assert reading(store, one).remaining == pytest.approx(29, abs=0.6)


def test_the_same_correction_is_not_made_twice_by_two_calls_that_saw_the_same():
    store, _ = world()
    one = learner(rpm(30, "calendar"))
    of = plan(one)
    a, b = (store.reserve(ask(of, demand=Demand(10, 5))) for _ in range(2))

    store.settle(a.id, ONE, 0.1, [header(19.0)])
    store.settle(b.id, ONE, 0.1, [header(18.0)])

    assert reading(store, one).remaining == pytest.approx(18)


def test_an_older_answer_that_comes_late_gives_nothing_back_that_is_in_flight():
    store, _ = world()
    one = learner(rpm(30, "calendar"))
    of = plan(one)
    first = store.reserve(ask(of, demand=Demand(10, 5)))
    others = [store.reserve(ask(of, demand=Demand(10, 5))) for _ in range(5)]

    store.settle(first.id, ONE, 0.1, [header(29.0)])

    assert reading(store, one).remaining == pytest.approx(24)
    for n, other in enumerate(others):
        store.settle(other.id, ONE, 0.1, [header(28.0 - n)])
    assert reading(store, one).remaining == pytest.approx(24)


LEFT = 12_000.0


def _tokens(remaining):
    return header(remaining, limit=LEFT, unit="tokens", window=None)


def test_what_others_in_flight_took_less_is_given_back_once():
    store, _ = world()
    one = learner(tpm(LEFT))
    of = plan(one)
    others = [store.reserve(ask(of, demand=Demand(100, 400))) for _ in range(3)]
    last = store.reserve(ask(of, demand=Demand(40, 120)))

    for n, other in enumerate(others):
        store.settle(other.id, Used(1, 100, 120), 0.1, [_tokens(LEFT - 220 * (n + 1))])
    store.settle(last.id, Used(1, 40, 120), 0.2, [_tokens(LEFT - 820)])

    assert reading(store, one).remaining == pytest.approx(LEFT - 820)


def test_who_overtook_a_call_on_the_way_does_not_give_it_back():
    store, _ = world()
    one = learner(tpm(LEFT))
    of = plan(one)
    large, small = (store.reserve(ask(of, demand=Demand(n, 120))) for n in (4_000, 40))

    store.settle(large.id, Used(1, 4_000, 120), 0.1, [_tokens(LEFT - 4_280)])
    store.settle(small.id, Used(1, 40, 120), 0.2, [_tokens(LEFT - 160)])

    assert LEFT - 4_441 <= reading(store, one).remaining <= LEFT - 4_279


@pytest.mark.parametrize("late", [0.0, 0.01, 0.024])
def test_a_charge_that_ends_while_a_call_is_on_its_way_does_not_make_that_call_free(late):
    store, hands = world()
    of = plan(learner(rpm(2, "rolling")))
    call(store, of, header(1.0, limit=2.0, window=None))
    hands.at = START + 60.0 + late  # over at the provider, and for a guard's length not yet here
    call(store, of, header(1.0, limit=2.0, window=None))
    hands.at += 1.0

    answers = [store.reserve(ask(of, max_wait=0.0)) for _ in range(2)]

    assert [isinstance(answer, Reservation) for answer in answers] == [True, False]


def test_an_older_figure_does_not_speak_against_a_newer_one():
    store, hands = world()
    one = learner(tpm(LEFT, "calendar"))
    of = plan(one)
    first = store.reserve(ask(of, demand=Demand(40, 120)))
    hands.at += 0.01
    second = store.reserve(ask(of, demand=Demand(40, 120)))

    store.settle(second.id, Used(1, 40, 120), 0.1, [_tokens(LEFT - 1_320)])  # somebody else took 1,000 between the two
    store.settle(first.id, Used(1, 40, 120), 0.2, [_tokens(LEFT - 160)])

    assert reading(store, one).remaining == pytest.approx(LEFT - 1_320)


def test_a_debt_is_seen_though_the_call_itself_took_less_than_reserved():
    store, _ = world()
    one = learner(tpm(LEFT))
    of = plan(one)
    grant = store.reserve(ask(of, demand=Demand(100, 400)))

    store.settle(grant.id, Used(1, 100, 120), 0.1, [_tokens(LEFT - 420)])  # somebody else took 200

    assert reading(store, one).remaining == pytest.approx(LEFT - 420)


def test_tokens_counted_before_the_answer_give_nothing_back():
    store, _ = world()
    one = learner(tpm(1_000, "calendar"))
    of = plan(one)
    grant = store.reserve(ask(of, demand=Demand(10, 90)))

    store.settle(grant.id, Used(1, 10, 80), 0.1, [header(990.0, limit=1_000.0, unit="tokens")])

    assert reading(store, one).remaining == pytest.approx(910)


def test_a_refusal_that_names_its_limit_is_believed_until_room_returns():
    store, _ = world()
    one = learner()
    of = plan(one)
    for _ in range(3):
        call(store, of)
    told = Told("error", "requests", "minute", limit=20.0, used=20.0, requested=1.0, retry_in=12.0, refused=True)

    lessons = call(store, of, told, used=NOTHING_USED)

    assert [(x.before, x.limit.value, x.limit.source) for x in lessons] == [(None, 20.0, "error")]
    refused = store.reserve(ask(of, max_wait=0.0))
    assert isinstance(refused, Refusal)
    assert refused.retry_at == pytest.approx(START + 12, abs=0.3)


def test_a_known_limit_that_refuses_anyway_has_no_room_until_it_says():
    store, _ = world()
    one = learner(rpm(30))
    of = plan(one)
    told = Told("error", "requests", "minute", limit=30.0, requested=1.0, retry_in=8.0, refused=True)

    call(store, of, told, used=NOTHING_USED)

    assert store.reserve(ask(of, max_wait=20.0)).at == pytest.approx(START + 8, abs=0.1)


def test_what_was_learned_is_forgotten_when_it_was_not_seen_for_long():
    store, hands = world()
    one = learner(rpm(100, "calendar"))
    of = plan(one)
    call(store, of, header(29.0))
    hands.at += 40 * 86400

    call(store, of)

    assert reading(store, one).limit.value == 100
    assert reading(store, one).seen_at is None


def test_a_configuration_that_says_something_else_waits_until_what_was_learned_has_aged():
    store, hands = world()
    call(store, plan(learner(rpm(100, "calendar"))), header(29.0))
    raised = learner(rpm(200, "calendar"))

    assert reading(store, raised).limit.value == 30
    assert reading(store, raised).declared.value == 200
    hands.at += 40 * 86400
    store.reserve(ask(plan(raised)))
    assert reading(store, raised).limit.value == 200


def test_a_reset_forgets_what_was_learned_and_rests_but_not_what_was_counted():
    store, _ = world()
    one = learner(rpm(100, "calendar"))
    of = plan(one)
    call(store, of, header(29.0))
    store.rest(one.scopes[0], START + 500, "timeout")

    store.reset([one])

    assert reading(store, one).limit.value == 100
    assert reading(store, one).used == 1
    assert isinstance(store.reserve(ask(of)), Reservation)


def test_a_reset_of_the_windows_keeps_what_is_in_flight():
    store, _ = world()
    one = learner(rpm(3, "calendar"))
    of = plan(one)
    call(store, of)
    store.reserve(ask(of))

    store.reset([one], windows=True)

    assert (reading(store, one).used, reading(store, one).reserved) == (0, 1)


def test_options_of_another_subject_learn_nothing():
    store, _ = world()
    other = option("b", subject="other|m")
    both = plan((learner(), other))
    call(store, plan(learner()), header(29.0))

    store.reserve(ask(both))

    assert store.read([other])[0].limits == ()


def test_what_is_learned_binds_every_plan_at_once():
    store, _ = world()
    one = learner()
    narrow, wide = plan(one), plan((one, option("b", rpm(1))))
    store.reserve(ask(wide))
    call(store, narrow, header(0.0, limit=5.0))

    grant = store.reserve(ask(wide))

    assert grant.deployment == "b"


def test_an_option_asleep_wakes_when_its_limit_is_dropped():
    store, _ = world()
    one = learner()
    of = plan(one)
    call(store, of, header(0.0, limit=5.0))
    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Refusal)

    store.reset([one])

    assert isinstance(store.reserve(ask(of, max_wait=0.0)), Reservation)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["bucket", "calendar", "rolling", None]),
    st.lists(
        st.tuples(
            st.floats(0, 30),
            st.sampled_from(["requests", "tokens", None]),
            st.sampled_from(["second", "minute", "day", None, 10.0]),
            st.one_of(st.none(), st.floats(0, 1e6)),
            st.one_of(st.none(), st.floats(0, 1e7)),
            st.one_of(st.none(), st.floats(0, 1e6)),
            st.booleans(),
        ),
        max_size=20,
    ),
)
def test_whatever_is_told_the_ledger_goes_on_and_keeps_its_reservations(window, said):
    store, hands = world()
    one = learner() if window is None else learner(rpm(30, window), tpm(10_000, window))
    of = plan(one)
    kept = store.reserve(ask(of, demand=Demand(10, 5)))
    for pause, unit, per, limit, remaining, wait, refused in said:
        hands.at += pause
        grant = store.reserve(ask(of, demand=Demand(10, 5), max_wait=5.0))
        told = Told(
            "error" if refused else "header", unit, per, limit, remaining=remaining, retry_in=wait, refused=refused,
            requested=1.0 if refused else None,
        )  # fmt: skip
        if isinstance(grant, Reservation):
            store.settle(grant.id, NOTHING_USED if refused else ONE, 0.1, [told])
        for r in store.read([one])[0].limits:
            assert r.used >= 0
            assert r.limit.value > 0

    assert store.reserve(ask(of, id=kept.id)) is kept
    store.settle(kept.id, ONE)


def test_grants_for_the_next_period_are_not_taken_for_what_others_took_of_this_one():
    store, hands = world()
    one = learner(rpm(5, "calendar"))
    of = plan(one)
    mine = [store.reserve(ask(of, demand=Demand(10, 5), max_wait=100.0)) for _ in range(8)]
    assert sum(grant.at > hands.at + 1 for grant in mine) == 3
    hands.at += 1

    store.settle(mine[4].id, ONE, 0.1, [header(0.0, limit=5.0)])

    assert reading(store, one).used + reading(store, one).reserved == pytest.approx(5)


def test_a_correction_counts_as_made_only_as_far_as_it_could_be():
    store, hands = world()
    one = learner(rpm(30))
    of = plan(one)
    first, second = (store.reserve(ask(of, demand=Demand(10, 5))) for _ in range(2))
    hands.at += 0.5
    store.settle(first.id, ONE, 0.1, [header(30.0)])
    store.settle(second.id, ONE, 0.1, [header(28.0)])

    assert reading(store, one).remaining == pytest.approx(28, abs=0.6)
