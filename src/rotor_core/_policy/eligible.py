"""Who could serve a request at all, before anyone looks at capacity. Pure: seats and needs in, candidates and rejections out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rotor_core._ledger import Rejection
from rotor_core._model import Model, Seat

_SATISFIED_BY = {"json_mode": frozenset({"json_mode", "json_schema"})}


@dataclass(frozen=True, slots=True)
class Need:
    """What the selection must respect. `context`: tokens of prompt and answer together. `paid`: whether money may be spent.

    `output`: the longest answer that the caller asked to be allowed, in tokens; 0 where the caller did not say.
    """

    capabilities: frozenset[str] = frozenset()
    context: int = 0
    paid: bool = True
    output: int = 0


def missing(model: Model, capabilities: frozenset[str]) -> list[str]:
    """The needed capabilities that a model states it has not. A model that states none is given the benefit of the doubt."""
    if model.capabilities is None or capabilities <= model.capabilities:
        return []
    return sorted(c for c in capabilities if not _SATISFIED_BY.get(c, frozenset({c})) & model.capabilities)


def rejection(seat: Seat, need: Need) -> Rejection | None:
    """Why a seat is out, or None."""
    deployment = seat.deployment
    model = deployment.model
    if not need.paid and not deployment.free:
        price = "its price is unknown" if deployment.price is None else "it costs money"
        return Rejection("paid", f"{price}, and the policy says `paid: never`")
    lacking = missing(model, need.capabilities)
    if lacking:
        return Rejection("capability", f"has no {', '.join(lacking)}")
    if model.context is not None and need.context > model.context:
        return Rejection("context", f"its context of {model.context:,} tokens is too small")
    if model.max_output is not None and need.output > model.max_output:
        return Rejection(
            "context", f"its answers have {model.max_output:,} tokens at most, and `max_tokens` asks for more"
        )
    return None


def eligible(seats: Iterable[Seat], need: Need) -> tuple[list[Seat], dict[str, Rejection]]:
    """Seats that could serve, in order, and the reason of each one that could not, by deployment id."""
    candidates: list[Seat] = []
    rejections: dict[str, Rejection] = {}
    for seat in seats:
        out = rejection(seat, need)
        if out is None:
            candidates.append(seat)
        else:
            rejections[seat.deployment.id] = out
    return candidates, rejections
