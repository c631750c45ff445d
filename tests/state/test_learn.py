"""What answers tell, and what a subject is held to afterwards."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.state.answered import NOW, RPM, TPM, call, declared, held, refused, trail

from rotor_core._ledger import NOTHING_USED, Block, Change, Correct, Drop, Hold, LimitRecord, Told, Used
from rotor_core._model import Limit
from rotor_core._state.learn import LIFE, NO_ROOM, Trail, learn, lesson_of, probe

# --- figures of a limit that is held ---------------------------------------------------------------------------------


def test_a_header_that_agrees_only_corrects_what_is_taken():
    told = Told("header", "requests", "minute", 30, 12)

    assert learn(call(declared(RPM)), [told], trail(NOW), NOW) == [Correct(declared(RPM).key, 18, True)]


def test_tokens_that_are_counted_as_used_may_hold_only_part_of_the_call():
    told = Told("header", "tokens", "minute", 12_000, 11_000)

    assert learn(call(declared(TPM)), [told], trail(NOW), NOW) == [Correct(declared(TPM).key, 1_000, False)]
    asked = replace(TPM, counts="requested")
    assert learn(call(declared(asked)), [told], trail(NOW), NOW) == [Correct(declared(asked).key, 1_000, True)]


@pytest.mark.parametrize("value", [20, 60])
def test_a_limit_that_differs_is_held_from_now_on_whether_lower_or_higher(value: float):
    told = Told("header", "requests", "minute", value, text="x-limit: 20")
    record = held(learn(call(declared(RPM)), [told], trail(NOW), NOW))

    assert (record.limit.value, record.limit.source, record.declared) == (value, "header", RPM)
    assert (record.seen_at, record.expires_at, record.evidence) == (NOW, NOW + LIFE, "x-limit: 20")


def test_what_was_learned_is_renewed_when_a_quarter_of_its_life_is_over_and_not_before():
    told = Told("header", "requests", "minute", 20)
    record = held(learn(call(declared(RPM)), [told], trail(NOW), NOW))

    assert learn(call(record), [told], trail(NOW), NOW + LIFE / 5) == []
    renewed = held(learn(call(record), [told], trail(NOW), NOW + LIFE / 4))
    assert renewed == replace(record, seen_at=NOW + LIFE / 4, expires_at=NOW + LIFE * 5 / 4)


def test_a_learned_record_without_an_end_is_not_renewed():
    record = replace(declared(RPM), seen_at=NOW)

    assert learn(call(record), [Told("header", "requests", "minute", 30)], trail(), NOW + 1e9) == []


def test_a_remainder_of_a_refused_call_corrects_nothing_for_it_was_not_counted():
    assert learn(refused(declared(RPM)), [Told("header", "requests", "minute", 30, 12)], trail(), NOW) == []


def test_a_remainder_without_a_limit_is_taken_off_the_only_limit_of_its_unit():
    told = Told("header", "requests", None, None, 12)

    assert learn(call(declared(RPM), declared(TPM)), [told], trail(NOW), NOW) == [Correct(declared(RPM).key, 18, True)]
    assert learn(call(declared(RPM), declared(replace(RPM, per="day"))), [told], trail(NOW), NOW) == []


def test_a_remainder_above_the_limit_that_is_held_says_nothing():
    assert learn(call(declared(RPM)), [Told("header", "requests", "minute", None, 40)], trail(NOW), NOW) == []


def test_what_was_learned_before_the_same_limit_was_declared_gives_way():
    learned = LimitRecord("q|m|old", Limit("requests", 60, 60.0, "rolling"), seen_at=NOW)
    changes = learn(call(learned, declared(RPM)), [Told("header", "requests", "minute", 60, 50)], trail(NOW), NOW)

    assert changes[0] == Drop("q|m|old")
    assert held(changes).key == declared(RPM).key


def test_of_two_declared_limits_of_a_unit_and_period_the_nearest_is_meant():
    wide = declared(replace(RPM, value=100), "q|*|requests")
    told = Told("header", "requests", "minute", 90)

    assert held(learn(call(declared(RPM), wide), [told], trail(), NOW)).key == "q|*|requests"


# --- a limit that is new ---------------------------------------------------------------------------------------------


def test_a_limit_that_nobody_held_starts_with_what_has_passed():
    changes = learn(
        refused(), [Told("error", "requests", "minute", 20, refused=True)], trail(NOW - 90, NOW - 30, NOW - 5), NOW
    )

    hold, block = changes
    assert isinstance(hold, Hold)
    assert hold.past == ((NOW - 30, 1), (NOW - 5, 1))
    assert (hold.record.limit.window, hold.record.limit.source, hold.record.declared) == ("rolling", "error", None)
    assert block == Block(hold.record.key, 1, None)


def test_what_a_header_says_is_taken_tops_up_what_we_sent():
    told = Told("header", "requests", "minute", 20, 10)
    (hold,) = learn(call(), [told], trail(NOW - 90, NOW - 30, NOW, NOW + 1), NOW + 1)

    assert isinstance(hold, Hold)
    assert hold.past == ((NOW - 30, 1), (NOW, 1), (NOW, 8), (NOW + 1, 1))


def test_a_new_bucket_starts_with_what_the_header_says_and_what_went_out_since():
    told = Told("header", "tokens", "minute", 12_000, 11_000, resets_in=5.0)
    (hold,) = learn(call(), [told], trail(NOW - 30, NOW, NOW + 1), NOW + 1)

    assert isinstance(hold, Hold)
    assert hold.record.limit.window == "bucket"
    assert hold.past == ((NOW, 1_000), (NOW + 1, 150))


def test_a_full_limit_starts_empty():
    (hold,) = learn(call(at=NOW), [Told("header", "requests", "minute", 20, 20)], trail(), NOW)

    assert isinstance(hold, Hold)
    assert hold.past == ()


def test_a_refusal_says_until_when_there_is_no_room_for_how_much():
    told = Told("error", "tokens", "minute", 12_000, None, 11_900, 500, None, 2.0, refused=True)

    assert learn(refused(declared(TPM)), [told], trail(), NOW) == [Block(declared(TPM).key, 500, NOW + 2)]


def test_a_request_too_large_for_a_limit_teaches_the_limit_alone():
    told = Told("error", "tokens", "minute", 6_000, None, None, 14_000, text="too large")

    assert held(learn(refused(declared(TPM)), [told], trail(), NOW)).limit.value == 6_000
    assert learn(refused(declared(TPM)), [replace(told, limit=12_000, refused=True)], trail(), NOW) == []


def test_a_limit_of_nothing_shuts_for_an_hour():
    hold, block = learn(refused(declared(RPM)), [Told("error", "requests", "day", 0, refused=True)], trail(), NOW)

    assert isinstance(hold, Hold)
    assert hold.record.expires_at == NOW + NO_ROOM
    assert hold.record.limit.value > 0
    assert block == Block(hold.record.key, 1, NOW + NO_ROOM)
    assert learn(call(declared(RPM)), [Told("header", "requests", "minute", 0)], trail(), NOW) == []


# --- lessons ---------------------------------------------------------------------------------------------------------


def test_a_lesson_is_a_limit_that_is_held_otherwise():
    told = Told("header", "requests", "minute", 20, text="why")
    (hold,) = learn(call(declared(RPM)), [told], trail(), NOW)
    assert isinstance(hold, Hold)
    lesson = lesson_of(hold, declared(RPM), "q|m")

    assert lesson is not None
    assert (lesson.before, lesson.limit.value, lesson.evidence) == (30, 20, "why")
    assert lesson_of(hold, hold.record) is None
    new = lesson_of(hold, None)
    assert new is not None
    assert new.before is None
    assert lesson_of(Correct("k", 1, True), None) is None


# --- whatever is told ------------------------------------------------------------------------------------------------


odd = st.none() | st.sampled_from([0.0, -1.0, nan, inf, -inf, 1e-300, 1e300, 2.0**63]) | st.floats(0, 1e6)

tolds = st.builds(
    Told,
    source=st.sampled_from(["header", "error"]),
    unit=st.sampled_from([None, "requests", "tokens", "input_tokens", "output_tokens", "audio_seconds", "usd", "concurrent"]),
    per=st.sampled_from([None, "second", "minute", "hour", "day", "month", 10.0, 0.0, -5.0, nan, inf, "fortnight"]),
    limit=odd, remaining=odd, used=odd, requested=odd, resets_in=odd, retry_in=odd,
    refused=st.booleans(),
    window=st.sampled_from([None, "bucket", "rolling", "calendar", "concurrency"]),
    tz=st.sampled_from([None, "UTC", "America/Los_Angeles", "", "../etc", "\0"]),
)  # fmt: skip

steps = st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.lists(tolds, max_size=3)), max_size=15)


def numbers(change: Change) -> list[float]:
    match change:
        case Hold(record, past):
            found = [
                record.limit.value,
                record.limit.seconds,
                record.confidence,
                record.step,
                *(x for pair in past for x in pair),
            ]
            return [*found, *(x for x in (record.seen_at, record.expires_at, record.raise_at) if x is not None)]
        case Correct(_, used, _):
            return [used]
        case Block(_, amount, until):
            return [amount, until or 0.0]
        case _:
            return []


@given(steps, st.booleans())
@settings(deadline=None)
def test_whatever_is_told_nothing_is_raised_and_every_change_can_be_applied(told_at, known):
    remembered, now = Trail(), NOW
    records = {r.key: r for r in (declared(RPM), declared(TPM))} if known else {}
    for gap, refuses, told in told_at:
        now += gap
        remembered.sent(now, 1, 100, 400)
        if refuses:
            remembered.refused(now)
        made = call(*records.values(), at=now, used=NOTHING_USED if refuses else Used(1, 100, 50))
        for change in [
            *learn(made, told, remembered, now + 0.2),
            *probe(tuple(records.values()), remembered, now + 0.2),
        ]:
            assert all(isfinite(x) for x in numbers(change))
            if isinstance(change, Hold):
                assert change.record.limit.value > 0
                assert change.record.limit.seconds > 0
                records[change.record.key] = change.record
            elif isinstance(change, Correct):
                assert change.used >= 0
            elif isinstance(change, Drop):
                records.pop(change.key, None)
            else:
                assert change.amount > 0
                assert change.key in records


@given(st.lists(tolds.filter(lambda t: not t.refused), max_size=3))
@settings(deadline=None)
def test_the_same_told_twice_changes_nothing_the_second_time(told):
    told = [replace(one, window=None) for one in {(t.unit, t.per): t for t in told}.values() if one_per(one)]
    remembered, records = trail(NOW), {r.key: r for r in (declared(RPM), declared(TPM))}
    for change in learn(call(*records.values()), told, remembered, NOW):
        if isinstance(change, Hold):
            records[change.record.key] = change.record
        elif isinstance(change, Drop):
            del records[change.key]
    again = learn(call(*records.values()), told, remembered, NOW)

    assert all(isinstance(change, Correct) for change in again)


def one_per(told: Told) -> bool:
    return told.per is not None and told.resets_in is None


def test_headers_that_agree_cost_microseconds():
    remembered = trail(*(NOW - k / 10 for k in range(200, 0, -1)))
    records = (declared(RPM), declared(TPM), declared(Limit("requests", 1_000, "day")))
    told = (
        Told("header", "requests", "day", 1_000, 900, resets_in=3.0),
        Told("header", "tokens", "minute", 12_000, 9_000, resets_in=2.0),
    )
    best = inf
    for _ in range(200):
        begun = perf_counter()
        learn(call(*records), told, remembered, NOW)
        best = min(best, perf_counter() - begun)

    assert best < 100e-6


def test_of_two_learned_limits_of_a_unit_and_period_the_nearest_is_meant():
    rolling, bucket = replace(RPM, window="rolling", value=90.0, source="header"), replace(RPM, source="header")
    records = [LimitRecord(f"q|m|{limit.identity}", limit, seen_at=NOW) for limit in (rolling, bucket)]

    changes = learn(call(*records), [Told("header", "requests", "minute", 30, 12)], trail(NOW), NOW)

    assert changes == [Correct(records[1].key, 18, True)]
