"""Present or away: the two states of a shared ledger as one process sees it, and what leads from one to the other.

    present    --an operation fails--> away
    away       --it takes a write, and has been told all that happened meanwhile--> present

None of this waits for the store but `attempt`, which runs in a thread of its own; so the blocking and the asynchronous
face of `Steady` are both made of it. No lock is held while a ledger is asked anything.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

from rotor_core._errors import StoreError
from rotor_core._events import Event, StoreLost, StoreRegained
from rotor_core._ledger import (
    NOTHING_USED,
    Ask,
    Grant,
    Learnt,
    Option,
    Refusal,
    Reservation,
    Told,
    Used,
)
from rotor_core.stores._steady_outage import Outage
from rotor_core.stores._steady_post import Post
from rotor_core.stores._steady_share import Traffic
from rotor_core.stores.base import Store
from rotor_core.stores.clock import Clock

logger = logging.getLogger("rotor")

FIRST: Final = 1.0
LAST: Final = 30.0
"""Seconds between two tries to reach a store that is away: at first, and at most."""

CALM: Final = 60.0
"""Seconds for which a store has to have been there, for its next absence to be taken for a new one."""

ROUNDS: Final = 10
"""How often what happened during a return is told, before the last of it is told to a store that counts as present."""

CROWD: Final = 1024
"""Reservations under way from which on those that have expired are looked for."""

PROBE: Final = "rotor:probe"
"""A scope that nobody has: to put it to rest is a write that changes nothing."""


class Machine:
    """The state of a `Store` around one that may be away, and how it changes.

    `name`: the store's URL as it may be shown. `share`: this process's part of the limits while the store is away; None:
    its part of the calls of late. `patience`: seconds after which an asynchronous operation counts as
    failed; a blocking one ends by the store's own timeouts. `tries`: False leaves trying to whoever calls `attempt`.
    """

    def __init__(
        self,
        remote: Store,
        name: str,
        policy: Literal["local", "refuse"] = "local",
        *,
        clock: Callable[[], float] | None = None,
        share: float | None = None,
        patience: float = 2.0,
        tries: bool = True,
    ) -> None:
        self._remote, self._name, self._policy = remote, name, policy
        self._clock: Callable[[], float] = clock or Clock()
        self._share, self._patience, self._tries = share, patience, tries
        self._ahead = 0.0
        self._interval, self._regained_at = FIRST, float("-inf")
        self._listeners: list[weakref.WeakMethod[Callable[[Event], None]]] = []
        self._begin()
        _living.add(self)

    def _begin(self) -> None:
        """As if it were there, and nothing were under way."""
        self._lock = threading.Lock()
        self._trying = threading.Lock()
        self._closed = threading.Event()
        self._outage: Outage | None = None
        self._ours: dict[str, Reservation] = {}
        self._earlier: dict[str, Outage] = {}
        self._watching: dict[str, Callable[[], None]] = {}
        self._post = Post()
        self._traffic = Traffic(self._served)
        self._owing: list[Outage] = []
        self._crowd = CROWD

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Have a bound method told of `StoreLost` and `StoreRegained`, for as long as its object lives."""
        self._listeners.append(weakref.WeakMethod(listener))

    @property
    def state(self) -> str:
        """`ok`, or since when and why it is away."""
        outage = self._outage
        if outage is None:
            return "ok"
        from datetime import UTC, datetime  # noqa: PLC0415  only for people, and only then

        since = datetime.fromtimestamp(outage.since, UTC).isoformat(timespec="seconds")
        doing = "local" if self._policy == "local" else "refusing"
        return f"{doing} since {since}: {outage.reason}"

    # --- what both are made of: none of it waits ---------------------------------------------------------------------

    def _here(self) -> float:
        """The store's clock, as far as it is known without it."""
        return self._clock() + self._ahead

    def _stand_in(self, outage: Outage, ask: Ask) -> Grant | None:
        """What the stand-in grants. None: the store came back meanwhile, and is to be asked."""
        if self._policy == "refuse":
            self._refuse_away("nothing can be reserved")
            return None
        grant = outage.reserve(ask)
        if isinstance(grant, Refusal):
            return grant
        with self._lock:
            if self._outage is outage:
                if isinstance(grant, Reservation):
                    self._earlier[ask.id] = outage
                return grant
        entered = outage.settle(ask.id, NOTHING_USED, None)
        if entered is not None:
            self._settle_later(entered, NOTHING_USED, None, ())
        return None

    def _granted(self, ask: Ask, grant: Grant) -> Grant:
        """Remember what is under way there. A grant that arrives after the store was given up is good all the same."""
        if isinstance(grant, Reservation):
            if self._post:
                self._post.forget(ask.id)
            self._ours[ask.id] = grant
            self._traffic.grant(ask, grant.deployment)
            if len(self._ours) > self._crowd:
                self._ours = {r.id: r for r in self._under_way() if r.expires_at > grant.asked_at}
                self._crowd = CROWD + 2 * len(self._ours)
        return grant

    def _of(self, reservation_id: str) -> Outage | None:
        """The outage whose stand-in granted it."""
        return self._earlier.get(reservation_id)

    def _firm(self, reservation_id: str) -> float:
        """A grant never moves later: who cannot ask whether it was exchanged goes by what was promised."""
        known = self._ours.get(reservation_id)
        return self._here() if known is None else min(known.at, self._here())

    def _settled_here(self, reservation_id: str, used: Used, latency: float | None) -> str | None:
        """Settle it in the stand-in that knows it. Returns under which id the store has to be told, None for not at all."""
        outage = self._earlier.pop(reservation_id, None) or self._outage
        if outage is None:
            return reservation_id
        if outage.knows(reservation_id):
            return outage.settle(reservation_id, used, latency)
        outage.local.settle(reservation_id, used, latency)  # the slots of what is under way there
        return reservation_id

    def _over(self, reservation_id: str) -> None:
        self._ours.pop(reservation_id, None)
        self._watching.pop(reservation_id, None)

    def _settle_later(
        self, reservation_id: str, used: Used, latency: float | None, told: Sequence[Told]
    ) -> Sequence[Learnt]:
        self._over(reservation_id)
        self._post.settle(reservation_id, used, latency, told)
        self._send_post()
        return ()

    def _rest_later(self, scope: str, until: float, reason: str) -> None:
        outage = self._outage
        if outage is not None:
            outage.local.rest(scope, until, reason)
        self._post.rest(scope, until, reason)
        self._send_post()

    def _send_post(self) -> None:
        """The store may have come back while this was written."""
        if self._outage is None and self._tries:
            threading.Thread(target=self._deliver, name="rotor-store-post", daemon=True).start()

    def _deliver(self) -> int:
        try:
            return self._post.deliver(self._remote, self._here())
        except StoreError as error:
            self._lose(error)
            return 0

    def _call(self, ticket_id: str) -> None:
        with self._lock:
            called = self._watching.pop(ticket_id, None)
        if called is not None:
            called()

    def _told(self, outage: Outage) -> str:
        """Which store is away, and why. Most stores' own words name it."""
        named = self._name in outage.reason
        return outage.reason if named else f"the ledger's store {self._name} is out of reach: {outage.reason}"

    def _refuse_away(self, so: str) -> None:
        outage = self._outage
        if outage is not None:
            advice = (
                "" if self._policy == "local" else "; with `policy.on_store_error: local` requests go on without it"
            )
            raise StoreError(f"{so}: {self._told(outage)}{advice}") from outage.cause

    # --- from one state to the other ---------------------------------------------------------------------------------

    def _lose(self, error: StoreError, *, in_doubt: str | None = None, raised: bool = False) -> None:
        """Present to away. `in_doubt`: a reservation that may have been made there all the same. `raised`: somebody is told."""
        if in_doubt is not None:
            self._post.doubt(in_doubt)
        at, share = self._here(), self._traffic.share() if self._share is None else self._share
        outage = Outage(at, error, share, self._here, self._remote.glance, self._under_way)
        with self._lock:
            if self._outage is not None:
                return
            self._outage = outage
            if at - self._regained_at > CALM:
                self._interval = FIRST
            watching = list(self._watching)
        local = self._policy == "local"
        self._say(StoreLost(at, "", "", 0, self._name, outage.reason, share if local else None))
        if local and not raised:
            logger.warning("%s", self._told(outage))
        for ticket_id in watching:
            self._call(ticket_id)
        if self._tries:
            threading.Thread(target=self._try, args=(self._interval,), name="rotor-store", daemon=True).start()

    def _try(self, seconds: float | None) -> None:
        """Until it is back."""
        closed = self._closed
        while seconds is not None and not closed.wait(seconds):
            seconds = self.attempt()

    def attempt(self) -> float | None:
        """Away to present, if the store is back. Returns after how many seconds to try again, None if there is no need."""
        with self._trying:
            outage = self._outage
            if outage is None:
                return None
            try:
                back = self._return(outage)
            except StoreError as error:
                outage.cause = error
                self._interval = min(LAST, 2 * self._interval)
                return self._interval
        for ticket_id in back:
            self._call(ticket_id)
        return None

    def _return(self, outage: Outage) -> Collection[str]:
        """Tell the store what it missed, until there is nothing left to tell. Returns the tickets that have to ask it now."""
        remote = self._remote
        remote.rest(PROBE, remote.now() + 1.0, "probe")
        settled, back = 0, list[str]()
        for rounds in range(ROUNDS):
            settled += self._post.deliver(remote, self._here())
            for owing in (*self._owing, outage):
                owing.carry_over(remote)
            self._owing.clear()
            with self._lock:
                if (outage.settled and not self._post) or rounds == ROUNDS - 1:
                    self._outage = None
                    back = list(self._watching)
                    break
        outage.leave_queues()
        at = self._regained_at = self._here()
        seconds, dropped = max(0.0, at - outage.since), self._post.dropped()
        self._say(StoreRegained(at, "", "", 0, self._name, seconds, outage.granted, settled, dropped))
        logger.warning("the ledger's store %s is back after %.0f s", self._name, seconds)
        if not outage.settled or self._post:
            self._tell_the_rest(outage)
        return back

    def _tell_the_rest(self, outage: Outage) -> None:
        """What happened while it was told, under a load that never let up."""
        try:
            self._post.deliver(self._remote, self._here())
            outage.carry_over(self._remote)
        except StoreError as error:
            self._owing.append(outage)
            self._lose(error)

    def _served(self, option: Option) -> int:
        """Everybody's grants of it, as last seen."""
        return self._remote.glance((option,))[0].served

    def _under_way(self) -> list[Reservation]:
        """Reservations of this process there."""
        return list(self._ours.copy().values())

    def _say(self, event: Event) -> None:
        for listener in [found for ref in self._listeners if (found := ref()) is not None]:
            listener(event)

    def start_over(self) -> None:
        """After a fork, in the child: what is under way is the parent's."""
        self._begin()


_living: weakref.WeakSet[Machine] = weakref.WeakSet()


def _after_fork() -> None:
    for machine in list(_living):
        machine.start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
