"""A smoothed mean and a histogram, against sorted lists."""

from hypothesis import given
from hypothesis import strategies as st

from rotor_core._state.latency import Latency


def test_nothing_is_known_before_the_first_call():
    assert Latency().ewma is None
    assert Latency().quantile(0.5) is None


def test_the_mean_leans_to_the_newest_by_three_tenths():
    latency = Latency()
    latency.add(1.0)
    latency.add(2.0)

    assert latency.ewma == 1.3


@given(st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_right_to_within_a_twentieth(values, q):
    latency = Latency()
    for value in values:
        latency.add(value)

    exact = sorted(values)[int(q * (len(values) - 1))]
    assert abs(latency.quantile(q) - exact) <= 0.05 * exact + 1e-9
