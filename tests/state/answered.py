"""Calls and what they were answered, for those who learn from it."""

from __future__ import annotations

from rotor_core._demand import Demand
from rotor_core._ledger import NOTHING_USED, Change, Hold, LimitRecord, Used
from rotor_core._model import Limit
from rotor_core._state.learn import Call, Trail

NOW = 1_000_000_020.0
"""A full minute."""

RPM = Limit("requests", 30, "minute")

TPM = Limit("tokens", 12_000, "minute")


def declared(limit: Limit, key: str = "") -> LimitRecord:
    return LimitRecord(key or f"q|m|{limit.identity}", limit, limit)


def call(
    *records: LimitRecord,
    at: float = NOW,
    used: Used = Used(1, 100, 50),
    demand: Demand = Demand(100, 400, 400),
    **more,
) -> Call:
    return Call("q|m", at, demand, used, records, **more)


def refused(*records: LimitRecord, at: float = NOW, **more) -> Call:
    return call(*records, at=at, used=NOTHING_USED, **more)


def trail(*ats: float) -> Trail:
    made = Trail()
    for at in ats:
        made.sent(at, 1, 100, 50)
    return made


def held(changes: list[Change]) -> LimitRecord:
    (hold,) = [change for change in changes if isinstance(change, Hold)]
    return hold.record
