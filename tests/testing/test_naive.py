"""The reference's windows against the ledger's own, and periods by example."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._model import Limit
from rotor_core._state.spans import span
from rotor_core._state.window import Guards
from rotor_core.testing.naive import KINDS, period
from rotor_core.testing.providers import Arrival, overdrawn

GUARDS = Guards(1 / 32, 5 / 32)


@given(
    st.sampled_from(["second", "minute", "hour", "day", "month", 7.5]),
    st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe"]),
    st.integers(1_600_000_000, 1_900_000_000),
)
def test_periods_found_by_their_names_are_those_computed(per, tz, t):
    assert period(Limit("requests", 1, per, "calendar", tz), t) == span(per, tz, t)


def test_a_day_on_which_clocks_change_has_another_length():
    noon = datetime(2025, 3, 9, 20, tzinfo=UTC).timestamp()
    start, end = period(Limit("requests", 1, "day", "calendar", "America/Los_Angeles"), noon)

    assert end - start == 23 * 3600


@pytest.mark.parametrize("kind", ["bucket", "rolling", "calendar"])
def test_room_is_found_where_a_charge_ends(kind):
    window = KINDS[kind](Limit("requests", 1, 10.0, kind), GUARDS)
    window.charge(0.5, 0.5, 1)

    assert (
        window.earliest(0.5, 0.5, 1)
        == {"bucket": 10.5 + 1 / 32, "rolling": 10.5 + 1 / 32, "calendar": 10 + 5 / 32}[kind]
    )
    assert window.used(0.5) == 1


@pytest.mark.parametrize("kind", ["bucket", "rolling", "calendar"])
def test_an_exact_provider_tells_by_how_much_it_was_overdrawn(kind):
    limit = Limit("requests", 2, 10.0, kind)

    assert overdrawn(limit, [Arrival(1.0, 1), Arrival(2.0, 1)]) == 0
    assert overdrawn(limit, [Arrival(1.0, 2), Arrival(1.0, 1)]) == 1
