"""How a rest reads: why somebody is left alone, until when, and what ends it sooner. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from rotor_core._health import FAILING
from rotor_core._ledger import Rejection

STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "auth": "its key was refused",
        "billing": "its account is out of credit",
        "permission": "its key may not use it",
        "not_found": "its provider does not know the model",
    }
)
"""Reasons that no wait mends, only somebody: what is the matter."""

_MINUTE: Final = 60.0


def rejection(reason: str, until: float | None, now: float) -> Rejection:
    """Why a candidate that rests is out. `until`: the instant of its return, None where that is not known."""
    left = None if until is None else max(0.0, until - now)
    if reason.startswith(FAILING):
        again = "" if left is None else f"; tried again in {_span(left)}"
        return Rejection("failing", f"{reason}{again}", until)
    if reason in STATES:
        again = "" if left is None else f"asked again in {_span(left)}, or "
        return Rejection("resting", f"{STATES[reason]} ({reason}); {again}after `rotor reset`", until)
    more = "" if left is None else f" for {_span(left)} more"
    return Rejection("resting", f"resting after {reason}{more}", until)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 10 * _MINUTE else f"{seconds / _MINUTE:.0f} min"
