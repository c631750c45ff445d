"""What is said of somebody who is left alone."""

import pytest

from rotor_core._health import FAILING
from rotor_core._policy.next_step import REACTIONS
from rotor_core._policy.rests import STATES, rejection


@pytest.mark.parametrize(
    ("reason", "until", "said"),
    [
        ("rate_limit", 112.0, "resting after rate_limit for 12 s more"),
        ("rate_limit", None, "resting after rate_limit"),
        ("quota_exhausted", 100.0 + 7200.0, "resting after quota_exhausted for 120 min more"),
        ("auth", 3700.0, "its key was refused (auth); asked again in 60 min, or after `rotor reset`"),
        ("billing", None, "its account is out of credit (billing); after `rotor reset`"),
        (f"{FAILING}timeout", 104.2, "failing: timeout; tried again in 4 s"),
        (f"{FAILING}timeout", None, "failing: timeout"),
        ("rate_limit", 90.0, "resting after rate_limit for 0 s more"),
    ],
)
def test_why_how_long_and_what_ends_it(reason, until, said):
    assert rejection(reason, until, 100.0).detail == said
    assert rejection(reason, until, 100.0).retry_at == until


def test_only_our_own_conclusion_is_called_failing():
    assert rejection(f"{FAILING}x", 1.0, 0.0).reason == "failing"
    assert rejection("auth", 1.0, 0.0).reason == "resting"


def test_what_only_somebody_can_mend_is_every_kind_with_a_rest_that_nothing_told():
    assert set(STATES) == {kind for kind, r in REACTIONS.items() if r.rest is not None and not r.told}
