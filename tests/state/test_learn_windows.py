"""Of which kind of window a limit is, per which period, and how tokens are deducted: as answers tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.state.answered import NOW, RPM, call, declared, held, refused, trail

from rotor_core._ledger import Change, Hold, LimitRecord, Told
from rotor_core._model import Limit
from rotor_core._state.learn import LIFE, Trail, learn

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


def test_a_short_period_turns_all_the_time_so_no_wait_shows_a_calendar():
    told = Told("error", "requests", "second", 50, requested=1, retry_in=0.7, refused=True)

    assert held(learn(refused(), [told], trail(NOW), NOW)).limit.window == "rolling"


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
