"""What answers tell, and what a subject is held to afterwards."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Block, Change, Correct, Drop, Hold, LimitRecord, Told, Used
from rotor_core._model import Limit
from rotor_core._state.learn import LIFE, NO_ROOM, Call, Trail, learn, lesson_of, probe

NOW = 1_000_000_020.0
"""A full minute."""

RPM = Limit("requests", 30, "minute")
TPM = Limit("tokens", 12_000, "minute")


def declared(limit: Limit, key: str = "") -> LimitRecord:
    return LimitRecord(key or f"q|m|{limit.identity}", limit, limit)


def call(
    *records: LimitRecord,
    at: float = NOW,
    used: Used = Used(1, 100, 50),
    demand: Demand = Demand(100, 400, 400),
    **more,
) -> Call:
    return Call("q|m", at, demand, used, records, **more)


def refused(*records: LimitRecord, at: float = NOW, **more) -> Call:
    return call(*records, at=at, used=NOTHING_USED, **more)


def trail(*ats: float) -> Trail:
    made = Trail()
    for at in ats:
        made.sent(at, 1, 100, 50)
    return made


def held(changes: list[Change]) -> LimitRecord:
    (hold,) = [change for change in changes if isinstance(change, Hold)]
    return hold.record


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


# --- kinds of windows ------------------------------------------------------------------------------------------------


def first(told: Told, now: float = NOW + 20.3) -> Limit:
    return held(learn(refused(at=now), [told], trail(), now)).limit


def test_a_wait_until_the_turn_of_the_minute_means_a_calendar():
    assert first(Told("error", "requests", "minute", 10, retry_in=39.7, refused=True)).window == "calendar"
    assert first(Told("error", "requests", "minute", 10, retry_in=30.0, refused=True)).window == "rolling"


@pytest.mark.parametrize(("tz", "midnight"), [("UTC", 1_000_080_000.0), ("America/Los_Angeles", 1_000_018_800.0)])
def test_a_day_ends_at_a_midnight_that_providers_use(tz: str, midnight: float):
    limit = first(Told("error", "requests", "day", 50, retry_in=midnight - NOW, refused=True), NOW)

    assert (limit.window, limit.tz) == ("calendar", tz)


def test_a_named_window_needs_no_more_evidence_and_an_unknown_zone_is_utc():
    assert (
        first(Told("error", "requests", "day", 50, window="calendar", tz="America/New_York")).tz == "America/New_York"
    )
    assert first(Told("error", "requests", "day", 50, window="calendar", tz="Nowhere/Land")).tz == "UTC"


def test_a_window_without_a_declaration_follows_the_evidence_and_a_declared_one_does_not():
    limit = Limit("tokens", 12_000, "minute", "rolling", source="error")
    told = Told("header", "tokens", "minute", 12_000, 11_000, resets_in=5.0)
    known = LimitRecord("k", limit, seen_at=NOW, expires_at=NOW + LIFE)

    assert held(learn(call(known), [told], trail(NOW), NOW)).limit.window == "bucket"
    assert not [c for c in learn(call(replace(known, declared=limit)), [told], trail(NOW), NOW) if isinstance(c, Hold)]


def test_evidence_that_may_be_chance_does_not_outweigh_what_is_held():
    limit = Limit("requests", 10, "minute", "rolling", source="error")
    known = LimitRecord("k", limit, seen_at=NOW, expires_at=NOW + LIFE)
    told = Told("header", "requests", "minute", 10, 5, resets_in=25.3)
    remembered = trail(NOW)

    assert not [c for c in learn(call(known, at=NOW + 5), [told], remembered, NOW + 5) if isinstance(c, Hold)]
    again = learn(call(known, at=NOW + 6), [told], remembered, NOW + 6)
    assert held(again).limit.window == "bucket"


def test_a_kind_that_is_settled_is_not_weighed_again_on_answers():
    told = Told("header", "tokens", "minute", 12_000, 11_000, resets_in=5.0, window="bucket")
    remembered = trail(NOW)
    record = held(learn(call(), [told], remembered, NOW))
    other = replace(told, window=None, resets_in=33.0)

    assert not [c for c in learn(call(record), [other], remembered, NOW) if isinstance(c, Hold)]
    without = replace(told, window=None, resets_in=None, refused=True)
    assert not [c for c in learn(refused(record), [without], remembered, NOW) if isinstance(c, Hold)]


# --- periods that are not told ---------------------------------------------------------------------------------------


def test_a_period_is_implied_by_the_refill():
    assert first(Told("header", "requests", None, 14_400, 14_390, resets_in=60 * 1.0 - 7)).per == "day"
    assert first(Told("error", "tokens", None, 12_000, None, 11_900, 500, None, 2.0, refused=True)).per == "minute"


def test_a_wait_of_a_whole_period_implies_nothing():
    assert first(Told("header", "requests", None, 30, 29, resets_in=59.0)).per == "minute"


def test_a_period_is_that_of_the_held_limit_with_that_figure_or_of_the_only_one():
    day = declared(Limit("requests", 1_000, "day"))

    assert (
        held(
            learn(
                call(declared(RPM), day),
                [Told("header", "requests", None, 1_000), Told("header", "requests", "day", 999)],
                trail(),
                NOW,
            )
        ).key
        == day.key
    )
    assert held(learn(call(day), [Told("header", "requests", None, 900)], trail(), NOW)).key == day.key


def test_a_refusal_is_per_the_period_in_which_so_much_had_gone_out():
    remembered = trail(*(NOW - 60 * k for k in range(20)))

    assert (
        held(learn(refused(), [Told("error", "requests", None, 20, refused=True)], remembered, NOW)).limit.per == "hour"
    )
    assert (
        held(learn(refused(), [Told("error", "requests", None, 5_000, refused=True)], remembered, NOW)).limit.per
        == "minute"
    )


# --- how tokens are deducted -----------------------------------------------------------------------------------------


def after(deducted: float, limit: Limit, count: int = 5) -> list[Change]:
    """Changes of the last of several calls, a second apart, of which each was deducted so much."""
    remembered, level, record = Trail(), limit.value, declared(limit)
    changes: list[Change] = []
    for k in range(count):
        at = NOW + k
        remembered.sent(at, 1, 100, 400)
        if limit.window == "bucket":
            level = min(limit.value, level + limit.value / 60)
        level -= deducted
        changes = learn(
            call(record, at=at), [Told("header", "tokens", "minute", limit.value, level)], remembered, at + 0.5
        )
        for change in changes:
            if isinstance(change, Hold):
                record = change.record
    return [Hold(record)] if record.seen_at is not None else changes


@pytest.mark.parametrize("window", ["bucket", "rolling", "calendar"])
def test_a_deduction_of_what_was_asked_for_is_learned_from_what_is_left(window: str):
    limit = Limit("tokens", 120_000, "minute", window)  # type: ignore[arg-type]

    assert held(after(3_500, limit)[:0] or after(500, replace(limit, value=24_000))).limit.counts == "requested"
    assert not [c for c in after(150, replace(limit, value=6_000)) if isinstance(c, Hold)]
    assert not [c for c in after(300, replace(limit, value=6_000)) if isinstance(c, Hold)]


def test_a_deduction_that_was_declared_as_requested_is_not_doubted():
    assert not [c for c in after(150, Limit("tokens", 6_000, "minute", counts="requested")) if isinstance(c, Hold)]


# --- refusals without a figure ---------------------------------------------------------------------------------------

SILENT = Told("error", refused=True)


def test_the_first_refusal_makes_a_guess_of_the_shortest_period_that_explains_it():
    changes = learn(refused(at=NOW), [SILENT], trail(NOW - 3, NOW - 0.6), NOW)
    record = held(changes)

    assert (record.limit.value, record.limit.per, record.limit.window, record.limit.source) == (
        1,
        "second",
        "rolling",
        "guess",
    )
    assert record.raise_at is not None
    assert record.raise_at > NOW
    assert changes[0] == Hold(record, ((NOW - 0.6, 1),))


def test_a_burst_before_shows_that_it_is_not_the_second():
    remembered = trail(*(NOW - 20 + k / 10 for k in range(5)), *(NOW - 8 + 4 * k for k in range(2)))

    assert held(learn(refused(at=NOW - 0.5), [SILENT], remembered, NOW)).limit.per == "minute"


def test_when_nothing_had_passed_little_is_let_through():
    hold, block = learn(refused(at=NOW), [SILENT], trail(), NOW)

    assert isinstance(hold, Hold)
    assert (hold.record.limit.value, hold.record.limit.per) == (1, 10.0)
    assert block == Block(hold.record.key, 1, NOW + 10)


def test_a_refusal_that_names_unit_and_period_is_guessed_for_those():
    remembered = trail(NOW - 50, NOW - 1)
    record = held(learn(refused(at=NOW), [replace(SILENT, unit="tokens", per="minute")], remembered, NOW))

    assert (record.limit.unit, record.limit.value, record.limit.per) == ("tokens", 500, "minute")


def test_a_wait_without_a_figure_is_kept():
    changes = learn(refused(at=NOW), [replace(SILENT, retry_in=7.0)], trail(NOW - 0.5), NOW)

    assert changes[1] == Block(held(changes).key, 1, NOW + 7)


def guessed(value: float = 1, per: float = 1.0, **more) -> LimitRecord:
    limit = Limit("requests", value, per, "rolling", source="guess")
    return replace(
        LimitRecord("q|m|requests|guess", limit, seen_at=NOW, expires_at=NOW + 1_800, raise_at=NOW + 30), **more
    )


def test_a_call_promised_before_the_guess_does_not_speak_against_it():
    assert learn(refused(guessed(), at=NOW - 0.1), [SILENT], trail(), NOW + 0.1) == []
    assert learn(refused(guessed(), at=NOW + 3, promised_at=NOW - 1), [SILENT], trail(), NOW + 3) == []


def test_a_call_that_the_guess_had_counted_as_passed_is_taken_off_it():
    assert held(learn(refused(guessed(5), at=NOW - 0.1), [SILENT], trail(NOW), NOW)).limit.value == 4
    assert learn(refused(guessed(5, step=0.1), at=NOW - 0.1), [SILENT], trail(NOW), NOW) == []


def test_a_guess_that_is_refused_after_a_few_calls_is_a_fifth_slower_after_many_a_tenth():
    few = held(learn(refused(guessed(), at=NOW + 5), [SILENT], trail(NOW + 4), NOW + 5))
    many = held(learn(refused(guessed(), at=NOW + 50), [SILENT], trail(*(NOW + k for k in range(1, 20))), NOW + 50))

    assert few.limit.seconds == pytest.approx(1.25)
    assert many.limit.seconds == pytest.approx(1 / 0.9)


def test_a_guess_that_is_refused_at_once_becomes_the_next_longer_period_or_half_as_fast():
    longer = held(learn(refused(guessed(), at=NOW + 5), [SILENT], trail(NOW - 0.5), NOW + 5))
    half = held(learn(refused(guessed(), at=NOW + 5), [SILENT], trail(), NOW + 5))
    stretched = held(learn(refused(guessed(20, 75.0), at=NOW + 5), [SILENT], trail(NOW - 1), NOW + 5))
    no_slower = held(
        learn(refused(guessed(1, 9.0), at=NOW + 9.5), [SILENT], trail(*(NOW - k / 9 for k in range(3))), NOW + 9.5)
    )

    assert longer.limit.seconds == 10
    assert half.limit.seconds == 2
    assert (stretched.limit.value, stretched.limit.seconds) == (1, 7.5)
    assert no_slower.limit.seconds == 18


def test_a_trial_that_is_refused_is_taken_back_at_once_and_the_next_waits_twice_as_long():
    trial = guessed(1, 1 / 1.1, step=0.1)
    back = held(learn(refused(trial, at=NOW + 5), [SILENT], trail(NOW + 4), NOW + 5))

    assert back.limit.per == "second"
    assert back.step == -0.05
    assert back.raise_at == pytest.approx(NOW + 65)


def test_a_guess_that_was_in_the_way_is_probed_upwards_and_stands_when_nothing_refuses():
    busy = trail(*(NOW + k for k in range(60)))
    (raised,) = probe([guessed(), declared(RPM)], busy, NOW + 30)
    assert isinstance(raised, Hold)
    (again,) = probe([raised.record], busy, NOW + 60)

    assert raised.record.limit.seconds == pytest.approx(1 / 1.1)
    assert raised.record.step == 0.1
    assert isinstance(again, Hold)
    assert again.record.step == 0.2
    assert again.record.limit.seconds == pytest.approx(1 / 1.1 / 1.2)


def test_a_guess_that_was_in_nobodys_way_is_left_as_it_is():
    (left,) = probe([guessed()], trail(), NOW + 30)

    assert isinstance(left, Hold)
    assert left.record.limit == guessed().limit
    assert left.record.raise_at == NOW + 60


def test_a_guess_is_probed_by_answers_that_tell_of_other_limits():
    record = guessed(raise_at=NOW)

    assert held(learn(call(record), [Told("header", "requests", "minute", 60)], trail(), NOW)[1:]).key == record.key


def test_a_guess_without_instants_is_looked_at_as_if_new():
    bare = replace(guessed(), seen_at=None, raise_at=None)

    assert held(learn(refused(bare, at=NOW + 1), [SILENT], trail(), NOW + 1)).limit.seconds == 2


def test_figures_take_the_place_of_a_guess():
    record = held(learn(call(guessed(per="second")), [Told("header", "requests", "second", 5)], trail(), NOW))  # type: ignore[arg-type]

    assert (record.limit.value, record.limit.source, record.raise_at) == (5, "header", None)


def test_a_refusal_is_laid_to_the_limit_that_is_nearly_used_up_and_the_second_time_believed():
    remembered, record = trail(*(NOW - k for k in range(1, 26))), declared(RPM)

    assert learn(refused(record), [SILENT], remembered, NOW) == [Block(record.key, 1, None)]
    lower = held(learn(refused(record, at=NOW + 1), [SILENT], remembered, NOW + 1))
    assert (lower.key, lower.declared, lower.limit.source) == (record.key, RPM, "guess")
    assert lower.limit.seconds > 60
    restored = held(learn(call(lower, at=NOW + 2), [Told("header", "requests", "minute", 40)], remembered, NOW + 2))
    assert (restored.limit.value, restored.limit.per, restored.limit.window) == (40, "minute", "bucket")


def test_a_calendar_that_is_guessed_lower_becomes_a_rolling_window():
    calendar = declared(replace(RPM, window="calendar"))
    remembered = trail(*(NOW - k for k in range(1, 26)))
    learn(refused(calendar), [SILENT], remembered, NOW)

    assert held(learn(refused(calendar, at=NOW + 1), [SILENT], remembered, NOW + 1)).limit.window == "rolling"


def test_limits_that_are_far_from_used_up_are_not_blamed():
    assert held(learn(refused(declared(RPM)), [SILENT], trail(NOW - 1), NOW)).limit.source == "guess"
    assert (
        held(learn(refused(declared(RPM)), [replace(SILENT, per="second")], trail(NOW - 1), NOW)).limit.per == "second"
    )


def test_a_refusal_is_laid_to_the_limit_of_which_the_same_answer_says_nothing_is_left():
    others = [SILENT, Told("header", "tokens", "minute", 12_000, 0), Told("header", "concurrent", None, 1, 0)]

    assert learn(refused(declared(TPM)), others, trail(), NOW) == [Block(declared(TPM).key, 500, None)]
    plenty = [SILENT, Told("header", "concurrent", None, 1, 0), Told("header", "tokens", "minute", 12_000, 9_000)]
    assert held(learn(refused(declared(TPM)), plenty, trail(), NOW)).limit.source == "guess"


def test_a_refusal_for_calls_at_a_time_or_with_figures_is_no_guess():
    assert learn(refused(), [Told("error", "concurrent", refused=True)], trail(), NOW) == []
    both = [SILENT, Told("error", "requests", "minute", 20, refused=True)]
    assert held(learn(refused(), both, trail(), NOW)).limit.source == "error"


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


def test_a_short_period_turns_all_the_time_so_no_wait_shows_a_calendar():
    told = Told("error", "requests", "second", 50, requested=1, retry_in=0.7, refused=True)

    assert held(learn(refused(), [told], trail(NOW), NOW)).limit.window == "rolling"
