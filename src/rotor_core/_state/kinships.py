"""Quotas that are one: what a provider counts on one of them beyond our calls is what we took of another. Pure.

Quotas with an equal limit are a *family*: same origin, model, unit, period and value. Each is compared with each other one
in stretches of `STRETCH` calls of ours on the other. If the provider's figure for it grew, beyond what we took of it, by
what we took of the other, or of all others that may be the same, the pair is confirmed. If it grew by less than half of
what we took of the other, the pair is contradicted, and has to be confirmed twice as often. Any other growth starts the
count anew: somebody else draws on the quota as well.

Calls that are on their way when a figure is given may be in it or not. So figures are compared as they grow over a whole
stretch, where such a call counts at one end what it lacks at the other.

What cannot be told from one quota: two quotas of which somebody else takes in our own rhythm and amount. Processes that
share a store count each other's calls as their own, so this concerns those that do not.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from math import inf
from typing import Final

STRETCH: Final = 5
"""Calls of ours on other quotas after which a figure is compared. Below it, a call on its way would weigh too much."""

ENOUGH: Final = 8
"""Confirmations in a row, in both directions, until a pair is reported. At most `MOST` after contradictions."""

MOST: Final = 64

EXACT: Final = 1.0
"""Units by which a figure may be off because of a call on its way."""

ALIKE: Final = 0.2
"""Of what was taken: so much may a figure be off where amounts are estimated, as those of tokens."""

FAMILIES: Final = 256
"""Families that are kept; the one not heard of for longest goes first."""

MEMBERS: Final = 16
"""Quotas of a family that are compared; further ones are not."""

KEPT: Final = 128
"""Calls of a quota that are kept."""


class _Member:
    """A quota in a family. `calls`: `(at, amount)`, sorted; of those up to `lost` some are not kept. `heard`: the instant of
    the last figure. `stretches`: with each other quota, since when they are compared, and what the figure was then.
    """

    __slots__ = ("calls", "heard", "lost", "stretches")

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []
        self.lost = self.heard = -inf
        self.stretches: dict[str, tuple[float, float]] = {}

    def took(self, at: float, amount: float) -> None:
        insort(self.calls, (at, amount))
        if len(self.calls) > KEPT:
            self.lost = self.calls[KEPT // 2 - 1][0]
            del self.calls[: KEPT // 2]

    def between(self, since: float, until: float) -> list[float]:
        """The amounts of its calls after `since`, up to `until`."""
        first, last = bisect_right(self.calls, (since, inf)), bisect_right(self.calls, (until, inf))
        return [amount for _, amount in self.calls[first:last]]


class _Pair:
    """How often two quotas were confirmed to be one since the last doubt, from whose figures, and how often is enough.

    `apart`: the last that was heard of them contradicts it.
    """

    __slots__ = ("apart", "enough", "score", "seen")

    def __init__(self) -> None:
        self.enough, self.score, self.apart = ENOUGH, 0, False
        self.seen: set[str] = set()

    def confirmed(self, by: str) -> bool:
        """Once more, by the figure of one of them. Whether that is enough."""
        self.apart = False
        self.score += 1
        self.seen.add(by)
        return self.score >= self.enough and len(self.seen) > 1

    def doubted(self) -> None:
        self.score = 0
        self.seen.clear()

    def contradicted(self) -> None:
        self.doubted()
        self.enough, self.apart = min(MOST, 2 * self.enough), True


class Kinships:
    """Whoever holds it calls it by one thread at a time. Instants and amounts are whatever the caller counts in."""

    __slots__ = ("_families", "_pairs", "_reported")

    def __init__(self) -> None:
        self._families: dict[str, dict[str, _Member]] = {}
        self._pairs: dict[str, dict[tuple[str, str], _Pair]] = {}
        self._reported: set[tuple[str, str]] = set()

    def counts(self, family: str, quota: str, since: float) -> None:
        """From `since` on this quota's calls are told; what was sent before is not known."""
        member = self._member(family, quota)
        if member is not None:
            member.lost = since

    def took(self, family: str, quota: str, at: float, amount: float) -> None:
        """A call of ours on a quota, sent at `at`; a negative amount takes one back that was not counted."""
        member = self._member(family, quota)
        if member is not None:
            member.took(at, amount)

    def told(self, family: str, quota: str, at: float, beyond: float) -> tuple[str, str] | None:
        """A provider's figure for a quota, as it was at `at`: `beyond` is by how much it exceeds all that we took of it.

        Only the growth of `beyond` counts, so it may begin anywhere. What comes late, for an instant before that of another
        figure, is passed over. Returns a pair of quotas that are one, in the order of their names, once.
        """
        member = self._member(family, quota)
        if member is None or at <= member.heard:
            return None
        member.heard = at
        members = self._families[family]
        found: tuple[str, str] | None = None
        for name, other in members.items():
            if other is member:
                continue
            since, base = member.stretches.get(name, (-inf, 0.0))
            if other.lost >= since:
                member.stretches[name] = (at, beyond)
                continue
            calls = other.between(since, at)
            if len(calls) < STRETCH:
                continue
            member.stretches[name] = (at, beyond)
            grown, taken = beyond - base, sum(calls)
            pair = self._pair(family, quota, name)
            if _alike(grown, taken) or _alike(grown, self._taken(family, quota, name, since, at)):
                names = _named(quota, name)
                if pair.confirmed(quota) and found is None and names not in self._reported:
                    self._reported.add(names)
                    found = names
            elif grown < taken / 2:
                pair.contradicted()
            else:
                pair.doubted()
        return found

    def forget(self, quota: str) -> None:
        """A quota is no longer counted by that name."""
        for family, members in self._families.items():
            members.pop(quota, None)
            for member in members.values():
                member.stretches.pop(quota, None)
            for pair in [pair for pair in self._pairs[family] if quota in pair]:
                del self._pairs[family][pair]

    def _member(self, family: str, quota: str) -> _Member | None:
        members = self._families.pop(family, None)
        if members is None:
            if len(self._families) >= FAMILIES:
                oldest = next(iter(self._families))
                del self._families[oldest], self._pairs[oldest]
            members = {}
            self._pairs[family] = {}
        self._families[family] = members  # the last one heard of
        member = members.get(quota)
        if member is None and len(members) < MEMBERS:
            member = members[quota] = _Member()
        return member

    def _pair(self, family: str, quota: str, other: str) -> _Pair:
        return self._pairs[family].setdefault(_named(quota, other), _Pair())

    def _taken(self, family: str, quota: str, name: str, since: float, at: float) -> float:
        """What we took in a stretch of one quota and of all others that may be the same as `quota`."""
        return sum(
            sum(other.between(since, at))
            for known, other in self._families[family].items()
            if known == name or (known != quota and not self._pair(family, quota, known).apart)
        )


def _named(quota: str, other: str) -> tuple[str, str]:
    return (quota, other) if quota < other else (other, quota)


def _alike(grown: float, amount: float) -> bool:
    return abs(grown - amount) <= max(EXACT, ALIKE * amount)
