"""What a rate header's name says: whether a limit, what is left or when it is back; of what; in which period.

Names are read word by word, in any order, since vendors put the same words in different ones
(`x-ratelimit-limit-tokens-minute`, `anthropic-ratelimit-tokens-limit`). One unknown word, and the header counts
something that the ledger does not (images, pages, characters, the cost of one call): it is passed over.
A name is read once and kept, for an answer has dozens of headers and every answer has the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from rotor_core._model import SECONDS, Per, PeriodName, Unit

Role = Literal["limit", "remaining", "reset", "period", "composed", "sign"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one header speaks of. `per` None: its name does not say. `pool`: which of several limits of that unit and period.

    `seconds`: a whole number as its reset is seconds. `sign`: whose header it is, where a name alone tells.
    """

    role: Role
    unit: Unit = "requests"
    per: Per = None
    pool: str = ""
    seconds: bool = True
    sign: str = ""


SIGNS: Final[Mapping[str, str]] = {
    "x-groq-region": "groq",
    "openai-processing-ms": "openai", "openai-version": "openai",
    "apim-request-id": "azure", "azureml-model-session": "azure", "x-ratelimit-abusepenalty-active": "azure",
    "x-ratelimit": "together",
}  # fmt: skip
"""Headers that only one vendor sends, whatever its endpoint is called in a configuration."""

_COHERES: Final[Mapping[str, Meaning]] = {
    "x-trial-endpoint-call-limit": Meaning("limit", "requests", "minute"),
    "x-trial-endpoint-call-remaining": Meaning("remaining", "requests", "minute"),
    "x-endpoint-monthly-call-limit": Meaning("limit", "requests", "month"),
    "x-endpoint-monthly-call-remaining": Meaning("remaining", "requests", "month"),
}

_ROLES: Final[Mapping[str, Role]] = {
    "limit": "limit", "remaining": "remaining", "reset": "reset", "resets": "reset", "renewalperiod": "period",
}  # fmt: skip
_UNITS: Final[Mapping[str, Unit]] = {
    **dict.fromkeys(("requests", "request", "req", "calls", "call", "queries"), "requests"),
    **dict.fromkeys(("tokens", "token"), "tokens"),
    **dict.fromkeys(("audioseconds", "audiosecond"), "audio_seconds"),
}  # fmt: skip
_HALVES: Final[Mapping[str, Unit]] = {
    "input": "input_tokens", "prompt": "input_tokens",
    "output": "output_tokens", "generated": "output_tokens", "completion": "output_tokens",
}  # fmt: skip
_PERIODS: Final[Mapping[str, PeriodName]] = {
    "second": "second", "seconds": "second", "sec": "second", "minute": "minute", "minutes": "minute", "min": "minute",
    "hour": "hour", "hours": "hour", "day": "day", "days": "day", "daily": "day", "month": "month", "monthly": "month",
}  # fmt: skip
_POOLS: Final = frozenset({"project", "org", "organization", "account", "user", "key", "model", "usage", "based"})
_TITLE: Final = re.compile(
    r"^(?:(?P<whose>[a-z0-9-]*)-)?(?P<what>ratelimit|ratelimitbysize|tokenlimit)(?:-(?P<rest>[a-z0-9-]+))?$"
)
_LONGEST_NAME: Final = 100
_MOST_NAMES: Final = 4096


class Names(dict[str, Meaning | None]):
    """Meanings by name, read at the first sight of each. Bounded: a server that makes up names cannot fill the memory."""

    def __missing__(self, name: str) -> Meaning | None:
        meaning = meaning_of(str(name).lower())
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = meaning
        return meaning


def meaning_of(name: str) -> Meaning | None:
    """What the header of this name (lower case) speaks of; None: of no limit that the ledger knows."""
    if name in SIGNS:
        return Meaning("sign", sign=SIGNS[name])
    if name in _COHERES:
        return _COHERES[name]
    plain = name.replace("_", "-").replace("rate-limit", "ratelimit").replace("audio-second", "audiosecond")
    title = _TITLE.match(plain) if len(name) <= _LONGEST_NAME else None
    if title is None:
        return None
    whose, what, rest = title["whose"] or "", title["what"], title["rest"]
    if what == "ratelimit" and not whose and rest in {None, "policy"}:
        return Meaning("composed")
    return _by_words(rest.split("-"), what, "" if whose == "x" else whose) if rest else None


def _by_words(words: list[str], what: str, whose: str) -> Meaning | None:
    roles: list[Role] = [_ROLES[word] for word in words if word in _ROLES]
    units: list[Unit] = [_UNITS[word] for word in words if word in _UNITS]
    halves: list[Unit] = [_HALVES[word] for word in words if word in _HALVES]
    periods: list[PeriodName] = [_PERIODS[word] for word in words if word in _PERIODS]
    times = [int(word) for word in words if word.isdigit() and len(word) <= 6]
    pools = [word for word in words if word in _POOLS]
    at_most_one = (len(roles), len(units), len(halves), len(periods), len(times))
    if sum(at_most_one) + len(pools) < len(words) or not roles or max(at_most_one) > 1:
        return None
    unit: Unit | None = units[0] if units else None if what == "ratelimit" else "tokens"
    if halves and unit == "tokens":
        unit = halves[0]
    elif halves or (times and not periods):
        return None
    per: Per = periods[0] if periods else None
    if per is None and (what == "ratelimitbysize" or whose.endswith("anthropic")):
        per = "minute"  # the former stands beside the same figures under `-minute`, the latter's are all of the minute
    seconds = unit is None or per is not None or what != "ratelimit"
    pool = "-".join([whose, *pools]) if whose else "-".join(pools)
    return Meaning(roles[0], unit or "requests", _several(times, per), pool, seconds)


def _several(times: list[int], per: Per) -> Per:
    """`10-second` is a period of ten seconds."""
    return times[0] * SECONDS[per] if times and times[0] > 1 and isinstance(per, str) else per
