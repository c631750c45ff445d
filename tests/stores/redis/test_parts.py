"""The parts that need no server: values on the wire, calendars, orders, and what was last seen."""

from __future__ import annotations

from math import inf, nan
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.stores.made import START, at_a_time, in_order, option, plan, rpm, tpm

from rotor_core._model import Limit
from rotor_core._state.spans import span
from rotor_core.stores._redis_clock import ServerClock
from rotor_core.stores._redis_order import PlanOrder
from rotor_core.stores._redis_view import LOG, TRIAL, Seen, View
from rotor_core.stores._redis_wire import pack, unpack
from rotor_core.stores._redis_words import known, record_of, words_of_record
from rotor_core.stores._redis_zones import reaches, zone

plain = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text()
values = st.recursive(plain, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=40)


@given(values)
def test_what_is_packed_comes_back_exact(value):
    assert unpack(pack(value)) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\xca\x3f\x80\x00\x00", 1.0), (b"\xcc\xff", 255), (b"\xcd\x01\x00", 256), (b"\xce\x00\x01\x00\x00", 65536),
        (b"\xcf" + b"\x00" * 7 + b"\x01", 1), (b"\xd0\xff", -1), (b"\xd1\xff\xff", -1), (b"\xd2\xff\xff\xff\xff", -1),
        (b"\xff", -1), (b"\xd9\x01a", "a"), (b"\xc4\x01a", "a"), (b"\xdd\x00\x00\x00\x01\x01", [1]), (b"\xde\x00\x01\x01\x02", {1: 2}),
    ],
)  # fmt: skip
def test_every_form_that_lua_writes_is_read(data, value):
    assert unpack(data) == value


def test_long_values_have_long_heads():
    for value in ["x" * 70_000, ["y"] * 70_000, {str(n): n for n in range(20)}]:
        assert unpack(pack(value)) == value


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xa5ab", b"\x92\x01", b"\xa1\xff"])
def test_what_is_no_value_is_an_error(data):
    with pytest.raises(ValueError, match="not a packed value"):
        unpack(data)


def test_nothing_else_can_be_sent():
    with pytest.raises(TypeError):
        pack({1, 2})


ZONES = ["UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]


@given(st.sampled_from(ZONES), st.sampled_from(["day", "month"]), st.floats(9e8, 2.5e9), st.floats(0, 30 * 86400.0))
def test_boundaries_are_those_of_the_calendar(tz, per, now, ahead):
    made = zone(Limit("requests", 1, per, "calendar", tz), now, now + ahead)
    bounds = made["b"]
    assert reaches(made, now, now + ahead)
    for t in (now, now + ahead):
        start, end = span(per, tz, t)
        i = bounds.index(start)
        assert bounds[i + 1] == end


@given(st.sampled_from(ZONES), st.sampled_from(["minute", "hour"]), st.floats(9e8, 2.5e9), st.floats(0, 30 * 86400.0))
def test_offsets_are_those_of_the_time_zone(tz, per, now, ahead):
    made = zone(Limit("requests", 1, per, "calendar", tz), now, now + ahead)
    for t in (now, now + ahead):
        offset = [o for since, o in zip(made["from"], made["off"], strict=True) if since <= t][-1]
        from datetime import datetime

        assert offset == datetime.fromtimestamp(int(t), ZoneInfo(tz)).utcoffset().total_seconds()


def test_a_number_of_seconds_has_no_zone():
    made = zone(Limit("requests", 1, 7.0, "calendar", "Europe/Berlin"), START, START)
    assert (made["len"], made["off"]) == (7.0, [0.0])
    assert reaches(made, START, START + 1e9)


def test_the_quickest_round_trip_tells_the_time():
    clock = ServerClock(lambda: 100.0)
    clock.heard(10.0, 10.5, 60.0)
    clock.heard(20.0, 20.1, 70.05)
    clock.heard(30.0, 31.0, 90.0)

    assert clock() == pytest.approx(150.0)


def test_what_was_seen_eases_with_time_as_its_kind_does():
    seen = Seen(START, 30.0, 60.0, 0.0, START + 30.0)
    bucket, rolling, calendar = (Limit("requests", 60, "minute", kind) for kind in ("bucket", "rolling", "calendar"))

    assert [seen.used_at(limit, START + 10.0) for limit in (bucket, rolling, calendar)] == [20.0, 20.0, 30.0]
    assert [seen.used_at(limit, START + 30.0) for limit in (bucket, rolling, calendar)] == [0.0, 0.0, 0.0]
    assert Seen(START, 3.0, 5.0, 3.0, None).used_at(bucket, START + 99.0) == 3.0


def marks(name, used, value=10.0, resets=START + 60.0):
    return [name, used, value, 0.0, resets]


def test_the_order_follows_what_was_seen():
    a, b, c = option("a", rpm(10)), option("b", rpm(10)), option("c", rpm(10))
    of = plan((a, b, c))
    order, view = PlanOrder(of), View()
    assert order.number({one.mark: n for n, one in enumerate(order.knowns, 1)}, "e")
    view.options = dict(enumerate(order.knowns, 1))
    tier = order.tiers[0]

    def now():
        return list(tier.packed(view, START, frozenset())[3::4])

    assert now() == [1, 2, 3]
    view.lines([[1, 1, False, *marks(1, 5.0)], [2, 1, False, *marks(1, 8.0)]], START)
    assert now() == [3, 1, 2]
    assert list(tier.packed(view, START, frozenset({"c"}))[3::4]) == [1, 2]
    for _ in range(LOG + 1):
        view.lines([[3, 1, 0.5, *marks(1, 9.0)]], START)
    assert now() == [1, 2, 3]


def test_a_trial_that_nobody_ended_here_is_not_believed_for_ever():
    view = View()
    a = known(option("a", rpm(10)))
    view.options = {1: a}
    view.lines([[1, 1, True]], START)

    assert [view.glance(a, START + t).on_trial for t in (0.0, TRIAL - 1.0, TRIAL)] == [True, True, False]
    view.lines([[1, 1, False]], START)
    assert not view.glance(a, START).on_trial


def test_a_score_that_is_no_number_goes_last():
    a, b = option("a", rpm(10)), option("b", rpm(10))
    order = PlanOrder(plan((a, b), score=lambda standing: nan if standing.served == 0 else 1.0))
    view = View()
    order.number({one.mark: n for n, one in enumerate(order.knowns, 1)}, "e")
    view.options = dict(enumerate(order.knowns, 1))
    view.lines([[2, 3, False]], START)

    assert list(order.tiers[0].packed(view, START, frozenset())[3::4]) == [2, 1]
    assert not order.number({}, "f")


def test_equal_plans_have_equal_marks():
    one, same, other = (PlanOrder(plan(option("a", rpm(n)), score=in_order())) for n in (1, 1, 2))
    assert one.mark == same.mark != other.mark


def test_a_glance_says_when_the_smallest_request_would_fit():
    view = View()
    a = known(option("a", rpm(10), tpm(1, "rolling")))
    b = known(option("b", rpm(10), at_a_time(1)))
    view.options = {1: a, 2: b}
    view.lines([[2, 4, 0.5, *marks(1, 10.0), *marks(-1, 1.0, 1.0, False)]], START)
    view.rested("deployment:b", START + 1.0, "tired")
    view.rested("deployment:b", START + 0.5, "less tired")

    assert view.glance(a, START).available_at is None  # two tokens never fit
    reading = view.glance(b, START)
    assert (reading.available_at, reading.resting, reading.served, reading.latency) == (START + 6.0, "tired", 4, 0.5)
    assert [limit.remaining for limit in reading.limits] == [0.0, 1.0]
    view.declared = dict(b.limits)
    assert view.used(START) == {b.keys[0]: 10.0}


def test_what_was_learned_comes_back_from_its_words():
    from rotor_core._ledger import LimitRecord

    record = LimitRecord(
        "k", rpm(5, "rolling", source="header"), rpm(9), START, START + 9.0, 0.9, "x", START + 1.0, 0.1
    )
    assert record_of("k", words_of_record("q|m", record), rpm(9)) == ("q|m", record)
    assert inf > record.confidence
