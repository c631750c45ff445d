from __future__ import annotations

import pytest

from rotor_core._model import Limit


def _limits(read, local, model):
    (deployment,) = read(local(model)).catalog.deployments.values()
    return deployment.model.limits


def test_limits_written_out(read, local) -> None:
    limits = [
        {"requests": 30, "per": "minute", "window": "bucket"},
        {"tokens": 12000, "per": "minute", "counts": "requested"},
        {"requests": 1000, "per": "day", "window": "calendar", "tz": "America/Los_Angeles"},
        {"audio_seconds": 7200, "per": "hour", "window": "rolling", "source": "their page, 2026-11-20"},
        {"usd": 0.5, "per": 600, "window": "rolling"},
        {"concurrent": 4},
    ]
    assert _limits(read, local, {"limits": limits}) == (
        Limit("requests", 30, "minute", "bucket"),
        Limit("tokens", 12000, "minute", "bucket", counts="requested"),
        Limit("requests", 1000, "day", "calendar", "America/Los_Angeles"),
        Limit("audio_seconds", 7200, "hour", "rolling", source="their page, 2026-11-20"),
        Limit("usd", 0.5, 600.0, "rolling"),
        Limit("concurrent", 4, None, "concurrency"),
    )


@pytest.mark.parametrize(
    "model",
    [
        {"rps": 1, "rpm": 30, "rpd": 1000, "tpm": 6000, "tpd": 200000, "window": "rolling"},
        {"limits": [{"rps": 1, "rpm": 30, "rpd": 1000, "tpm": 6000, "tpd": 200000, "window": "rolling"}]},
        {"limits": {"rps": 1, "rpm": 30, "rpd": 1000, "tpm": 6000, "tpd": 200000, "window": "rolling"}},
    ],
)
def test_shorthands_stand_in_the_model_or_in_an_entry(model, read, local) -> None:
    assert _limits(read, local, model) == (
        Limit("requests", 1, "second", "rolling"),
        Limit("requests", 30, "minute", "rolling"),
        Limit("requests", 1000, "day", "rolling"),
        Limit("tokens", 6000, "minute", "rolling"),
        Limit("tokens", 200000, "day", "rolling"),
    )


def test_shorthands_add_to_limits_written_out(read, local) -> None:
    limits = _limits(read, local, {"limits": [{"concurrent": 2}], "rpm": 5, "tpm": 9, "counts": "requested"})
    assert [(limit.unit, limit.counts) for limit in limits] == [
        ("concurrent", "usage"),
        ("requests", "usage"),
        ("tokens", "requested"),
    ]


def test_a_time_zone_means_the_wall_clock(read, local) -> None:
    (limit,) = _limits(read, local, {"rpd": 20, "tz": "America/Los_Angeles"})
    assert (limit.window, limit.tz) == ("calendar", "America/Los_Angeles")


def test_utc_may_be_said_of_any_window(read, local) -> None:
    (limit,) = _limits(read, local, {"limits": [{"requests": 5, "per": "day", "window": "bucket", "tz": "UTC"}]})
    assert (limit.window, limit.tz) == ("bucket", "UTC")


def test_a_windows_key_says_what_it_counts_and_no_figure(read, local) -> None:
    model = {"limits": [{"requests": 5, "per": "day", "tz": "Asia/Tokyo"}, {"tokens": 5, "per": 90}, {"concurrent": 1}]}
    (deployment,) = read(local(model)).catalog.deployments.values()
    quota = deployment.credential.quota
    assert [bound.key for bound in deployment.limits] == [
        f"{quota}|m|requests|day|calendar|Asia/Tokyo",
        f"{quota}|m|tokens|90s|bucket|-",
        f"{quota}|m|concurrent|-|concurrency|-",
    ]
