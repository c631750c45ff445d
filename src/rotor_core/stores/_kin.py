"""Quotas of a ledger that turn out to be one: what they are found by, and how two of them become one.

Only limits that a provider tells figures of are compared. Of those, every call of ours is noted, whichever process it is of.
Where both quotas are `auto:`, one stands for the other from then on: what limits a period is counted in common. Limits on
calls at a time stay as they are, each quota's own, for no provider tells how many are under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rotor_core._health import HEALTH
from rotor_core._ledger import AUTO, Correct, Kin, Option
from rotor_core._state.kinships import Kinships

if TYPE_CHECKING:
    from rotor_core.stores._book import Book
    from rotor_core.stores._open import Open


class Kindred:
    """`families`: the family of each limit that a provider tells figures of, by key; empty while nobody tells anything."""

    __slots__ = ("families", "kinships")

    def __init__(self) -> None:
        self.families: dict[str, str] = {}
        self.kinships = Kinships()

    def took(self, known: Open, amounts: Sequence[float], sign: int = 1) -> None:
        """Note a call of ours; with `sign` -1, that it was not counted."""
        for meter, amount in zip(known.meters, amounts, strict=True):
            key = meter.key
            family = self.families.get(key)
            if family is not None and amount:
                self.kinships.took(family, quota_of(key), known.at, sign * amount)

    def told(self, known: Open, wanted: Sequence[Correct], now: float) -> list[Kin]:
        """Compare a provider's figures, before they are made ours; what is found."""
        found: list[Kin] = []
        if known.taken is None or known.entry is None:
            return found
        quota, origin = quota_of(known.subject), _origin(known.entry.option)
        used = {correct.key: correct.used for correct in wanted}
        for i, meter in enumerate(known.meters):
            key = meter.key
            whose, _, rest = key.partition("|")
            if key not in used or whose != quota:
                continue
            family = f"{origin}|{rest}|{meter.limit.value:g}"
            if self.families.get(key) != family:  # from now on
                self.families[key] = family
                self.kinships.counts(family, quota, now)
            beyond = used[key] - known.taken[i][0] + known.corrected[i]
            pair = self.kinships.told(family, quota, known.at, beyond)
            if pair is not None:
                limit = meter.limit
                found.append(
                    Kin(
                        pair,
                        f"what the provider counts in {limit.unit} a {limit.per} on one is what was sent on the other",
                    )
                )
        return found

    def forget(self, quota: str) -> None:
        self.kinships.forget(quota)
        for key in [key for key in self.families if quota_of(key) == quota]:
            del self.families[key]


def quota_of(key: str) -> str:
    """The quota that a limit's key, or a subject, begins with."""
    return key.partition("|")[0]


def merged(book: Book, found: Sequence[Kin], now: float) -> None:
    """Make one of those that may be."""
    for kin in found:
        if all(quota.startswith(AUTO) for quota in kin.quotas):
            book.note("merge", *kin.quotas, now)
            merge(book, *kin.quotas, now)


def merge(book: Book, quota: str, other: str, now: float) -> None:
    """Let `quota` stand for `other` from now on, and what is in flight there be in flight here."""
    shelf = book.shelf
    quota, other = shelf.stands.get(quota, quota), shelf.stands.get(other, other)
    if quota == other:
        return
    moved = [
        (known, i)
        for known in book.open.values()
        for i, meter in enumerate(known.meters)
        if quota_of(meter.key) in (quota, other)
    ]
    for known, i in moved:
        known.meters[i].window.change(now, known.at, known.amounts[i], known.marks[i], 0.0)
    stand_in = shelf.merge(quota, other, now)
    for known, i in moved:
        old, amount = known.meters[i], known.amounts[i]
        meter = stand_in.get(old.key, old)
        known.marks[i] = meter.window.charge(now, max(known.at, now), amount)
        if meter is old:
            continue
        known.meters = (*known.meters[:i], meter, *known.meters[i + 1 :])
        known.entry, known.taken = None, None  # what was counted when it was sent was counted elsewhere
        if known.due:
            meter.flying += amount
        else:
            meter.coming += amount
    for known in book.open.values():
        known.subject = shelf.stand_in(known.subject)
    book.kindred.forget(other)
    book.look_again()


def _origin(option: Option) -> str:
    """The provider: the widest scope at which somebody told us to rest."""
    return next(scope for scope in reversed(option.scopes) if not scope.startswith(HEALTH))
