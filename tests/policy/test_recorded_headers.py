"""Headers that providers really sent, as they were recorded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rotor_core._policy.headers import told_by_headers

WIRE = Path(__file__).parents[3] / "shared" / "data" / "wire"

UNCOUNTED = re.compile(r"images|query-cost|max-retry|pages|characters")
"""Counts of what no limit of ours has, and the cost of one call."""


def recorded() -> list[tuple[str, dict[str, str]]]:
    if not WIRE.exists():
        pytest.skip(f"recorded exchanges are not at hand: there is no {WIRE}")
    rows = []
    for file in sorted(WIRE.glob("*.jsonl")):
        with file.open() as lines:
            rows += [(row["provider"], row["response_headers"]) for row in map(json.loads, lines) if "response_headers" in row]  # fmt: skip
    return rows


def test_every_recorded_limit_is_told_and_no_other():
    seen = 0
    for provider, headers in recorded():
        for name in (provider, "lab"):
            found, odd = told_by_headers(name, headers)
            said = {
                float(v)
                for k, v in headers.items()
                if "limit" in k.replace("ratelimit", "").replace("rate-limit", "")
                and v.isdigit()
                and not UNCOUNTED.search(k)  # fmt: skip
            }
            assert {one.limit for one in found} - {None} <= said, (name, headers)
            told_or_stricter = {one.limit for one in found}
            for limit in said - told_or_stricter:  # a looser one of two pools
                assert any(one.limit is not None and one.limit < limit for one in found), (name, headers)
            assert all(one.per is not None for one in found) or name == "lab" or provider in ("openrouter", "openai")
            assert len(odd) <= 1
            seen += len(said)
    assert seen > 300


def test_every_recorded_reset_of_openai_and_groq_tells_the_period():
    told_of = 0
    for provider, headers in recorded():
        if provider not in ("openai", "groq"):
            continue
        for one in told_by_headers("lab", headers)[0]:
            if one.unit == "tokens":
                assert one.per == "minute"
            elif provider == "groq":
                assert (one.per, one.window) == ("day", "bucket")
            else:
                assert one.per in ("minute", "day"), headers
            told_of += 1
    assert told_of > 70
