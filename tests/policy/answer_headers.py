"""Headers of an answer, written briefly, and what they tell."""

from __future__ import annotations

from rotor_core._ledger import Told
from rotor_core._policy.headers import told_by_headers

DATE = "Tue, 20 Oct 2026 10:00:00 GMT"

AT = 1792490400
"""The same instant."""


def told(provider: str = "lab", odd: int = 0, /, **headers: str) -> list[Told]:
    """By headers whose names are written with underscores."""
    found, oddities = told_by_headers(provider, {name.replace("_", "-"): value for name, value in headers.items()})
    assert len(oddities) == odd, oddities
    return list(found)


def trio(of: str, limit: object, remaining: object, reset: str) -> dict[str, str]:
    return {
        f"x_ratelimit_limit_{of}": str(limit),
        f"x_ratelimit_remaining_{of}": str(remaining),
        f"x_ratelimit_reset_{of}": reset,
    }


def windows(found: list[Told]) -> list[tuple]:
    return [(one.unit, one.per, one.limit, one.remaining, one.window) for one in found]
