"""The client's half of a ledger in Redis: what is asked of it, what its replies mean. No IO: whoever drives it does that.

Every operation is a generator that yields calls and is sent replies, once for both faces of the store. A ledger names options
by number; one that does not know a number (it is new, or has lost everything) says so, is told of the options, and is asked
again. Its epoch tells a ledger that has lost everything from one that is new here: what this client last saw used is then
told as well, so that nothing is granted twice.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Generator, Iterable, Sequence
from threading import RLock
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from rotor_core._demand import Demand
from rotor_core._errors import StoreError
from rotor_core._ledger import (
    Ask,
    Block,
    Change,
    Correct,
    Drop,
    Grant,
    Hold,
    Lesson,
    Option,
    OptionReading,
    Plan,
    Reservation,
    Ticket,
    Told,
    Used,
)  # fmt: skip
from rotor_core._model import Limit
from rotor_core._state.jitter import Jitter
from rotor_core._state.window import Guards
from rotor_core.stores._redis_clock import ServerClock
from rotor_core.stores._redis_errors import lost
from rotor_core.stores._redis_lessons import Mine, Pupil, learned
from rotor_core.stores._redis_order import PlanOrder
from rotor_core.stores._redis_reasons import refusal
from rotor_core.stores._redis_transport import Call
from rotor_core.stores._redis_view import View
from rotor_core.stores._redis_wire import pack, unpack
from rotor_core.stores._redis_words import (
    Known,
    demanded,
    known,
    numbers,
    opened,
    or_false,
    words_of,
    words_of_record,
    zone_name,
)
from rotor_core.stores._redis_zones import reaches, zone

_log = logging.getLogger("rotor_core")

T = TypeVar("T")
Talk = Generator[Call, bytes, T]

LAYOUT: Final = 1
"""The keys' and records' layout; `LAYOUT` in `lua/begin.lua` is the same."""

TRIES: Final = 4
"""How often a ledger may say that it does not know what it was told of."""

MINE: Final = 10_000
"""Reservations of this client that are remembered at most."""


class RedisLedger:
    """`clock`: turned by tests in place of the server's own. `restarts`: how often the server had lost everything."""

    def __init__(
        self, *, guard: float, edge: float, lease: float, clock: Callable[[], float] | None, local: Callable[[], float]
    ) -> None:
        self.now: ServerClock = ServerClock(clock or local)
        self.channel = ""
        self.restarts = 0
        self._turned = clock
        self._edge, self._lease = edge, lease
        self._jitter = Jitter(guard)
        self._lock = RLock()
        self._set_guard()
        self.forget()

    def forget(self) -> None:
        """As if nothing had been heard from the ledger yet."""
        self._lock = RLock()
        self.view = View()
        self._epoch = ""
        self._numbers: dict[str, int] = {}
        self._zones: dict[str, dict[str, Any]] = {}
        self._plans: WeakKeyDictionary[Plan, PlanOrder] = WeakKeyDictionary()
        self._pupil = Pupil()
        self._mine: dict[str, Mine] = {}
        self._warned: set[str] = set()
        self._reseed = False

    def _set_guard(self) -> None:
        self.guards = Guards(self._jitter.delay, self._edge)
        told = {
            "delay": self.guards.delay, "edge": self._edge, "soon": self.guards.soon, "slip": self.guards.slip,
            "lease": self._lease,
        }  # fmt: skip
        self._settings = pack(told)

    # --- operations --------------------------------------------------------------------------------------------------

    def reserve(self, ask: Ask) -> Talk[Grant]:
        """See `Store.reserve`."""
        order = self._order(ask.plan)
        deadline = ask.deadline if ask.deadline is not None else False
        till = self.now() + ask.max_wait
        till = min(till, ask.deadline) if ask.deadline is not None else till
        for _ in range(TRIES):
            yield from self._introduce(order.knowns, order.calendars.values(), till)
            with self._lock:
                if order.epoch != self._epoch and not order.number(self._numbers, self._epoch):
                    continue
                now = self.now()
                tiers = [[float(tier.wait), tier.packed(self.view, now, ask.exclude)] for tier in order.tiers]
            demand = demanded(ask.demand, order.models)
            told = [ask.id, demand, deadline, float(ask.max_wait), ask.priority, order.mark, self.channel, tiers]
            reply = yield from self._say("reserve", pack(told))
            if reply is not None:
                return self._grant(ask, order, reply)
            order.epoch = ""
        raise lost()

    def _grant(self, ask: Ask, order: PlanOrder, reply: list[Any]) -> Grant:
        what, now, *more = reply
        with self._lock:
            if what == "ticket":
                return Ticket(ask.id, *map(float, more))
            if what == "refused":
                asked_at, retry_at, reasons, lines = more
                self.view.lines(lines, now)
                retry_at = None if retry_at is False else float(retry_at)
                return refusal(order.knowns, self.view, float(asked_at), retry_at, reasons, now)
            option_id, at, asked_at, expires_at, rested, lines = more
            self.view.lines(lines, now)
            grant = Reservation(
                ask.id, option_id, float(at), float(asked_at), float(expires_at), ask.demand, rested or None
            )
            one = order.by_id.get(option_id)
            if one is not None and ask.id not in self._mine:
                self._remember(Mine(one, grant))
            return grant

    def _remember(self, mine: Mine) -> None:
        grant, demand = mine.grant, mine.grant.demand
        self._mine[grant.id] = mine
        if len(self._mine) > MINE:
            del self._mine[next(iter(self._mine))]
        subject = mine.known.option.subject
        if subject:
            trail = self._pupil.trail(subject)
            trail.sent(grant.at, demand.requests, demand.input_tokens, demand.output_tokens)

    def dispatched(self, reservation_id: str) -> Talk[float | None]:
        """See `Store.dispatched`."""
        mine = self._mine.get(reservation_id)
        reply = yield from self._say("dispatched", reservation_id, "")
        answer = None if reply is None or reply[2] is False else float(reply[2])
        if mine is not None and answer is not None and reply is not None:
            mine.sent_at = max(answer, min(float(reply[1]), self.now()))
        return answer

    def sent(self, reservation_id: str) -> float | None:
        """Take note that it goes out at this instant; the instant, if the ledger has to be told before it is settled."""
        mine = self._mine.get(reservation_id)
        if mine is None:
            return None
        now = self.now()
        late = now - (mine.sent_at if mine.sent_at is not None else mine.grant.at)
        mine.sent_at = now
        with self._lock:
            if self._jitter.late(late, now):
                self._set_guard()
        return now if late > self.guards.slip else None

    def tell_sent(self, reservation_id: str, at: float) -> Talk[None]:
        """Tell the ledger of a dispatch that was late."""
        yield from self._say("dispatched", reservation_id, repr(at))

    def settle(
        self, reservation_id: str, used: Used, latency: float | None, told: Sequence[Told]
    ) -> Talk[list[Lesson]]:
        """See `Store.settle`."""
        with self._lock:
            mine = self._mine.pop(reservation_id, None)
            seen = () if mine is None else self.view.records_of(mine.known)
            records = tuple(record for record in seen if record.limit.unit != "usd")
            changes = self._pupil.changes(mine, records, used, told, self.now())
            if told:
                self._surprised(records, told)
        corrections = [[c.key, float(c.used), c.whole] for c in changes if isinstance(c, Correct)]
        rest = [change for change in changes if not isinstance(change, Correct)]
        subject = mine.known.option.subject if mine is not None else ""
        numbers_used: Any = False
        if used != Used():
            numbers_used = [or_false(x) for x in (used.requests, used.input_tokens, used.output_tokens, used.usd)]
        sent_at = mine.sent_at if mine is not None and mine.sent_at is not None else False
        asked = [
            reservation_id, numbers_used, or_false(latency), sent_at, corrections,
            [self._change(change, subject) for change in rest],
        ]  # fmt: skip
        reply = yield from self._say("settle", pack(asked))
        if reply is None or not reply[2]:
            return []
        with self._lock:
            _, now, _, line, before = reply
            self.view.settled(line[0], line, now)
            return learned(subject, rest, before)

    def _surprised(self, records: Iterable[Any], told: Sequence[Told]) -> None:
        """A refusal says that a limit was not yet kept which by our count was: the guard was too small."""
        for one in told:
            if one.refused and one.retry_in is not None:
                held = any(r.limit.unit == one.unit and r.limit.per == one.per for r in records)
                if held and self._jitter.refused(one.retry_in, self.now()):
                    self._set_guard()

    def _change(self, change: Change, subject: str) -> list[Any]:
        match change:
            case Hold(record, past):
                return ["hold", self._hold(subject, record, past)]
            case Drop(key):
                return ["drop", key]
            case Block(key, amount, until):
                return ["block", key, float(amount), or_false(until)]
            case Correct():
                raise AssertionError(change)

    def _hold(self, subject: str, record: Any, past: Iterable[tuple[float, float]] = ()) -> list[Any]:
        charges = [[float(at), float(amount)] for at, amount in past]
        told, words = numbers(record.limit), words_of_record(subject, record)
        zones = {zone_name(record.limit): record.limit} if record.limit.window == "calendar" else {}
        packed = [[name, pack(self._zone(name, limit))] for name, limit in zones.items()]
        return [record.key, told, or_false(record.expires_at), words, charges, packed]

    def rest(self, scope: str, until: float, reason: str) -> Talk[None]:
        """See `Store.rest`."""
        for _ in range(TRIES):
            yield from self._introduce((), (), 0.0)
            if (yield from self._say("rest", pack([scope, float(until), reason]))) is not None:
                with self._lock:
                    self.view.rested(scope, until, reason)
                return
        raise lost()

    def read(self, options: Sequence[Option]) -> Talk[list[OptionReading]]:
        """See `Store.read`."""
        knowns = [known(option) for option in options]
        limits = [limit for one in knowns for limit in one.limits.values() if limit.window == "calendar"]
        for _ in range(TRIES):
            yield from self._introduce(knowns, limits, 0.0)
            with self._lock:
                if any(one.mark not in self._numbers for one in knowns):
                    continue
                order = b"".join(self._numbers[one.mark].to_bytes(4, "big") for one in knowns)
            reply = yield from self._say("read", pack([order, demanded(Demand(1, 1), set())]))
            if reply is not None:
                with self._lock:
                    now, readings = float(reply[1]), reply[2]
                    self.view.lines([reading[3] for reading in readings], now)
                    return [self.view.reading(one, told, now) for one, told in zip(knowns, readings, strict=True)]
        raise lost()

    def glance(self, options: Sequence[Option]) -> list[OptionReading]:
        """See `Store.glance`."""
        with self._lock:
            now = self.now()
            return [self.view.glance(known(option), now) for option in options]

    def reset(self, options: Sequence[Option], *, windows: bool) -> Talk[None]:
        """See `Store.reset`."""
        scopes = sorted({scope for option in options for scope in option.scopes})
        subjects = sorted({option.subject for option in options if option.subject})
        keys = sorted({bound.key for option in options for bound in option.limits}) if windows else []
        for _ in range(TRIES):
            yield from self._introduce((), (), 0.0)
            if (yield from self._say("reset", pack([scopes, subjects, keys]))) is not None:
                with self._lock:
                    for scope in scopes:
                        self.view.rests.pop(scope, None)
                    for subject in subjects:
                        self._pupil.trails.pop(subject, None)
                return
        raise lost()

    # --- being understood --------------------------------------------------------------------------------------------

    def _say(self, name: str, *args: bytes | str) -> Talk[list[Any] | None]:
        """Call a script. `(what, instant, ...)`, or None where the ledger does not know what it was asked about."""
        turned = repr(self._turned()) if self._turned is not None else ""
        before = self.now.local()
        head = (self._settings, self._epoch, turned, str(self.view.version))
        reply = unpack((yield Call(name, (*head, *args))))
        what, now, epoch, news, *more = reply
        if self._turned is None:
            self.now.heard(before, self.now.local(), now)
        if what == "layout":
            raise StoreError(
                f"the ledger was written by a newer version of Rotor (layout {more[0]}; this one knows {LAYOUT}): "
                "upgrade llm-rotor here, or choose another `?namespace=`"
            )
        with self._lock:
            if what == "unknown":
                self._unknown(epoch)
                return None
            self._epoch = epoch
            if news:
                self.view.news(news)
        return [what, float(now), *more]

    def _unknown(self, epoch: str) -> None:
        """The ledger does not know our numbers, or calendars: it gets all of them again."""
        self._numbers.clear()
        self._zones.clear()
        if self._epoch and epoch != self._epoch:
            self.view.options.clear()
            self.view.version = 0
            self.restarts += 1
            self._reseed = True
            _log.warning("the ledger has lost what it knew; it is told what was last seen here")
        self._epoch = epoch

    def _introduce(self, knowns: Sequence[Known], calendars: Iterable[Limit], till: float) -> Talk[None]:
        """Have the ledger know options, their limits and calendars, if it does not."""
        with self._lock:
            now = self.now()
            new = [one for one in knowns if one.mark not in self._numbers] if self._epoch else list(knowns)
            zones: list[list[Any]] = []
            for limit in calendars:
                name = zone_name(limit)
                held = self._zones.get(name)
                if held is None or not reaches(held, now, min(till, now + 400 * 86400.0)):
                    zones.append([name, pack(self._zone(name, limit, till))])
            if self._epoch and not new and not zones:
                return
            told = self._introduction(new, zones, now)
            reseeding, self._reseed = self._reseed, False
        try:
            reply = yield from self._say("register", pack(told))
        except StoreError:
            self._reseed = self._reseed or reseeding
            raise
        if reply is None:
            return
        with self._lock:
            _, _, names, differing = reply
            for one, number in zip(new, names, strict=True):
                self._numbers[one.mark] = int(number)
                self.view.options[int(number)] = one
                self.view.declared.update(one.limits)
            for key in differing:
                if key not in self._warned:
                    self._warned.add(key)
                    _log.warning(
                        "limit %s was declared otherwise by another configuration; the one read last holds", key
                    )

    def _introduction(self, new: Sequence[Known], zones: list[list[Any]], now: float) -> list[Any]:
        limits = {key: limit for one in new for key, limit in one.limits.items()}
        used: list[list[Any]] = []
        open_: list[dict[str, Any]] = []
        learned: list[list[Any]] = []
        if self._reseed:
            limits |= self.view.declared
            used = [[key, amount] for key, amount in self.view.used(now).items()]
            open_ = [opened(mine.known, mine.grant) for mine in self._mine.values() if mine.grant.expires_at > now]
            for subject, keys in self.view.subjects.items():
                learned += [[subject, self._hold(subject, self.view.records[key])] for key in keys]
            for limit in limits.values():
                if limit.window == "calendar" and zone_name(limit) not in {name for name, _ in zones}:
                    zones.append([zone_name(limit), pack(self._zone(zone_name(limit), limit))])
        told = [[key, numbers(limit), words_of(limit)] for key, limit in limits.items()]
        options = [[one.mark, one.packed] for one in new]
        return [secrets.token_hex(8), zones, told, options, used, open_, learned]

    def _zone(self, name: str, limit: Limit, till: float = 0.0) -> dict[str, Any]:
        now = self.now()
        till = min(till, now + 400 * 86400.0)
        held = self._zones.get(name)
        if held is None or not reaches(held, now, till):
            held = self._zones[name] = zone(limit, now, till)
        return held

    def _order(self, plan: Plan) -> PlanOrder:
        with self._lock:
            if (found := self._plans.get(plan)) is None:
                found = self._plans[plan] = PlanOrder(plan)
            return found
