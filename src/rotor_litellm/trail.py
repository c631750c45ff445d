"""What has befallen one request of LiteLLM's, over its retries and fallbacks: who was tried, what is held for it now.

A trail lives in the context of the task (or thread) that makes the request: LiteLLM asks for each attempt anew, and its
hooks are called in the same context. Ends that are told elsewhere (a stream's, in LiteLLM's logging) find what they
end by the call's id and the deployment's. Whatever nobody ends is let go when nobody can tell of its end any more: when
the trail is gone before the call was made, LiteLLM's own record of the call afterwards, or when the reservation has expired.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from rotor_core._acquire import abandon
from rotor_core._adrive import adrive
from rotor_core._commands import Flow
from rotor_core._drive import drive
from rotor_core._engine import Engine
from rotor_core._errors import StoreError
from rotor_core._ledger import AS_RESERVED, NOTHING_USED, Reservation
from rotor_core._model import Deployment
from rotor_core._work import Progress, Work
from rotor_litellm.request import Attempt, is_mapping

logger: Final = logging.getLogger("rotor")

_MOST: Final = 100_000
"""Calls under way of which ends are looked for. More are let go by expiry alone."""


@dataclass(slots=True, eq=False)
class Held:
    """Capacity that is held for one call. `shown`: LiteLLM's id of the deployment.

    `started`: the instant of sending, or of choice before that. `sent`: it went out, as far as LiteLLM tells. `begun`: it
    may have gone out. `followed`: LiteLLM's record of the call is known, and with a stream is `record`.
    """

    engine: Engine
    work: Work
    progress: Progress
    reservation: Reservation
    shown: str
    started: float
    number: int
    streamed: bool
    begun: bool = False
    sent: bool = False
    over: bool = False
    first_chunk: float | None = None
    keys: tuple[tuple[str, str], ...] = ()
    watch: _Watch | None = None
    followed: bool = False
    record: Callable[[], Any] | None = None

    @property
    def deployment(self) -> Deployment:
        return self.engine.catalog.deployments[self.reservation.deployment]

    @property
    def id(self) -> str:
        return self.reservation.deployment

    def stands(self) -> bool:
        """Whether it is neither over nor expired."""
        return not self.over and self.reservation.expires_at > self.engine.store.now()

    def end(self) -> bool:
        """Take note that it is over; False where it was before."""
        with _LOCK:
            if self.over:
                return False
            self.over = True
            if self.streamed:
                _OPENING.discard(self)
            for key in self.keys:
                if _CALLS.get(key) is self:
                    del _CALLS[key]
        if self.watch is not None:
            _WATCHES.discard(self.watch)
            self.watch = None
        return True


def _nobody() -> set[str]:
    return set()


@dataclass(slots=True, eq=False, weakref_slot=True)
class Trail:
    """One request. `out`: deployments that it has ruled out for good. `held`: what is held for the attempt under way.

    `mark`: what tells an attempt from others: LiteLLM may ask twice for one. `by`: what `here` said where it began.
    """

    mark: Attempt
    by: tuple[int, int]
    progress: Progress = field(default_factory=Progress)
    out: set[str] = field(default_factory=_nobody)
    held: Held | None = None
    stale: tuple[Held, ...] = ()


def here() -> tuple[int, int]:
    """The thread and the task that this is said in: what one begins after another is no part of it."""
    try:
        return threading.get_ident(), id(asyncio.current_task())
    except RuntimeError:  # no event loop
        return threading.get_ident(), 0


CURRENT: Final[ContextVar[Trail | None]] = ContextVar("rotor_litellm_trail", default=None)
_CALLS: Final[dict[tuple[str, str], Held]] = {}
_LOST: Final[deque[Held]] = deque()
_OPENING: Final[set[Held]] = set()
"""Streams of which no chunk has been seen."""
_LOCK: Final = threading.RLock()


def current(said: object) -> Held | None:
    """What is held in this context for a call to the deployment that LiteLLM names in these arguments (`model_info`)."""
    trail = CURRENT.get()
    held = trail.held if trail is not None else None
    if held is None or held.over:
        return None
    info: object = said.get("model_info") if is_mapping(said) else None
    return held if is_mapping(info) and info.get("id") == held.shown else None


def named_in(said: object) -> object:
    """LiteLLM's id of the deployment that it names in these arguments; None where it names none."""
    info: object = said.get("model_info") if is_mapping(said) else None
    return info.get("id") if is_mapping(info) else None


def note(held: Held, call_id: object) -> None:
    """Let the end of this call be found by its id, if it is not over."""
    key = (str(call_id), held.shown)
    if key in held.keys:  # it is told of several times
        return
    with _LOCK:
        if not held.over and key not in held.keys and len(_CALLS) < _MOST:
            held.keys = (*held.keys, key)
            _CALLS[key] = held


def noted(call_id: object, deployment_id: object) -> Held | None:
    """What is held for the call of this id."""
    return _CALLS.get((str(call_id), str(deployment_id)))


class _Watch(weakref.ref[Any]):
    """Half of what `weakref.finalize` is, at a fifth of its price: two are made for each call."""

    __slots__ = ("held",)
    held: Held

    __hash__ = object.__hash__  # of itself, not of what it refers to

    def __eq__(self, other: object) -> bool:
        return self is other


_WATCHES: Final[set[_Watch]] = set()
"""A reference that nobody holds tells nobody."""


def _gone(watch: weakref.ref[Any]) -> None:
    """Called at any allocation, so it takes a note and no lock."""
    if isinstance(watch, _Watch):
        _WATCHES.discard(watch)
        _LOST.append(watch.held)


def lose(held: Held) -> None:
    """Nobody will tell of its end: the next sweep lets go of it."""
    _LOST.append(held)


def follow(held: Held, teller: object) -> None:
    """Let go of it when this is gone, who alone can tell of its end from now on: the trail, then LiteLLM's record of the call.

    Of a stream the record tells one thing more: LiteLLM calls no hook for a first chunk, but writes its instant down there.
    """
    try:
        watch = _Watch(teller, _gone)
    except TypeError:  # it cannot be followed; whoever was followed before still is
        return
    if held.watch is not None:
        _WATCHES.discard(held.watch)
    watch.held, held.watch = held, watch
    _WATCHES.add(watch)
    if held.streamed and not isinstance(teller, Trail):
        held.record = weakref.ref(teller)
        _OPENING.add(held)


class Mark:
    """Put into LiteLLM's notes of a blocking call, whose record it shows to nobody: it is gone when they are.

    `notes`: of a stream, where the instant of its first chunk will stand.
    """

    __slots__ = ("__weakref__", "notes")

    def __init__(self, notes: Mapping[str, Any]) -> None:
        self.notes = notes

    @property
    def completion_start_time(self) -> object:
        return self.notes.get("completion_start_time")

    def __deepcopy__(self, _: object) -> Mark:
        return self


def _look() -> None:
    """A stream that has begun to answer is overdue no more, however long it goes on."""
    for held in tuple(_OPENING):
        record = held.record() if held.record is not None else None
        if record is None or getattr(record, "completion_start_time", None) is not None:
            _OPENING.discard(held)
            held.engine.health.flowing(held.reservation.id)


def astray() -> bool:
    """Whether there may be anything to sweep: asked at each selection."""
    return bool(_OPENING or _LOST or _CALLS)


def sweep() -> None:
    """See which streams have begun, and settle what was lost sight of."""
    if _OPENING:
        _look()
    for held in _lost():
        try:
            drive(_let_go(held), held.engine.ports)
        except StoreError as error:
            _expires(held, error)


async def asweep() -> None:
    """The same on an event loop."""
    if _OPENING:
        _look()
    found = list(_lost())
    if found:
        await asyncio.gather(*(_aswept(held) for held in found))


async def _aswept(held: Held) -> None:
    try:
        await adrive(_let_go(held), held.engine.ports)
    except StoreError as error:
        _expires(held, error)


def _let_go(held: Held) -> Flow[None]:
    """As reserved, where the provider may have counted it."""
    yield from abandon(held.reservation.id, AS_RESERVED if held.begun else NOTHING_USED)


def _expires(held: Held, error: StoreError) -> None:
    """The request that swept has nothing to do with it, and goes on."""
    logger.warning("%s: a call that was left is given back when its reservation expires, for %s", held.id, error)


def _lost() -> Iterator[Held]:
    """What nobody can end any more, taken note of as over: first what was left, then what has expired."""
    while _LOST:
        try:
            held = _LOST.popleft()
        except IndexError:  # another thread had it
            break
        if held.end():
            yield held
    while (oldest := _oldest()) is not None:
        if oldest.reservation.expires_at > oldest.engine.store.now():
            return
        if oldest.end():  # the ledger has let go of it by itself; health is to hear of it, too
            yield oldest


def _oldest() -> Held | None:
    """The call that was noted first of those under way."""
    if not _CALLS:
        return None
    with _LOCK:
        return next(iter(_CALLS.values()), None)


def under_way() -> int:
    """How many calls are held whose end can still be told."""
    return len(_CALLS)
