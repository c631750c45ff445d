"""What the headers of any answer tell of limits. Pure; never raises, whatever a server sends.

Read: the names (`_told_names`), the values (a figure, a reset by its form), then for each limit its period: from the
name, from a header that says it, from the triple (`_told_period`), from what is known of the vendor (`_told_dialects`),
else None. What is not used, and why: counts of what no limit of ours has (images, pages, characters), the cost of one
call, `retry-after` (no block on an answer of success; of a refusal the failure has it), resets in an unsaid unit
(Azure's bare numbers are seconds here and milliseconds there), instants without a `date` to measure them by.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from rotor_core._ledger import Told
from rotor_core._model import SECONDS, Per, Unit, Window
from rotor_core._policy._told_dialects import DIALECTS, DURATIONS, GENERAL, Dialect, dialect_named
from rotor_core._policy._told_names import Meaning, Names
from rotor_core._policy._told_period import USUAL, Triple
from rotor_core._policy.reset_values import LONGEST, Reset, read_reset, seconds_until

ABSURD: Final = 1e15
"""No window holds more: a million million calls of a thousand tokens."""
UNLIMITED: Final = frozenset({"9223372036854767616", "9223372036854775807"})
"""2**63 - 1, the latter; the former is what becomes of it as a floating-point number on its way: there is no such limit."""

Read = tuple[tuple[Told, ...], tuple[str, ...]]
NOTHING: Final[Read] = ((), ())

_NAMES: Final = Names()
_Key = tuple[Unit, Per, str]


@dataclass(slots=True)
class _Group:
    """The headers that speak of one limit, as they are read."""

    limit: float | None = None
    remaining: float | None = None
    reset: Reset | None = None
    per: Per = None
    name: str = ""
    over: str = ""


class _Places(dict[str, tuple[Meaning, _Key] | None]):
    """What a name says and of which limit, by name: made once for each name that `_NAMES` keeps."""

    def __missing__(self, name: str) -> tuple[Meaning, _Key] | None:
        meaning = _NAMES[name]
        place: tuple[Meaning, _Key] | None = None
        if meaning is not None:
            place = (meaning, (meaning.unit, meaning.per, meaning.pool))
        if name in _NAMES:
            self[name] = place
        return place


_PLACES: Final = _Places()


def told_by_headers(provider: str, headers: Mapping[str, str]) -> Read:
    """What the headers of an answer (names in lower case) say of limits, and their oddities.

    An oddity is one line for each header whose value cannot be true or read: for an event. It shows numbers only.
    """
    found = [(name, place, value) for name, value in headers.items() if (place := _PLACES[name]) is not None]
    return _read(provider, headers, found) if found else NOTHING


def _read(provider: str, headers: Mapping[str, str], found: list[tuple[str, tuple[Meaning, _Key], str]]) -> Read:
    groups: dict[_Key, _Group] = {}
    odd: list[str] = []
    signs: set[str] | None = None
    for name, (meaning, key), given in found:
        role = meaning.role
        if role == "sign":
            signs = {meaning.sign} if signs is None else signs | {meaning.sign}
            continue
        value = given if type(given) is str else str(given)
        if role == "composed":
            _take_composed(name, value, groups, odd)
            continue
        if key in groups:
            group = groups[key]
        else:
            group = groups[key] = _Group(None, None, None, meaning.per)
        # A plain figure is what nearly all of them are.
        if role == "remaining" and value.isdigit() and len(value) <= 15 and value.isascii():
            group.remaining = float(value)
            group.over = name
        else:
            _take(name, meaning, value, group, odd)
    if not groups:
        return ((), tuple(odd)) if odd else NOTHING
    dialect = next((DIALECTS[sign] for sign in DIALECTS if sign in signs), None) if signs else None
    if dialect is None:
        dialect = dialect_named(str(provider))
    told = [_told(unit, group, dialect, headers) for (unit, _, _), group in groups.items() if _is_telling(group, odd)]
    several = len(told) > 1 and len({one.unit for one in told}) < len(told)
    return tuple(_distinct(told) if several else told), tuple(odd)


# ---- values -------------------------------------------------------------------------------------------------------


def _take(name: str, meaning: Meaning, value: str, group: _Group, odd: list[str]) -> None:
    """One header's value into its limit's group."""
    role = meaning.role
    if role == "reset":
        reset = read_reset(value)
        if reset is None:
            odd.append(f"{name}: {_shown(value)} is no time that a limit could need")
        elif reset.form != "whole" or meaning.seconds:
            group.reset = reset
        return
    figure = _figure(name, value, odd)
    if figure is None:
        return
    if role == "limit":
        if figure == 0:
            odd.append(f"{name}: a limit of 0 would have no answer")
        else:
            group.limit = figure
            group.name = name
    elif role == "remaining":
        group.remaining = figure
        group.over = name
    elif 0 < figure <= LONGEST:
        group.per = _named(figure)


_LISTED: Final = re.compile(r"\d{1,15}(?=\s*;|,\s)")
_PLAIN: Final = re.compile(
    r"[+-]?\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,4})?|[+-]?\d{1,3}(?:,\d{3}){1,8}(?:\.\d{1,20})?"
)


def _figure(name: str, value: str, odd: list[str]) -> float | None:
    """A count, or None where it is none (which is odd) or says that there is no limit (which is not)."""
    if value.isdigit() and value.isascii() and len(value) <= 15:
        return float(value)
    text = value.strip()
    if text in UNLIMITED:
        return None
    if text.isascii() and _PLAIN.fullmatch(text):
        figure = float(text.replace(",", ""))
        if 0 <= figure <= ABSURD and math.copysign(1, figure) > 0:
            return figure
        odd.append(f"{name}: {_shown(value)} is {'negative' if text[0] == '-' else 'absurdly large'}")
        return None
    if text.isascii() and (listed := _LISTED.match(text)):  # `100, 100;w=60`, as an early draft of the standard has it
        return float(listed[0])
    odd.append(f"{name}: {_shown(value)} is no number")
    return None


_SHOWABLE: Final = re.compile(r"[-+0-9.,eE:]{1,30}(?:ms|s|m|h)?")


def _shown(value: str) -> str:
    """A number as it came; any other text unseen, since nobody knows what a server has put there."""
    text = value.strip()
    return text if _SHOWABLE.fullmatch(text) else "a text" if text else "nothing"


_PAIR: Final = re.compile(r"(limit|remaining|reset|q|r|t|w)\s*=\s*\"?(-?\d{1,20})(?![\w.])", re.IGNORECASE)
_TITLE: Final = re.compile(r"\s*(?:\"([^\"]{0,60})\"|(\d{1,15})(?=\s*(?:;|$)))")
_LONGEST_VALUE: Final = 500


def _take_composed(name: str, value: str, groups: dict[_Key, _Group], odd: list[str]) -> None:
    """The standard's drafts: `limit=100, remaining=50, reset=5`, `"a";r=50;t=5`, and policies `100;w=60`, `"a";q=100;w=60`."""
    read = False
    for item in value[:_LONGEST_VALUE].split(","):
        title = _TITLE.match(item)
        pairs = [(key.lower(), number) for key, number in _PAIR.findall(item)]
        if title and title[2]:
            pairs.append(("limit", title[2]))
        pool = (title[1] or title[0].strip()) if title else ""
        if pairs:
            group = groups.setdefault(("requests", None, f"policy {pool}"), _Group())
            for key, number in pairs:
                _take(name, _COMPOSED[key], number, group, odd)
            read = True
    if not read:
        odd.append(f"{name}: {_shown(value)} is no limit")


_COMPOSED: Final[Mapping[str, Meaning]] = {
    "limit": Meaning("limit"), "q": Meaning("limit"), "remaining": Meaning("remaining"), "r": Meaning("remaining"),
    "reset": Meaning("reset"), "t": Meaning("reset"), "w": Meaning("period"),
}  # fmt: skip


def _named(seconds: float) -> Per:
    return next((per for per in USUAL if SECONDS[per] == seconds), seconds)


# ---- what they say together ---------------------------------------------------------------------------------------


def _is_telling(group: _Group, odd: list[str]) -> bool:
    """Whether a limit or what is left of it is said; a remainder above its limit is not believed."""
    limit, remaining = group.limit, group.remaining
    if limit is not None and remaining is not None and remaining > limit:
        odd.append(f"{group.over}: {remaining:g} left of a limit of {limit:g}")
        group.remaining = None
    return limit is not None or remaining is not None


def _told(unit: Unit, group: _Group, dialect: Dialect, headers: Mapping[str, str]) -> Told:
    """What a group says, of which a limit or what is left of it is known."""
    limit, remaining, reset, per = group.limit, group.remaining, group.reset, group.per
    text = f"{group.over}: {remaining:.15g}" if limit is None else f"{group.name}: {limit:.15g}"
    if reset is None:
        per = dialect.per.get(unit) if per is None else per
        return Told("header", unit, per, limit, remaining, text=text)
    form, seconds = reset.form, reset.seconds
    triple = None
    if limit is not None and remaining is not None and form in {"duration", "fraction"}:
        # Whole seconds are how windows with a fixed end are written, and too coarse to tell anything by.
        triple = Triple(limit, remaining, seconds, reset.grain)
    if per is None:
        per = _per(unit, triple, DURATIONS if dialect is GENERAL and form == "duration" else dialect)
    resets_in = seconds_until(reset, headers) if form == "instant" else seconds
    window: Window | None = None
    tz = None
    if per is not None:
        length = SECONDS[per] if isinstance(per, str) else per
        if triple is not None and triple.is_bucket(length):
            window = "bucket"
        elif form == "instant" and per in {"hour", "day"} and seconds % length == 0:
            window, tz = "calendar", "UTC"  # on the stroke: one in thousands would be by chance
    return Told("header", unit, per, limit, remaining, resets_in=resets_in, window=window, tz=tz, text=text)


def _per(unit: Unit, triple: Triple | None, dialect: Dialect) -> Per:
    """The period of a limit whose headers do not name it."""
    usual = dialect.per.get(unit)
    if triple is None or not triple.is_telling():
        return usual
    inferred = triple.period(dialect.candidates.get(unit, USUAL))
    if inferred is not None:
        return inferred
    # What the triple speaks against is not assumed: a window of a minute is back within the minute.
    fits = usual is not None and unit not in dialect.buckets and triple.reset <= SECONDS[usual] * 1.02
    return usual if fits else None


def _distinct(told: Iterable[Told]) -> list[Told]:
    """One word for each limit: what is said twice, or of several pools of one unit and period, by the strictest."""
    kept: list[Told] = []
    for one in told:
        for at, other in enumerate(kept):
            if same_limit(one, other):
                kept[at] = _strictest(other, one)
                break
        else:
            kept.append(one)
    return kept


def same_limit(a: Told, b: Told) -> bool:
    """Whether both speak of one limit: one unit and period, or one figure where a period is not said."""
    if a.unit != b.unit:
        return False
    if a.per == b.per:
        return True
    return (a.per is None or b.per is None) and a.limit is not None and a.limit == b.limit


def _strictest(a: Told, b: Told) -> Told:
    """The lower limit, and the least that is left under any of them."""
    first = b if a.limit is None or (b.limit is not None and b.limit < a.limit) else a
    return replace(
        first,
        per=a.per if a.per is not None else b.per,
        remaining=least(a.remaining, b.remaining),
        resets_in=max((s for s in (a.resets_in, b.resets_in) if s is not None), default=None),
        window=a.window or b.window,
        tz=a.tz or b.tz,
    )


def least(a: float | None, b: float | None) -> float | None:
    """The lesser of two figures, of which either may be unknown."""
    return b if a is None else a if b is None else min(a, b)
