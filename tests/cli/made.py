"""Made-up snapshots and events for tests of what is shown."""

from __future__ import annotations

from typing import Any

AT = 1000.0


def a_limit(
    unit: str = "requests", per: object = "minute", limit: float = 30, used: float = 0, **more: Any
) -> dict[str, Any]:
    row = {"unit": unit, "per": per, "window": "bucket", "limit": limit, "used": used, "reserved": 0.0}
    row |= {"remaining": limit - used, "resets_at": AT + 30 if used else None, "source": "config", "seen_at": None}
    return row | more


def a_row(name: str = "acme/small#1", **more: Any) -> dict[str, Any]:
    row = {"id": name, "provider": "acme", "model": "small", "credential": "acme#1", "quota": "q", "plan": None}
    row |= {"free": True, "state": "available", "available_at": AT, "limits": [a_limit()], "health": 1.0}
    row |= {"latency_ms": {"ewma": None, "p50": None, "p95": None, "p99": None}}
    row |= {"requests": 0, "failures": 0, "tokens": 0, "cost_usd": 0.0}
    return row | more


def a_status(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "at": AT,
        "store": "memory://",
        "pools": {"fast": [r["id"] for r in rows]},
        "deployments": list(rows),
    } | more
