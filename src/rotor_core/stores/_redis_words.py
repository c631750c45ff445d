"""Options and limits as the ledger in Redis keeps them: in numbers for its scripts, in words (JSON) for people and clients.

Equal options have equal marks, whichever process or configuration they come from, and so one number in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from rotor_core._demand import Demand
from rotor_core._ledger import LimitRecord, Option, Reservation
from rotor_core._model import Limit
from rotor_core.stores._meters import at_a_time
from rotor_core.stores._redis_wire import pack

_CODES: Final[Mapping[tuple[str, str], int]] = {
    ("requests", "usage"): 1, ("requests", "requested"): 1,
    ("tokens", "usage"): 2, ("tokens", "requested"): 3,
    ("input_tokens", "usage"): 4, ("input_tokens", "requested"): 4,
    ("output_tokens", "usage"): 5, ("output_tokens", "requested"): 6,
    ("audio_seconds", "usage"): 7, ("audio_seconds", "requested"): 7,
    ("usd", "usage"): 8, ("usd", "requested"): 8,
}  # fmt: skip
"""How a script gets an amount out of a demand; `amount_of` in `lua/reservations.lua` is the other side."""

_KINDS: Final = {"bucket": "b", "rolling": "r", "calendar": "c"}


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An option with its mark. `keys`: its limits with a period, in order; `gates`: those of calls at a time."""

    option: Option
    mark: str
    keys: tuple[str, ...]
    gates: tuple[str, ...]
    packed: bytes
    limits: Mapping[str, Limit]


def known(option: Option) -> Known:
    keys = tuple(bound.key for bound in option.limits if not at_a_time(bound.limit))
    gates = tuple(bound.key for bound in option.limits if at_a_time(bound.limit))
    record: dict[str, Any] = {
        "id": option.id,
        "sc": list(option.scopes),
        "ls": keys,
        "gs": gates,
        "su": option.subject,
        "mo": option.model,
    }
    if option.price is not None:
        record |= {"pi": float(option.price.input), "po": float(option.price.output)}
    packed = pack(record)
    limits = {bound.key: bound.limit for bound in option.limits}
    told = pack([[key, words_of(limit)] for key, limit in limits.items()])
    return Known(option, blake2b(packed + told, digest_size=12).hexdigest(), keys, gates, packed, limits)


def zone_name(limit: Limit) -> str:
    """What a calendar limit's periods depend on."""
    return f"{limit.per}|{limit.tz}"


def numbers(limit: Limit) -> dict[str, Any]:
    """A limit as scripts count with it."""
    if at_a_time(limit):
        return {"k": "g", "v": float(limit.value), "s": 0.0, "c": 1}
    found: dict[str, Any] = {
        "k": _KINDS.get(limit.window, "b"), "v": float(limit.value), "s": float(limit.seconds),
        "c": _CODES[limit.unit, limit.counts],
    }  # fmt: skip
    if limit.window == "calendar":
        found["z"] = zone_name(limit)
    return found


_FIELDS: Final = ("unit", "value", "per", "window", "tz", "counts", "source")


def words_of(limit: Limit) -> str:
    return json.dumps({name: getattr(limit, name) for name in _FIELDS}, separators=(",", ":"))


def _limit(told: Mapping[str, Any]) -> Limit:
    return Limit(**{name: told[name] for name in _FIELDS})


def words_of_record(subject: str, record: LimitRecord) -> str:
    """What was learned, for the ledger to keep: read again by `record_of`."""
    told = {
        "subject": subject,
        "limit": {name: getattr(record.limit, name) for name in _FIELDS},
        "seen_at": record.seen_at,
        "expires_at": record.expires_at,
        "confidence": record.confidence,
        "evidence": record.evidence,
        "raise_at": record.raise_at,
        "step": record.step,
    }
    return json.dumps(told, separators=(",", ":"))


def record_of(key: str, words: str, declared: Limit | None) -> tuple[str, LimitRecord]:
    """The subject, and what it has learned. `declared`: what this client's configuration says of the limit."""
    told = json.loads(words)
    subject = told.pop("subject")
    limit = _limit(told.pop("limit"))
    return subject, LimitRecord(key, limit, declared, **told)


def valued(limit: Limit, value: float) -> Limit:
    """The limit with the value that the ledger holds it to."""
    return limit if limit.value == value else replace(limit, value=value)


def demanded(demand: Demand, models: set[str]) -> list[Any]:
    """A demand as scripts count it; of what is expected of models, those that matter here."""
    outputs: Any = False
    if demand.outputs:
        outputs = {
            model: [e.likely, or_false(e.most), or_false(e.bound), float(e.scale)]
            for model, e in demand.outputs.items()
            if model in models
        } or False
    return [
        demand.requests, demand.input_tokens, demand.output_tokens, or_false(demand.max_tokens),
        float(demand.audio_seconds), outputs,
    ]  # fmt: skip


def or_false(value: float | None) -> float | bool:
    """Lists end at a nil in Lua."""
    return False if value is None else value


def opened(one: Known, grant: Reservation) -> dict[str, Any]:
    """A reservation as the ledger keeps it, for one that has lost it."""
    demand, option = grant.demand, one.option
    amounts = [float(demand.charge(one.limits[key], option.price, option.model)[0]) for key in one.keys]
    return {
        "id": grant.id, "n": option.id, "at": grant.at, "g": grant.at, "asked": grant.asked_at,
        "exp": grant.expires_at, "since": grant.at, "due": True, "ks": one.keys, "am": amounts, "gs": one.gates,
        "d": demanded(demand, set())[:5], "su": option.subject,
        **({"pi": float(option.price.input), "po": float(option.price.output)} if option.price else {}),
    }  # fmt: skip
