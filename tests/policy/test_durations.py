import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._policy.durations import DURATION, parse_duration, parse_number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0), ("6ms", 0.006), ("120ms", 0.12), ("1.2s", 1.2), ("7m12s", 432), ("1h23m31s", 5011), ("2m59.56s", 179.56),
        ("17.399999999s", 17.399999999), ("33011.382867", 33011.382867), ("48", 48), ("20 seconds", 20), ("1 minute", 60),
        ("3 days", 259200), ("2 hours, 5 minutes", 7500), ("10 secs", 10),
        ("300µs", 0.0003), ("300\u03bcs", 0.0003), ("2 SECONDS", 2),
    ],
)  # fmt: skip
def test_durations_are_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "1776197156", "1754667660000", "s", "5 apples"])
def test_what_is_no_duration_is_none(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("text", "number"), [("30,000", 30000), ("~12903", 12903), ("5.", 5), ("1.5", 1.5), ("", None), ("x", None)]
)
def test_numbers_with_commas_and_estimates(text, number):
    assert parse_number(text) == number


@given(st.text(max_size=40))
def test_no_text_upsets_them(text):
    assert (parse_duration(text) or 0) >= 0
    assert (parse_number(text) or 0) >= 0


@given(st.from_regex(re.compile(DURATION, re.IGNORECASE), fullmatch=True))
def test_whatever_stands_where_a_duration_may_is_one(text):
    seconds = parse_duration(text)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("text", ["5 \u017f", "5 m\u0131n", "5 \u039cs", "5 DAY\u017f"])
def test_letters_that_only_look_like_those_of_a_unit_are_none(text):
    assert parse_duration(text) is None
