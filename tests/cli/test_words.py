"""Figures as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_cli.words import amount, bar, count, duration, fraction, limit_name, milliseconds, money


def limit(**figures: object) -> dict[str, object]:
    return {"unit": "requests", "per": "minute", "limit": 30, "used": 0, "reserved": 0, "remaining": 30, **figures}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (0.25, "0.25"),
        (12.7, "13"),
        (1250, "1,250"),
        (12000, "12k"),
        (131072, "131k"),
        (1.5e6, "1.5M"),
    ],
)
def test_an_amount_is_short_and_keeps_what_matters(value: float, text: str) -> None:
    assert amount(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.99, "10 s"),
        (42, "42 s"),
        (200, "3 min"),
        (7200, "2 h"),
        (9e5, "10 d"),
    ],
)
def test_a_duration_has_one_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, "cost unknown"),
        (0, "$0"),
        (0.00214, "$0.0021"),
        (12.4, "$12.40"),
        (0.0000734, "$0.000073"),
        (0.25, "$0.25"),
    ],
)
def test_money_never_rounds_a_cost_to_nothing(usd: float | None, text: str) -> None:
    assert money(usd) == text


def test_milliseconds_become_seconds_when_there_are_many() -> None:
    assert [milliseconds(v) for v in (None, 41.4, 1234)] == ["-", "41 ms", "1.2 s"]


def test_a_noun_is_plural_unless_there_is_one() -> None:
    assert [count(n, "attempt") for n in (0, 1, 2)] == ["0 attempts", "1 attempt", "2 attempts"]


@pytest.mark.parametrize(
    ("unit", "per", "text"),
    [
        ("requests", "minute", "req/min"),
        ("tokens", "day", "tok/day"),
        ("input_tokens", 90.0, "tok in/90 s"),
        ("concurrent", None, "at once"),
    ],
)
def test_a_limit_is_named_by_unit_and_period(unit: str, per: object, text: str) -> None:
    assert limit_name(limit(unit=unit, per=per)) == text


def test_a_limit_is_as_full_as_what_is_used_and_in_flight() -> None:
    assert fraction(limit(used=10, reserved=5, remaining=15)) == 0.5


def test_a_limit_that_knows_only_what_remains_is_full_by_that() -> None:
    assert fraction(limit(used=0, reserved=0, remaining=3)) == 0.9


def test_a_limit_overdrawn_is_full_and_not_more() -> None:
    assert fraction(limit(used=40, remaining=-10)) == 1.0


@given(st.floats(0, 1), st.integers(1, 40), st.booleans())
def test_a_bar_has_always_its_width_and_shows_that_something_is_used(full: float, width: int, ascii_only: bool) -> None:
    drawn = bar(full, width, ascii_only=ascii_only)
    empty = ("." if ascii_only else "·") * width
    assert len(drawn) == width
    assert (drawn == empty) == (full == 0)


def test_a_limit_of_nothing_is_full() -> None:
    assert fraction(limit(limit=0, remaining=0)) == 1.0


def test_an_empty_bar_is_empty() -> None:
    assert (bar(0.0, 4), bar(0.0, 4, ascii_only=True)) == ("····", "....")


def test_a_full_bar_is_full() -> None:
    assert bar(1.0, 4) == "████"
    assert bar(1.0, 4, ascii_only=True) == "####"
