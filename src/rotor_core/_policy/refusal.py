"""How a refusal reads: which candidates were out and why, grouped, and when capacity returns. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from rotor_core._ledger import Rejection

_SHOWN = 5


def refusal_text(pool: str, reasons: Mapping[str, Rejection], retry_at: float | None, at: float) -> str:
    """One line: `nothing in pool 'fast' can serve this: a/m#1: ...; b/m#1: ...; capacity returns in 12.0 s`."""
    said = [f"{name}: {reason.detail}" for name, reason in reasons.items()]
    shown = "; ".join(said[:_SHOWN]) or "it has no deployments"
    if len(said) > _SHOWN:
        shown += f"; and {len(said) - _SHOWN} more"
    when = "it never will" if retry_at is None else f"capacity returns in {max(0.0, retry_at - at):.1f} s"
    return f"nothing in {pool} can serve this in time: {shown}; {when}"
