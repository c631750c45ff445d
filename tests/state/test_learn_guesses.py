"""Refusals that name no figure: a limit is guessed, lowered, probed, and given up for what is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.state.answered import NOW, RPM, TPM, call, declared, held, refused, trail

from rotor_core._ledger import Block, Hold, LimitRecord, Told
from rotor_core._model import Limit
from rotor_core._state.learn import learn, probe

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
