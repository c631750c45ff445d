"""How every deployment of an engine fares, seen from this process: who is under way, who failed, how long calls take.

It answers the kernel's questions of health (`_ports.Health`): whom to leave out for a moment, whether one more call has
a place, how long that call can take. What it concludes by itself it never holds against a request that nobody else
could serve. A breaker that opens is told to the ledger by the flow, so other processes leave the deployment alone too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush
from math import ceil
from random import Random
from typing import Any, Final

from rotor_core._demand import Demand
from rotor_core._health import NO_BAR, NO_GUARDS, Bar, BreakerState, Ending, Guards, Turn
from rotor_core._ledger import Plan, Reservation
from rotor_core._model import Deployment
from rotor_core._policy.plan import health_scopes
from rotor_core._state.availability import Availability
from rotor_core._state.breaker import Breaker
from rotor_core._state.pace import Pace
from rotor_core._state.retries import A_SECOND, SHARE, RetryBudget
from rotor_core.observe.question import Question

AGAIN: Final = 0.25
"""Seconds after which it is worth asking again for a place that somebody else's probe has, or that is in doubt."""
HUNG: Final = 4
"""Calls that lose to their hedges in a row, nothing being answered between. One in twenty loses; four of chance, 6 in a million."""

SLOWLY: Final = 2
"""Calls at a time to one that answers much slower than it used to: enough to see when that is over."""

MORE: Final = 1.5
"""An answer is reckoned with so many times as long as the longest lately; what it may take of time is wider still."""

SPARE: Final = A_SECOND
"""Retries that are kept for failures which nobody could foresee: those of a second."""

_FICKLE: Final = 1 - SHARE
"""Whoever serves less often than that lately takes more retries than its calls bring."""

_SHORTEST: Final = 128
"""Output tokens. No answer is expected to be over before it could have had so many, unless its bound is lower."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A call under way. `probes`: half-open breakers that let it in. `flowing`: its first chunk is there."""

    ward: _Ward
    began: float
    probes: tuple[Breaker, ...] = ()
    flowing: bool = False


@dataclass(slots=True, eq=False)
class _Ward:
    """One deployment: its own breaker and its provider's, by scope. `overdue`: calls that are, nothing having been served since.

    `outrun`: calls that lost to their hedges since then.
    """

    deployment: Deployment
    breakers: tuple[tuple[str, Breaker], ...]
    pace: Pace = field(default_factory=Pace)
    availability: Availability = field(default_factory=Availability)
    flying: int = 0
    outrun: int = 0
    overdue: set[str] = field(default_factory=set[str])

    @property
    def sound(self) -> bool:
        (_, own), (_, wide) = self.breakers
        return own.state == wide.state == "closed"


class Health:
    """For one engine; safe from any thread. `random`: the engine's own, for the length of rests."""

    def __init__(self, deployments: Mapping[str, Deployment], random: Random) -> None:
        self._deployments, self._random = deployments, random
        self.renew()

    def renew(self) -> None:
        """As if nothing had ever been; after a fork, what is under way is the parent's."""
        self._lock = Question()
        self._wards: dict[str, _Ward] = {}
        self._shared: dict[str, Breaker] = {}
        self._flights: dict[str, _Flight] = {}
        self._due: list[tuple[float, str]] = []
        self._doubted: set[str] = set()
        self._probed: set[str] = set()
        self._unsound: set[str] = set()
        self._fickle: set[str] = set()
        self._retries = RetryBudget()

    # --- the kernel's questions --------------------------------------------------------------------------------------

    def barred(self, plan: Plan, at: float, *, strictly: bool = False) -> Bar:
        """Whom to leave out at this moment: calls to them are overdue, or all places for probes are taken.

        `strictly`: everybody in the plan who is not well.
        """
        due, unwell = self._due, self._unsound if strictly else self._probed
        if not (unwell or self._doubted or (self._fickle and self._runs_short) or (due and due[0][0] <= at)):
            return NO_BAR
        if strictly:
            return self._unwell(plan, at)
        with self._lock:
            self._notice(at)
            last = self._too_fickle(at)
            full = {name for name in self._probed if not self._admits(self._wards[name], at)}
            self._probed = {name for name in self._probed if name in full or not self._wards[name].sound}
            out = frozenset(self._doubted | full)
            return Bar(out, at + AGAIN if out else None, last=last) if out or last else NO_BAR

    def begin(
        self, reservation: Reservation, at: float, *, forced: bool = False, streamed: bool = False
    ) -> Guards | None:
        """One call more, or None where health has no place for it. Every call that has one is to be finished.

        Of a deployment that is gone by now nothing is noted.
        """
        with self._lock:
            ward = self._wards.get(reservation.deployment) or self._ward(reservation.deployment)
            if ward is None:
                return NO_GUARDS
            probes: tuple[Breaker, ...] = ()
            if ward.flying >= SLOWLY or not ward.sound:
                if not forced and not self._admits(ward, at):
                    self._probed.add(ward.deployment.id)
                    return None
                probes = tuple(b for _, b in ward.breakers if b.state == "half_open")
                for breaker in probes:
                    breaker.flying += 1
                if probes:
                    self._probed.add(ward.deployment.id)
            self._flights[reservation.id] = _Flight(ward, at, probes)
            ward.flying += 1
            self._retries.sent()
            longest, likely = _lengths(reservation.demand, ward.deployment.model.name)
            guards = ward.pace.guards(longest, at, likely=likely, streamed=streamed)
            if guards.late is not None:
                heappush(self._due, (at + guards.late, reservation.id))
                if len(self._due) > 2 * len(self._flights) + 64:
                    self._due = sorted(entry for entry in self._due if entry[1] in self._flights)
            return guards

    def flowing(self, reservation_id: str) -> None:
        """A stream has begun to answer."""
        with self._lock:
            flight = self._flights.get(reservation_id)
            if flight is not None:
                flight.flowing = True
                self._unlate(flight.ward, reservation_id)

    def finish(self, reservation_id: str, ending: Ending, at: float) -> Sequence[Turn]:
        """A call is over. A second time, or of a call that was not begun here, says nothing."""
        with self._lock as nested:
            if nested:
                self._lock.later.append(partial(self.finish, reservation_id, ending, at))
                return ()
            flight = self._flights.pop(reservation_id, None)
            if flight is None:
                return ()
            ward = flight.ward
            ward.flying -= 1
            for breaker in flight.probes:
                breaker.flying = max(0, breaker.flying - 1)
            if ward.overdue or self._doubted:
                self._unlate(ward, reservation_id)
            if ending.outrun:
                ending = self._outrun(ward, ending, at)
            if ending.blame is None:
                return ()
            if ward.availability.add(at, served=not ending.blame) < _FICKLE:
                self._fickle.add(ward.deployment.id)
            elif self._fickle:
                self._fickle.discard(ward.deployment.id)
            return self._failed(ward, flight, ending, at) if ending.blame else self._served(ward, ending, at)

    def may_retry(self, at: float) -> bool:
        with self._lock.lock:  # nothing that is nested in this counts retries
            return self._retries.take(at)

    # --- for people --------------------------------------------------------------------------------------------------

    def state(self, deployment_id: str, at: float) -> tuple[BreakerState, float | None]:
        """The worse state of a deployment's breakers, and until when it is open."""
        with self._lock:
            ward = self._wards.get(deployment_id)
            found: tuple[BreakerState, float | None] = ("closed", None)
            for _, breaker in ward.breakers if ward else ():
                if breaker.state == "open" and breaker.until > at:
                    return "open", breaker.until
                if breaker.state != "closed":
                    found = ("half_open", None)
            return found

    def score(self, deployment_id: str) -> float:
        """How often it has served lately, from 0 to 1."""
        with self._lock:
            ward = self._wards.get(deployment_id)
            return round(ward.availability.score, 4) if ward else 1.0

    def read(self, deployment_id: str, at: float) -> dict[str, Any]:
        """How a deployment fares: the breaker's state and until when it is open, and what its calls took, in milliseconds."""
        state, until = self.state(deployment_id, at)
        health = self.score(deployment_id)
        with self._lock:
            ward = self._wards.get(deployment_id)
            pace = ward.pace if ward else Pace()
            rate = pace.tokens_per_second
            return {
                "state": state,
                "until": None if until is None else round(until, 3),
                "health": health,
                "in_flight": ward.flying if ward else 0,
                "answer_ms": {f"p{q}": _ms(pace.latency.quantile(q / 100)) for q in (50, 95, 99)},
                "first_chunk_ms": {f"p{q}": _ms(pace.first.quantile(q / 100)) for q in (50, 95, 99)},
                "tokens_per_second": None if rate is None else round(rate, 1),
            }

    @property
    def in_flight(self) -> int:
        """Calls that were begun and are not finished."""
        return len(self._flights)

    def forget(self, deployments: Sequence[str]) -> None:
        """Close the breakers of these deployments, as `reset` wants it."""
        with self._lock:
            for name in deployments:
                for scope, _ in self._wards[name].breakers if name in self._wards else ():
                    self._shared.pop(scope, None)
                    self._unsound.discard(scope)
                self._wards.pop(name, None)
                self._doubted.discard(name)
                self._probed.discard(name)
                self._fickle.discard(name)
            gone = set(deployments)
            for ward in self._wards.values():
                ward.breakers = self._breakers(ward.deployment)
            for flight in self._flights.values():
                anew = self._ward(flight.ward.deployment.id) if flight.ward.deployment.id in gone else None
                if anew is not None:
                    flight.ward = anew
                    anew.flying += 1

    def follow(self, deployments: Mapping[str, Deployment]) -> None:
        """These are the deployments from now on. Of those that stay everything is kept, calls under way included.

        Who has another key, model or provider under an old name is somebody else.
        """
        with self._lock:
            self._deployments = deployments
            for name, ward in list(self._wards.items()):
                stays = deployments.get(name)
                if stays is not None and health_scopes(stays) == health_scopes(ward.deployment):
                    ward.deployment = stays
                    continue
                del self._wards[name]
                self._doubted.discard(name)
                self._probed.discard(name)
                self._fickle.discard(name)
            known = {scope for deployment in deployments.values() for scope in health_scopes(deployment)}
            self._shared = {scope: breaker for scope, breaker in self._shared.items() if scope in known}
            self._unsound &= known

    # --- inside, with the lock held ----------------------------------------------------------------------------------

    def _ward(self, name: str) -> _Ward | None:
        ward = self._wards.get(name)
        if ward is None and (deployment := self._deployments.get(name)) is not None:
            ward = self._wards[name] = _Ward(deployment, self._breakers(deployment))
        return ward

    def _breakers(self, deployment: Deployment) -> tuple[tuple[str, Breaker], ...]:
        own, wide = health_scopes(deployment)
        return (own, self._breaker(own, wide=False)), (wide, self._breaker(wide, wide=True))

    def _breaker(self, scope: str, *, wide: bool) -> Breaker:
        found = self._shared.get(scope)
        if found is None:
            found = self._shared[scope] = Breaker(wide=wide)
        return found

    @staticmethod
    def _admits(ward: _Ward, at: float) -> bool:
        if ward.flying >= SLOWLY and ward.pace.slow:
            return False
        (_, own), (_, wide) = ward.breakers
        return own.admits(at) and wide.admits(at)

    def _notice(self, at: float) -> None:
        """Doubt whoever has calls that are overdue: hardly any call has ever taken so long."""
        while self._due and self._due[0][0] <= at:
            _, reservation_id = heappop(self._due)
            flight = self._flights.get(reservation_id)
            if flight is not None and not flight.flowing:
                name = flight.ward.deployment.id
                flight.ward.overdue.add(reservation_id)
                if self._wards.get(name) is flight.ward:  # else it is gone, and another one may have its name
                    self._doubted.add(name)

    def _unwell(self, plan: Plan, at: float) -> Bar:
        names = [option.id for tier in plan.tiers for option in tier.options]
        with self._lock:
            self._notice(at)
            found = [ward for name in names if (ward := self._wards.get(name)) is not None and not ward.sound]
            dead = frozenset(
                w.deployment.id for w in found if any(b.state == "open" and b.until > at for _, b in w.breakers)
            )
            return Bar(frozenset(w.deployment.id for w in found).union(self._doubted), at, dead, self._too_fickle(at))

    @property
    def _runs_short(self) -> bool:
        """Whether it can be that somebody is too fickle: asked without the lock, of each request."""
        return bool(self._fickle) and self._retries.level < SPARE + len(self._flights)

    def _too_fickle(self, at: float) -> frozenset[str]:
        """Who fails so often, and has so many calls under way, that one more could end with nobody to retry it."""
        if not self._runs_short:
            return frozenset()
        under_way = sum(ward.flying for name in self._fickle if (ward := self._wards.get(name)) is not None)
        return frozenset(self._fickle) if self._retries.left(at) < SPARE + under_way else frozenset()

    def _unlate(self, ward: _Ward, reservation_id: str) -> None:
        ward.overdue.discard(reservation_id)
        if not ward.overdue:
            self._doubted.discard(ward.deployment.id)

    @staticmethod
    def _outrun(ward: _Ward, ending: Ending, at: float) -> Ending:
        """A call lost to its hedge, and nobody will know what became of it. From the `HUNG`th on it counts as timed out."""
        ward.pace.outrun(at, ending.seconds, ending.output_tokens)
        ward.outrun += 1
        return replace(ending, blame="timeout") if ward.outrun >= HUNG else ending

    def _served(self, ward: _Ward, ending: Ending, at: float) -> list[Turn]:
        ward.pace.answered(at, ending.seconds, ending.output_tokens, ending.first_chunk)
        if ending.silence is not None:
            ward.pace.gap(at, ending.silence)
        ward.outrun = 0
        ward.overdue.clear()  # it is answering: those were slow by themselves
        self._doubted.discard(ward.deployment.id)
        turns: list[Turn] = []
        for scope, breaker in ward.breakers:
            before = breaker.state
            if breaker.served(at):
                turns.append(self._turn(ward, scope, before, breaker, "", "it answered"))
        if ward.sound:
            self._probed.discard(ward.deployment.id)
        return turns

    def _failed(self, ward: _Ward, flight: _Flight, ending: Ending, at: float) -> list[Turn]:
        turns: list[Turn] = []
        kind = ending.blame or ""
        if kind == "timeout" and not ending.outrun:
            ward.pace.cut(at, ending.seconds)
        for scope, breaker in ward.breakers:
            before = breaker.state
            if breaker.failed(at, flight.began, ward.deployment.id, self._random.random()):
                evidence = f"{breaker.streak} failures in a row, the last one {kind}"
                turns.append(self._turn(ward, scope, before, breaker, kind, evidence))
        return turns

    def _turn(
        self, ward: _Ward, scope: str, before: BreakerState, breaker: Breaker, reason: str, evidence: str
    ) -> Turn:
        if breaker.state == "closed":
            self._unsound.discard(scope)
        else:
            self._unsound.add(scope)
        until = breaker.until if breaker.state == "open" else None
        return Turn(scope, ward.deployment.id, before, breaker.state, until, reason, evidence)


def _lengths(demand: Demand, model: str) -> tuple[int | None, int | None]:
    """The most output tokens to be reckoned with, and how many are likely.

    The most: the caller's bound, or half as much again as the longest seen lately, if that is less.
    """
    expected = demand.outputs.get(model) if demand.outputs else None
    if expected is None:
        return demand.max_tokens, None
    if expected.most is None:
        return expected.bound, None
    most = max(_SHORTEST, ceil(MORE * expected.most))
    return most if expected.bound is None else min(expected.bound, most), expected.likely


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
