"""Read-only views for people and programs: `status`, the state of a pool, and why a request would go where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from rotor_core._flow import Work
from rotor_core._health import FAILING, BreakerState
from rotor_core._ledger import LimitReading, Option, OptionReading, Rejection, Standing
from rotor_core._model import Deployment, Seat
from rotor_core._policy.plan import option
from rotor_core._policy.rank import price_of
from rotor_core._policy.rests import rejection

State = Literal["available", "waiting", "cooling", "open", "half_open", "invalid"]
_INVALID = frozenset({"auth", "billing", "permission", "not_found"})


def state_of(reading: OptionReading, at: float, breaker: BreakerState = "closed") -> State:
    """`breaker`: how this process sees it; that others have found it failing, the reading says."""
    if reading.resting is not None:
        if reading.resting.startswith(FAILING):
            return "open"
        return "invalid" if reading.resting in _INVALID else "cooling"
    if breaker == "half_open":
        return "half_open"
    if reading.available_at is None or reading.available_at > at:
        return "waiting"
    return "available"


def status_row(
    deployment: Deployment, reading: OptionReading, past: Mapping[str, object], breaker: BreakerState, at: float
) -> dict[str, Any]:
    """One deployment's row of `status --json`. Instants are seconds since the epoch."""
    return {
        "id": deployment.id,
        "provider": deployment.provider.name,
        "model": deployment.model.name,
        "credential": deployment.credential.id,
        "quota": deployment.credential.quota,
        "plan": deployment.credential.plan,
        "free": deployment.free,
        "state": state_of(reading, at, breaker),
        "available_at": _instant(reading.available_at),
        "limits": [_limit_row(r) for r in reading.limits],
        **past,
    }


def _limit_row(reading: LimitReading) -> dict[str, Any]:
    limit = reading.limit
    return {
        "unit": limit.unit,
        "per": limit.per,
        "window": limit.window,
        "limit": limit.value,
        "used": round(reading.used, 3),
        "reserved": round(reading.reserved, 3),
        "remaining": round(reading.remaining, 3),
        "resets_at": _instant(reading.resets_at),
        "source": limit.source,
        "seen_at": _instant(reading.seen_at),
    }


def limits_row(deployment: Deployment, reading: OptionReading, at: float) -> dict[str, Any]:
    """One deployment's row of `limits --json`. Instants are seconds since the epoch, ages seconds.

    `known`: whether anything is said of its limits at all; so no limits and `known` means that there are none. Limits
    with one `key` are one limit, which deployments share.
    """
    return {
        "id": deployment.id,
        "quota": deployment.credential.quota,
        "known": deployment.limits is not None or bool(reading.limits),
        "limits": [_limit_record(r, at) for r in reading.limits],
    }


def _limit_record(reading: LimitReading, at: float) -> dict[str, Any]:
    limit, declared = reading.limit, reading.declared
    return {
        "key": reading.key,
        **_limit_row(reading),
        "tz": limit.tz if limit.window == "calendar" else None,
        "counts": limit.counts,
        "declared": None if declared is None else declared.value,
        "age_s": None if reading.seen_at is None else round(max(0.0, at - reading.seen_at), 3),
        "confidence": round(reading.confidence, 3),
        "expires_at": _instant(reading.expires_at),
        "evidence": reading.evidence,
    }


def _instant(at: float | None) -> float | None:
    return None if at is None else round(at, 3)


def options_of(deployments: Iterable[Deployment]) -> list[Option]:
    return [option(Seat(d)) for d in deployments]


def pool_state(
    name: str, readings: Sequence[OptionReading], at: float, breakers: Sequence[BreakerState] = ()
) -> dict[str, Any]:
    """How many of a pool's deployments are in each state, and when the next of the others is back."""
    closed: list[BreakerState] = ["closed"] * len(readings)
    states = [state_of(r, at, b) for r, b in zip(readings, breakers or closed, strict=True)]
    back = [r.available_at for r in readings if r.available_at is not None and r.available_at > at]
    return {
        "pool": name,
        "deployments": len(readings),
        **{state: states.count(state) for state in get_args(State)},
        "next_at": _instant(min(back, default=None)),
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one candidate. `rank` from 1; None where it was rejected."""

    deployment: str
    verdict: Literal["chosen", "ranked", "rejected"]
    rank: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request would go where: every candidate of its pool, in order. `str` is a table for people."""

    pool: str
    ranking: str
    input_tokens: int
    output_tokens: int
    verdicts: tuple[Verdict, ...]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        head = f"pool {self.pool}, {self.ranking}; about {self.input_tokens} tokens in, {self.output_tokens} out"
        width = max((len(v.deployment) for v in self.verdicts), default=0)
        rows = [f"{v.deployment:<{width}}  {_place(v):<10}  {v.reason}" for v in self.verdicts]
        return "\n".join([head, *rows])


def _place(verdict: Verdict) -> str:
    return f"ranked {verdict.rank}" if verdict.verdict == "ranked" else verdict.verdict


def explain(work: Work, readings: Mapping[str, OptionReading], at: float) -> Explanation:
    """What `work` would do now, from readings of every option of its plan. Takes nothing."""
    open_now: list[tuple[str, str]] = []
    verdicts: list[Verdict] = []
    later: list[tuple[float, str, str]] = []
    for tier in work.plan.tiers:
        blocked_here: list[tuple[float, str, str]] = []
        scored = sorted(tier.options, key=lambda o: -work.plan.score(_standing(o, readings[o.id], work)))
        for candidate in scored:
            blocked = _blocked(work, candidate, readings[candidate.id], at)
            if blocked is None:
                open_now.append((candidate.id, _praise(work.deployments[candidate.id], readings[candidate.id])))
            else:
                blocked_here.append((blocked.retry_at or float("inf"), candidate.id, blocked.detail))
        soonest = min(blocked_here, default=None)
        if (
            soonest and not open_now and at < soonest[0] <= at + tier.max_wait
        ):  # worth the wait, whatever is open behind it
            blocked_here.remove(soonest)
            open_now.append((soonest[1], f"worth waiting {soonest[0] - at:.1f} s for: {soonest[2]}"))
        later += blocked_here
    for rank, (name, why) in enumerate(open_now, 1):
        verdicts.append(Verdict(name, "chosen" if rank == 1 else "ranked", rank, why))
    verdicts += [Verdict(name, "rejected", None, why) for _, name, why in sorted(later)]
    verdicts += [Verdict(name, "rejected", None, out.detail) for name, out in work.static.items()]
    demand = work.demand
    return Explanation(work.pool, work.ranking, demand.input_tokens, demand.output_tokens, tuple(verdicts))


def _standing(candidate: Option, reading: OptionReading, work: Work) -> Standing:
    room = min((r.remaining / r.limit.value for r in reading.limits), default=1.0)
    price = price_of(work.deployments[candidate.id])
    return Standing(room, reading.served, reading.latency, candidate.weight, price, reading.on_trial)


def _blocked(work: Work, candidate: Option, reading: OptionReading, at: float) -> Rejection | None:
    """Why a candidate could not serve at this instant, or None."""
    if reading.resting is not None:
        return rejection(reading.resting, reading.rests_until, at)
    for r in reading.limits:
        _, amount = work.demand.charge(r.limit, candidate.price, candidate.model)
        if amount > r.limit.value:
            return Rejection("never_fits", f"needs {_figure(amount, r)}; its limit is {_named(r)}")
        if amount > r.remaining:
            return Rejection(
                "no_room",
                f"{_figure(max(0.0, r.remaining), r)} left of {_named(r)}; needs {_figure(amount, r)}",
                reading.available_at,
            )
    return None


def _figure(amount: float, reading: LimitReading) -> str:
    return f"${amount:,.4f}" if reading.limit.unit == "usd" else f"{amount:,.0f}"


def _named(reading: LimitReading) -> str:
    limit = reading.limit
    if limit.per is None:
        return f"{limit.value:g} at once"
    period = limit.per if isinstance(limit.per, str) else f"{limit.per:g} s"
    many = f"${limit.value:,g}" if limit.unit == "usd" else f"{limit.value:,g} {limit.unit}"
    return f"{many} per {period}"


def _praise(deployment: Deployment, reading: OptionReading) -> str:
    """Why it is good: what it costs, what is left of its scarcest limit, how quick it has been."""
    price = deployment.price
    money = "free" if deployment.free else f"${price.blended:.2f}/M" if price else "price unknown"
    parts = [money]
    if reading.limits:
        scarcest = min(reading.limits, key=lambda r: r.remaining / r.limit.value)
        parts.append(f"{_figure(scarcest.remaining, scarcest)} left of {_named(scarcest)}")
    else:
        parts.append("no limits known" if deployment.limits is None else "no limits")
    if reading.latency is not None:
        parts.append(f"{reading.latency * 1000:.0f} ms")
    return ", ".join(parts)
