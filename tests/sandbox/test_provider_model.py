"""Who is admitted, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core.sandbox import Admitted, ProviderModel, Refused, read_spec
from rotor_core.sandbox.provider import dimension_of

NOON = 1_700_000_000.0


def provider(*limits, keys=("k",), shared=(), **model):
    spec = {"keys": list(keys), "limits": list(shared), "models": {"m": {"limits": list(limits), **model}, "n": {}}}
    return ProviderModel(read_spec({"providers": {"p": spec}}).providers["p"])


RPM = {"requests": 2, "per": "minute", "window": "bucket"}
TPM = {"tokens": 100, "per": "minute", "window": "bucket"}


def test_a_refusal_names_the_limit_what_was_used_and_when_to_come_again():
    p = provider(RPM)
    assert isinstance(p.admit(NOON, "k", "m", 1, 1), Admitted)
    assert isinstance(p.admit(NOON, "k", "m", 1, 1), Admitted)
    refused = p.admit(NOON, "k", "m", 1, 1)
    assert isinstance(refused, Refused)
    assert (refused.status, refused.dimension, refused.limit, refused.used, refused.requested) == (429, "RPM", 2, 2, 1)
    assert refused.retry_after == pytest.approx(30)
    assert isinstance(p.admit(NOON + 30, "k", "m", 1, 1), Admitted)


def test_what_is_refused_by_one_limit_is_counted_by_none():
    p = provider({"requests": 10, "per": "minute", "window": "rolling"}, TPM)
    p.admit(NOON, "k", "m", 60, 30)
    for _ in range(5):
        assert isinstance(p.admit(NOON, "k", "m", 60, 30), Refused)
    assert [r.used for r in p.readings(NOON, "k", "m")] == [1, 90]


def test_of_several_limits_the_one_that_takes_longest_is_named():
    p = provider(RPM, {"requests": 2, "per": "day", "window": "calendar"})
    p.admit(NOON, "k", "m", 1, 1)
    p.admit(NOON, "k", "m", 1, 1)
    refused = p.admit(NOON, "k", "m", 1, 1)
    assert refused.dimension == "RPD"
    assert refused.retry_after == 86400 - NOON % 86400


def test_what_can_never_fit_is_too_large_and_no_wait_is_named():
    refused = provider(TPM).admit(NOON, "k", "m", 90, 20)
    assert (refused.reason, refused.status, refused.requested, refused.retry_after) == ("too_large", 413, 110, None)


def test_tokens_are_counted_as_used_or_as_asked_for():
    usage, asked = provider(TPM), provider({**TPM, "counts": "requested"})
    for p, expected in ((usage, 30), (asked, 60)):
        p.admit(NOON, "k", "m", 10, 20, 50)
        assert p.readings(NOON, "k", "m")[0].used == expected


def test_a_request_without_a_maximum_asks_for_what_it_gets():
    p = provider({**TPM, "counts": "requested"})
    p.admit(NOON, "k", "m", 10, 20, None)
    assert p.readings(NOON, "k", "m")[0].used == 30


def test_input_and_output_tokens_are_counted_apart():
    p = provider({"input_tokens": 100, "per": "minute"}, {"output_tokens": 100, "per": "minute"})
    p.admit(NOON, "k", "m", 10, 20)
    assert [r.used for r in p.readings(NOON, "k", "m")] == [10, 20]


def test_money_is_counted_by_the_price():
    p = provider({"usd": 1, "per": "day", "window": "calendar"}, price={"input": 1, "output": 10})
    assert isinstance(p.admit(NOON, "k", "m", 50_000, 60_000), Admitted)
    assert p.admit(NOON, "k", "m", 0, 50_000).dimension == "USDPD"


def test_a_slot_is_taken_until_it_is_given_back():
    p = provider({"concurrent": 1})
    first = p.admit(NOON, "k", "m", 1, 1)
    refused = p.admit(NOON, "k", "m", 1, 1)
    assert (refused.dimension, refused.retry_after) == ("concurrent", None)
    p.release(first)
    second = p.admit(NOON, "k", "m", 1, 1)
    assert isinstance(second, Admitted)
    p.release(first)  # a second time: not the second one's slot
    assert isinstance(p.admit(NOON, "k", "m", 1, 1), Refused)


def test_keys_count_alone_unless_they_share_a_quota():
    keys = ("k", "l", {"value": "x", "quota": "team"}, {"value": "y", "quota": "team"})
    p = provider(RPM, keys=keys)
    p.admit(NOON, "k", "m", 1, 1)
    p.admit(NOON, "x", "m", 1, 1)
    p.admit(NOON, "y", "m", 1, 1)
    assert [p.readings(NOON, key, "m")[0].used for key in ("k", "l", "x", "y")] == [1, 0, 2, 2]


def test_limits_of_a_provider_are_shared_by_its_models():
    p = provider(shared=[RPM])
    p.admit(NOON, "k", "m", 1, 1)
    p.admit(NOON, "k", "n", 1, 1)
    assert p.admit(NOON, "k", "m", 1, 1).dimension == "RPM"


def test_a_key_that_is_unknown_or_revoked_is_refused_before_all_else():
    p = provider(keys=("k", {"value": "gone", "revoked": True}))
    for key in ("gone", "never"):
        assert (p.admit(NOON, key, "nothing", 1, 1).reason, p.readings(NOON, key, "m")) == ("auth", ())


def test_a_provider_without_keys_takes_any():
    assert isinstance(provider(keys=()).admit(NOON, "whatever", "m", 1, 1), Admitted)


def test_an_unknown_model_is_refused():
    assert provider().admit(NOON, "k", "other", 1, 1).status == 404


def test_a_prompt_and_its_maximum_have_to_fit_the_context():
    p = provider(context=100)
    assert isinstance(p.admit(NOON, "k", "m", 60, 5, 40), Admitted)
    refused = p.admit(NOON, "k", "m", 60, 5, 41)
    assert (refused.status, refused.limit, refused.requested) == (400, 100, 101)


def test_reset_forgets_what_was_counted_and_an_old_slot_takes_nothing_with_it():
    p = provider(RPM, {"concurrent": 1})
    old = p.admit(NOON, "k", "m", 1, 1)
    p.reset()
    assert isinstance(p.admit(NOON, "k", "m", 1, 1), Admitted)
    p.release(old)
    assert p.admit(NOON, "k", "m", 1, 1).dimension == "concurrent"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60), st.integers(0, 60)), max_size=40))
def test_admitted_amounts_stay_within_every_limit_at_once(requests):
    p = provider(
        {"requests": 5, "per": "minute", "window": "rolling"}, {"tokens": 200, "per": "minute", "window": "rolling"}
    )
    at, taken = NOON, []
    for gap, prompt, output in requests:
        at += gap
        if isinstance(p.admit(at, "k", "m", prompt, output), Admitted):
            taken.append((at, prompt + output))
        recent = [tokens for t, tokens in taken if t > at - 60 + 2e-6]
        assert len(recent) <= 5
        assert sum(recent) <= 200


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ({"requests": 1, "per": "second"}, "RPS"),
        ({"tokens": 1, "per": "day"}, "TPD"),
        ({"input_tokens": 1, "per": "minute"}, "ITPM"),
        ({"requests": 1, "per": 10}, "R/10s"),
        ({"concurrent": 1}, "concurrent"),
    ],
)
def test_limits_have_the_short_names_that_providers_use(limit, name):
    model = (
        read_spec({"providers": {"p": {"keys": [], "models": {"m": {"limits": [limit]}}}}}).providers["p"].models["m"]
    )
    assert dimension_of(model.limits[0]) == name


def test_the_arithmetic_needs_no_server():
    import subprocess
    import sys

    code = "import sys, rotor_core.sandbox.provider; print('h11' in sys.modules, 'asyncio' in sys.modules, 'rotor_core.sandbox.server' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == "False"
    assert out[2] == "False"
