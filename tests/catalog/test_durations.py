from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core.catalog.durations import parse_duration

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("2m", 120),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("0s", 0),
        (" 2M ", 120),
        (30, 30),
        (0.25, 0.25),
        ("1d", 86400),
    ],
)
def test_durations_are_read_as_people_write_them(written, seconds) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "30", "s", "30 s", "3 parsecs", "-1s", -1, True, None, [], float("nan"), float("inf"), "1s1"]
)
def test_what_is_no_duration_is_refused(written) -> None:
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(written)


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)))
def test_a_number_with_its_unit_is_that_many_of_it(number, unit) -> None:
    assert parse_duration(f"{number}{unit}") == pytest.approx(number * UNITS[unit])


@given(st.floats(0, 1e9))
def test_a_number_is_seconds(number) -> None:
    assert parse_duration(number) == number


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(sorted(UNITS))), min_size=1, max_size=4))
def test_parts_add_up(parts) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert parse_duration(text) == pytest.approx(sum(number * UNITS[unit] for number, unit in parts))


@given(st.text())
def test_any_text_is_a_finite_duration_or_refused(text) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = None
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)
