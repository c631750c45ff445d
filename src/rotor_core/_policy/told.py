"""What a refusal tells of limits: its words, as `classify_failure` has read them, and its headers. Pure; never raises.

The limit that refused comes first. What the headers say of the same limit joins it; what they say of others stands
beside it. A refusal that names no limit is pinned on the one limit that the headers show at nothing left, if it is one.

A window's kind is told where words do so that only one vendor has, of whose windows the kind is documented or measured
(Gemini counts by the wall clock, Cohere's trial keys any sixty seconds), or where limit, used, requested and the wait
fit a bucket to the last unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from rotor_core._ledger import Told
from rotor_core._model import SECONDS, Per, Unit, Window
from rotor_core._outcome import Failure
from rotor_core._policy.headers import ABSURD, least, same_limit, told_by_headers

_VendorsWindow = tuple[re.Pattern[str], frozenset[str], Window, str | None]

PACIFIC: Final = "America/Los_Angeles"
_WINDOWS: Final[tuple[_VendorsWindow, ...]] = (
    (re.compile(r"generativelanguage\.|\bGenerate[A-Z]\w*Per[A-Z]"), frozenset({"minute"}), "calendar", "UTC"),
    (re.compile(r"generativelanguage\.|\bGenerate[A-Z]\w*Per[A-Z]"), frozenset({"day"}), "calendar", PACIFIC),
    (re.compile(r"trial key\b.{0,80}\bapi calls / minute", re.IGNORECASE), frozenset({"minute"}), "rolling", None),
    (
        re.compile(r"free-models-per-|limit_rp[md]/|openrouter_free_tier"),
        frozenset({"minute", "day"}),
        "calendar",
        "UTC",
    ),
)
"""By the words of a refusal and its period: the window's kind and its zone."""

_ROUNDED: Final = 1.01
"""Units by which `Used` may be off: a counter with a fraction is shown rounded up by one, cut by another."""
_PROVEN: Final = 0.105
"""A bucket is believed when at most this share of the waits of a window with a fixed end would fit it."""


def told_by_refusal(
    provider: str, failure: Failure, headers: Mapping[str, str], others: tuple[Told, ...] | None = None
) -> tuple[Told, ...]:
    """What a failed call tells of limits. `headers`: those of the refusal, in lower case; what they tell is in it, too
    (`others`, where they have been read already).

    `refused` is true of the limit that refused. A request that is larger than a window's whole limit (`too_large`)
    teaches the limit, though room was not the matter. Failures of other kinds tell what their headers do.
    """
    if others is None:
        others, _ = told_by_headers(provider, headers)
    if failure.kind == "too_large":
        said = _said(failure, refused=False)
        names_window = said.unit is not None and said.per is not None and said.limit is not None
        return _with(said, others, failure.status) if names_window else others
    if failure.kind == "rate_limit":
        return _with(_pinned(_said(failure, refused=True), others), others, failure.status)
    if failure.kind == "quota_exhausted":
        said = _said(failure, refused=True)
        # Words like "your quota is used up" that name no limit speak of money: nothing to count.
        return (
            others if said.unit is None and said.per is None else _with(_pinned(said, others), others, failure.status)
        )
    return others


def _said(failure: Failure, *, refused: bool) -> Told:
    unit: Unit | None = failure.unit
    per: Per = failure.per
    limit, used, requested = (
        (None,) * 3 if unit is None else map(_sane, (failure.limit, failure.used, failure.requested))
    )
    retry_in = _sane(failure.retry_after)
    window, tz = _vendors_window(failure.message, per)
    if tz == PACIFIC:
        retry_in = None  # that wait is the minute's, even when the day is spent
    if window is None and _is_bucket(per, limit, used, requested, retry_in):
        window = "bucket"
    return Told("error", unit, per, limit, None, used, requested, None, retry_in, refused, window, tz)


def _sane(figure: float | None) -> float | None:
    return figure if figure is not None and 0 <= figure <= ABSURD else None


def _vendors_window(message: str, per: Per) -> tuple[Window | None, str | None]:
    for words, periods, window, tz in _WINDOWS:
        if per in periods and words.search(message):
            return window, tz
    return None, None


def _is_bucket(
    per: Per, limit: float | None, used: float | None, requested: float | None, retry_in: float | None
) -> bool:
    """A bucket has room for `requested` once what is missing has flowed in: `(used + requested - limit) / limit * period`."""
    if not limit or used is None or requested is None or retry_in is None or not isinstance(per, str):
        return False
    missing = used + requested - limit
    unit = SECONDS[per] / limit
    return 2 * _ROUNDED / limit <= _PROVEN and abs(retry_in - missing * unit) <= _ROUNDED * unit


def _evidence(said: Told, status: int | None) -> str:
    """In our words, from figures alone: a refusal's own text may quote anything."""
    what = "a limit" if said.unit is None else said.unit.replace("_", " ")
    per = "" if said.per is None else f" per {said.per}"
    figures = ", ".join(
        f"{name} {figure:.15g}"
        for name, figure in (("limit", said.limit), ("used", said.used), ("requested", said.requested))
        if figure is not None
    )
    how = "" if status is None else f"HTTP {status}: "
    return f"{how}{what}{per}{': ' if figures else ''}{figures}"


def _pinned(said: Told, others: tuple[Told, ...]) -> Told:
    """A refusal that names no figure, with period and limit of the only one that fits it and of which nothing is left."""
    if said.limit is not None or said.unit == "concurrent":
        return said
    empty = [
        one
        for one in others
        if one.remaining == 0 and said.unit in {None, one.unit} and (said.per is None or one.per in {None, said.per})
    ]
    if len(empty) != 1:
        return said
    (one,) = empty
    return replace(said, unit=one.unit, per=said.per if said.per is not None else one.per, limit=one.limit)


def _with(said: Told, others: tuple[Told, ...], status: int | None) -> tuple[Told, ...]:
    rest: list[Told] = []
    for one in others:
        if same_limit(said, one) and (said.per is not None or said.limit is not None):
            said = replace(
                said,
                per=one.per if said.per is None else said.per,
                limit=one.limit if said.limit is None else said.limit,
                remaining=least(said.remaining, one.remaining),
                resets_in=one.resets_in if said.resets_in is None else said.resets_in,
                window=said.window or one.window,
                tz=said.tz or one.tz,
            )
        else:
            rest.append(one)
    return (replace(said, text=_evidence(said, status)), *rest)
