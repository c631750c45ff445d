"""Who goes first, without looking at everybody: an index of one plan's options over the ledger's meters.

In each tier an option is either *ready*, in a list sorted by its score, or *asleep*, in a group with all that the same
meter, gate or rest holds back. A group's `floor` is the earliest instant at which its holder would let the smallest
demand through: nobody in it can have room before, so groups are looked at in that order and no further than needed.

Scores may be a moment old, as a stale order costs next to nothing; reservations are always computed afresh. On every
decision the options touched since the last one are scored again, and a few more in turn (the clock's hand), so that with
up to five options the order is exact. A charge by another plan can only make a floor too early; when a holder eases
(refund, release, a larger limit) it tells its groups, whose floors are then computed again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping
from math import inf, isnan

from rotor_core._ledger import Option, Plan, Score, Standing, Tier
from rotor_core._model import Limit
from rotor_core.stores._demand import Amounts, Least, Taken, Want
from rotor_core.stores._meters import Gate, Holder, Meter, Rest, Stats
from rotor_core.stores._shelf import Shelf

HAND = 5
"""Options looked at in turn at each decision, besides those touched: in a tier of up to so many the order is exact."""

FRESH = 0.010
"""Seconds for which a score stands while nothing is taken or given back: refill alone hardly changes an order in that time."""

FRESH_EACH = 0.000_25
"""The same for each option of a large tier: of a thousand, a score may be a quarter of a second old."""

WAKE = 16
"""Options woken at each decision, at most; the others of a large group are reached through its floor."""

LOOK = 16
"""Options with a full gate that are compared, at most: where there is only an estimate, a sample is as good as all."""


class Entry:
    """An option of a plan, with what it draws on. `group`: where it sleeps, or None. `shape`: how its limits count."""

    __slots__ = (
        "gates", "group", "headroom", "holders", "id", "latency", "limits", "meters", "on_trial", "option", "order", "price", "score",
        "scored_at", "seen", "served", "shape", "stale", "stats", "tier",
    )  # fmt: skip
    meters: tuple[Meter, ...]
    gates: tuple[Gate, ...]
    holders: tuple[Meter | Gate, ...]
    limits: tuple[Limit, ...]

    def __init__(self, option: Option, order: int, tier: TierIndex, shelf: Shelf, now: float) -> None:
        self.option, self.id, self.order, self.tier = option, option.id, order, tier
        self.draw_on(*shelf.of(option, now))
        self.price = option.price.blended if option.price else inf
        self.stats: Stats = shelf.stats_of(option.id)
        self.shape = 0
        self.group: Group | None = None
        self.stale = tier.of_one  # then it need never be scored again
        self.scored_at = now
        self.headroom, self.served, self.latency, self.on_trial = -1.0, -1, self.stats.latency, False
        self.score = 0.0

    def draw_on(self, meters: tuple[Meter, ...], gates: tuple[Gate, ...]) -> None:
        self.meters, self.gates = meters, gates
        self.holders = (*meters, *gates)
        self.limits = tuple(meter.limit for meter in meters)
        self.seen = -1

    def resting(self, rests: Mapping[str, Rest], now: float) -> Rest | None:
        """The longest rest that keeps this out at `now`."""
        longest: Rest | None = None
        for scope in self.option.scopes:
            rest = rests.get(scope)
            if rest is not None and rest.until > now and (longest is None or rest.until > longest.until):
                longest = rest
        return longest

    def room(self, now: float) -> float:
        """The smallest fraction left over its limits, 1 where there are none."""
        left = [meter.window.headroom(now) for meter in self.meters]
        if self.gates:
            left += [gate.slots.headroom() for gate in self.gates]
        return min(left, default=1.0)

    def changes(self) -> int:
        """How often anything that it draws on has changed, by whomever."""
        total = 0
        for holder in self.holders:
            total += holder.changes
        return total

    def touched(self) -> None:
        """Its standing has changed: score it again at the next decision."""
        for holder in self.holders:
            holder.changes += 1
        if not self.stale:
            self.stale = True
            self.tier.stale.append(self)


class Group:
    """Entries of a tier asleep because of one holder; `amount`: the least that any of them would take of it."""

    __slots__ = ("__weakref__", "amount", "dirty", "entries", "floor", "holder", "number", "tier")

    def __init__(self, holder: Holder, tier: TierIndex, number: int, floor: float, amount: float) -> None:
        self.holder, self.tier, self.number, self.floor, self.amount = holder, tier, number, floor, amount
        self.entries: dict[int, Entry] = {}
        self.dirty = False

    def ease(self) -> None:
        if not self.dirty:
            self.dirty = True
            self.tier.dirty.append(self)


class Outlook:
    """What a tier without room has to offer: `entry` from `at` on, and `busy`, whose gate is full, perhaps from `busy_at`.

    `busy_open`: when its windows would let the ask through.
    """

    __slots__ = ("at", "busy", "busy_at", "busy_open", "entry")

    def __init__(self) -> None:
        self.at = self.busy_at = self.busy_open = inf
        self.entry: Entry | None = None
        self.busy: Entry | None = None


class TierIndex:
    """One tier's options. `ready`: `(-score, order)`, sorted. `asleep`: `(floor, number, group)`, sorted.

    `of_one`: its option is first whatever its score.
    """

    def __init__(self, tier: Tier, score: Score, shelf: Shelf, now: float) -> None:
        self.max_wait, self._score_of, self.of_one = tier.max_wait, score, len(tier.options) == 1
        self.entries = [Entry(option, order, self, shelf, now) for order, option in enumerate(tier.options)]
        self.ready: list[tuple[float, int]] = []
        self.asleep: list[tuple[float, int, Group]] = []
        self.groups: dict[Holder, Group] = {}
        self.stale: list[Entry] = []
        self.dirty: list[Group] = []
        self._hand = self._number = 0
        self._fresh = max(FRESH, FRESH_EACH * len(self.entries))
        self._aside: list[tuple[float, Entry]] = []
        for entry in self.entries:
            self._score(entry, now)
            self.ready.append((-entry.score, entry.order))
        self.ready.sort()

    # --- looking -----------------------------------------------------------------------------------------------------

    def first(self, want: Want, least: Amounts) -> Taken | None:
        """The best-scored option with room by `want.by`, and the instant."""
        now, by, exclude, rests = want.now, want.by, want.exclude, want.rests
        if self.dirty:
            self._lower_floors(now)
        if self.asleep and self.asleep[0][0] <= by:
            self._wake(by, now)
        if not self.of_one:
            self._catch_up(now)
        aside: list[tuple[float, Entry]] = []
        self._aside, found = aside, None
        for _, order in self.ready:
            entry = self.entries[order]
            if entry.id in exclude:
                continue
            e = want.instant(entry) if entry.holders or rests else now
            if e <= by and not (entry.gates and want.blocked(entry)):
                found = Taken(entry, e)
                break
            aside.append((e, entry))
        for _, entry in aside:
            self._maybe_sleep(entry, want, least)
        return found

    def outlook(self, want: Want, limit: float) -> Outlook:
        """After `first` found nothing: the smallest instant of all options, and the best guess among busy ones.

        `limit`: the longest that the ask can wait.
        """
        outlook = Outlook()
        for e, entry in self._aside:
            self._consider(entry, e, want, outlook)
        for floor, _, group in self.asleep:
            if floor >= outlook.at:
                break
            self._consider_group(group, want, outlook)
        for group in list(self.groups.values()):
            if isinstance(group.holder, Gate):
                self._consider_group(group, want, outlook, limit)
        return outlook

    def has_due(self, by: float) -> bool:
        """Whether somebody asleep may have room by `by` after all: only a few are woken at a time."""
        return bool(self.asleep) and self.asleep[0][0] <= by

    def _consider_group(self, group: Group, want: Want, outlook: Outlook, limit: float = -inf) -> None:
        seen = 0
        for entry in group.entries.values():
            if entry.id in want.exclude:
                continue
            e = want.instant(entry)
            self._consider(entry, e, want, outlook)
            if e <= limit:
                seen += 1
            if seen == LOOK or (e == outlook.at and e == _bound(group, entry, want)):
                break  # nobody in this group can be earlier than its holder allows

    def _consider(self, entry: Entry, e: float, want: Want, outlook: Outlook) -> None:
        if not want.blocked(entry):
            if e < outlook.at:
                outlook.at, outlook.entry = e, entry
            return
        place = 1.0 + want.waiting / len(self.groups or (1,))
        full = [gate.slots for gate in entry.gates if not gate.slots.fits(want.demand.requests)]
        at = max(e, want.now + max(slots.estimate(place) for slots in full))
        if e < inf and (at, e) < (outlook.busy_at, outlook.busy_open):
            outlook.busy_at, outlook.busy_open, outlook.busy = at, e, entry

    # --- scoring -----------------------------------------------------------------------------------------------------

    def _catch_up(self, now: float) -> None:
        for entry in self.stale:
            entry.stale = False
            self._rescore(entry, now)
        self.stale.clear()
        count = len(self.entries)
        for _ in range(min(HAND, count)):
            entry = self.entries[self._hand]
            self._hand = (self._hand + 1) % count
            if now - entry.scored_at >= self._fresh or entry.changes() != entry.seen:
                self._rescore(entry, now)

    def _rescore(self, entry: Entry, now: float) -> None:
        if entry.group is None:
            old = entry.score
            if self._score(entry, now):
                del self.ready[bisect_left(self.ready, (-old, entry.order))]
                insort(self.ready, (-entry.score, entry.order))

    def _score(self, entry: Entry, now: float) -> bool:
        """Score an entry as it stands; whether that changed its score."""
        entry.scored_at, entry.seen = now, entry.changes()
        stats = entry.stats
        room, served, latency, on_trial = entry.room(now), stats.served, stats.latency, stats.on_trial
        if (room, served, latency, on_trial) == (entry.headroom, entry.served, entry.latency, entry.on_trial):
            return False
        entry.headroom, entry.served, entry.latency, entry.on_trial = room, served, latency, on_trial
        score = self._score_of(Standing(room, served, latency, entry.option.weight, entry.price, on_trial))
        if isnan(score):  # it would break the order
            score = -inf
        if score == entry.score:
            return False
        entry.score = score
        return True

    # --- sleeping and waking -----------------------------------------------------------------------------------------

    def _maybe_sleep(self, entry: Entry, want: Want, least: Amounts) -> None:
        """Put an entry to sleep when not even the smallest demand has room."""
        now, soon = want.now, max(want.now, want.by)
        rest = entry.resting(want.rests, soon) if want.rests else None
        if rest is not None:
            self._sleep(entry, rest, rest.until, 0.0)
            return
        worst, held_by, least_amount = soon, None, 0.0
        for meter, amount in zip(entry.meters, least.of(entry), strict=True):
            if amount:
                e = meter.opens_at(now, amount)
                if e > worst:
                    worst, held_by, least_amount = e, meter, amount
        if held_by is not None:
            self._sleep(entry, held_by, worst, least_amount)
            return
        for gate in entry.gates:
            if not gate.slots.fits(1):
                self._sleep(entry, gate, inf, 1.0)
                return

    def _sleep(self, entry: Entry, holder: Holder, floor: float, amount: float) -> None:
        del self.ready[bisect_left(self.ready, (-entry.score, entry.order))]
        group = self.groups.get(holder)
        if group is None:
            self._number += 1
            group = self.groups[holder] = Group(holder, self, self._number, floor, amount)
            holder.holds(group)
            insort(self.asleep, (floor, group.number, group))
        else:
            group.amount = min(group.amount, amount)
            if floor < group.floor:
                self._move(group, floor)
        group.entries[entry.order] = entry
        entry.group = group

    def _wake(self, by: float, now: float) -> None:
        budget = WAKE
        while budget and self.has_due(by):
            _, _, group = self.asleep[0]
            while group.entries and budget:
                _, entry = group.entries.popitem()
                budget -= 1
                entry.group = None
                self._score(entry, now)
                insort(self.ready, (-entry.score, entry.order))
            if not group.entries:
                del self.asleep[0]
                del self.groups[group.holder]

    def _lower_floors(self, now: float) -> None:
        for group in self.dirty:
            group.dirty = False
            # Who takes nothing of a limit is not held up by it, not even by a debt.
            free = isinstance(group.holder, Meter) and not group.amount
            self._move(group, now if free else group.holder.opens_at(now, group.amount))
        self.dirty.clear()

    def _move(self, group: Group, floor: float) -> None:
        del self.asleep[bisect_left(self.asleep, (group.floor, group.number))]
        group.floor = floor
        insort(self.asleep, (floor, group.number, group))

    def awaken(self, entry: Entry, now: float) -> None:
        """What holds an entry back has changed altogether: have it tried again."""
        if entry.group is not None:
            del entry.group.entries[entry.order]
            entry.group = None
            self._score(entry, now)
            insort(self.ready, (-entry.score, entry.order))
        elif not entry.stale:
            entry.stale = True
            self.stale.append(entry)

    def reconsider_all(self, least: Amounts) -> None:
        """The smallest demand has become smaller: floors computed for the old one are too late."""
        for group in self.groups.values():
            if isinstance(group.holder, Meter) and group.entries:  # those in it may have been awakened
                group.amount = min(
                    least.of(entry)[entry.meters.index(group.holder)] for entry in group.entries.values()
                )
                group.ease()


def _bound(group: Group, entry: Entry, want: Want) -> float:
    """The earliest that a group's holder would let this ask through, whichever of its options is taken."""
    holder, amount = group.holder, 0.0
    if isinstance(holder, Meter):
        if holder.limit.unit == "usd":
            return -inf  # it depends on each one's price
        amount = want.of(entry)[entry.meters.index(holder)]
    return holder.opens_at(want.now, amount)


class PlanIndex:
    """All tiers of a plan, and every key that it draws on. It does not refer to the plan, which may then be let go.

    `entries`: by option id. `gates`: the keys of all gates.
    """

    def __init__(self, plan: Plan, shelf: Shelf, now: float) -> None:
        self.tiers = [TierIndex(tier, plan.score, shelf, now) for tier in plan.tiers]
        self.least: Least | None = None
        self.entries = {entry.option.id: entry for tier in self.tiers for entry in tier.entries}
        self._shapes: dict[object, int] = {}
        self._by_subject: dict[str, list[Entry]] = {}
        for entry in self.entries.values():
            self._by_subject.setdefault(entry.option.subject, []).append(entry)
        self.seen = len(shelf.changed)
        self._look_again(self.entries.values())

    def catch_up(self, shelf: Shelf, now: float) -> None:
        """Let the options draw on what was learned since (when `seen`), and no longer on what is no longer believed."""
        subjects = set(shelf.changed[self.seen :])
        self.seen = len(shelf.changed)
        again = [entry for subject in subjects for entry in self._by_subject.get(subject, ())]
        for entry in again:
            entry.draw_on(*shelf.of(entry.option, now))
            entry.tier.awaken(entry, now)
        if again:
            self._look_again(again)

    def _look_again(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            price = entry.option.price if any(limit.unit == "usd" for limit in entry.limits) else None
            counting = tuple((limit.unit, limit.counts, limit.value) for limit in entry.limits)
            entry.shape = self._shapes.setdefault((counting, price, entry.option.model), len(self._shapes))
        self.keys = {holder.key for entry in self.entries.values() for holder in entry.holders}
        self.gates = frozenset(gate.key for entry in self.entries.values() for gate in entry.gates)

    def reconsider_all(self, least: Amounts) -> None:
        """The smallest demand lately has become smaller."""
        for tier in self.tiers:
            tier.reconsider_all(least)
