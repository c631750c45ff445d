"""What a flow may ask of its driver: it yields one of these, and what it is sent for it is the answer that is told here.

The kernel asks and never does: a driver answers by sending the result, or by throwing the error, into the flow. Whoever
asks writes the answer's type beside it (`at: float = yield NOW`). A request asks a dozen times, so what it asks with are
tuples, frozen as any value at a third of the price, and nothing stands between the question and the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from rotor_core._errors import ProviderError
from rotor_core._events import Event
from rotor_core._health import Bar, Ending, Timeouts
from rotor_core._ledger import Ask, Option, Plan, Reservation, Ticket, Told, Used
from rotor_core._outcome import Answer, Chunk
from rotor_core._request import Request


@dataclass(frozen=True, slots=True)
class Now:
    """The instant, in seconds since the epoch, on the store's clock."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A number from [0, 1) of the engine's own seeded source."""


class Reserve(NamedTuple):
    """Capacity for a request. The answer is a `Grant`."""

    ask: Ask


class Redeem(NamedTuple):
    """Wait until the ticket is called, or until it is worth asking again; then the answer is a grant as from `Reserve`."""

    ask: Ask
    ticket: Ticket


class Dispatched(NamedTuple):
    """Awake and about to send. The answer: from when that is allowed, or None where the grant no longer holds (see `Store`)."""

    reservation: Reservation


class Settle(NamedTuple):
    """`latency`: seconds the call took, where it was answered. `told`: what it said of limits. The answer: what was learnt (`Sequence[Learnt]`)."""

    reservation_id: str
    used: Used
    latency: float | None = None
    told: tuple[Told, ...] = ()


class Rest(NamedTuple):
    """Keep `scope` out of selection until an instant, and say why when asked. A shorter rest never replaces a longer one.

    `until` 0: what rest there is, is over.
    """

    scope: str
    until: float
    reason: str


class Barred(NamedTuple):
    """Whom health keeps out of a plan at this moment: calls under way that are overdue, probes that are taken.

    The answer: the instant, and the `Bar`. `strictly`: everybody who is not well, though there be a place for a probe: for who has been failed before.
    """

    plan: Plan
    strictly: bool = False


class Begin(NamedTuple):
    """An attempt is about to be sent. The answer: the instant, and how long it can take (`Guards`); None where health has no place for it now.

    `latest`: after that instant it is not begun, and the answer is None too.

    `forced`: there is a place. `streamed`: the answer comes in pieces. Whoever was let in says `Finish`, however it ends.
    """

    reservation: Reservation
    forced: bool = False
    streamed: bool = False
    latest: float | None = None


class Flowing(NamedTuple):
    """The first chunk of a stream is there: it is overdue no more, however long it goes on."""

    reservation_id: str


class Finish(NamedTuple):
    """An attempt is over, since `at`. The answer: breakers that turned because of it, or of calls that have become overdue since (`Sequence[Turn]`)."""

    reservation_id: str
    ending: Ending
    at: float


class Fell(NamedTuple):
    """An attempt has failed: whoever listens is told (`Emit`), then health (`Finish`), both at the event's instant.

    Every failed attempt says both, so it is one question. The answer is that of `Finish`.
    """

    event: Event
    reservation_id: str
    ending: Ending


class MayRetry(NamedTuple):
    """Whether the engine's retry budget has room for one retry more; if so it is taken. The answer: a `Retrial`, or None.

    `plan`: what the retry goes by; None: whatever else is known is not asked for.
    """

    plan: Plan | None = None


class Retrial(NamedTuple):
    """One retry more. `chance`: a number from [0, 1) of the engine's own source, for its backoff. `unwell`: who in the plan is, strictly.

    `barred`: what `Barred` answers at this instant, as the retry's asking is what comes next; None where no plan was named.
    """

    chance: float
    unwell: Bar
    barred: tuple[float, Bar] | None = None


class Call(NamedTuple):
    """The whole exchange with one provider. `timeout` in seconds. The answer is its `Answer`; it raises `ProviderError`."""

    reservation: Reservation
    request: Request
    timeout: float


class Start(NamedTuple):
    """Begin an exchange and go on without waiting for it. The answer is `Pending`."""

    call: Call


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """An exchange under way beside the flow. Whoever has it waits for its end or says `CallOff`. `exchange`: the driver's own."""

    exchange: Any


class Race(NamedTuple):
    """Wait until one of them is over, the answer is `Over`; or so many seconds, and it is None. An answer comes before an error."""

    pending: tuple[Pending, ...]
    within: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """An exchange that has ended: with an answer, or as its provider failed."""

    pending: Pending
    end: Answer | ProviderError


class CallOff(NamedTuple):
    """Nobody waits for these any more: end them, if they have not ended, and forget what they bring."""

    pending: tuple[Pending, ...]


class Glance(NamedTuple):
    """How options stand, as the store last saw them (see `Store.glance`). The answer: an `OptionReading` each."""

    options: Sequence[Option]


class Open(NamedTuple):
    """Begin a stream and have its first chunk with content: until here a failure can still be hidden from the caller.

    The answer is `Opened`.
    """

    reservation: Reservation
    request: Request
    timeouts: Timeouts


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """An open stream. `head`: the chunks read so far, none of which the caller has seen; `rest`: the driver's own handle."""

    head: tuple[Chunk, ...]
    rest: Any


class Relay(NamedTuple):
    """Hand every chunk to the caller, `observe`d on its way (which may answer another chunk to hand on instead).

    The answer: the longest that had to be waited for one of them, in seconds.
    """

    opened: Opened
    observe: Callable[[Chunk], Chunk]


class Deliver(NamedTuple):
    """One more chunk for the caller, of the flow's own making."""

    chunk: Chunk


class Sleep(NamedTuple):
    """Until an instant on the store's clock."""

    until: float


class Emit(NamedTuple):
    event: Event


Command = (
    Now | Draw | Reserve | Redeem | Dispatched | Settle | Rest | Barred | Begin | Flowing | Finish | Fell | MayRetry | Call | Start
    | Race | CallOff | Glance | Open | Relay | Deliver | Sleep | Emit
)  # fmt: skip


class Abandoned(BaseException):
    """The caller went away (closed a stream). Thrown into a flow instead of `GeneratorExit`, after which it could ask no more."""


T = TypeVar("T")
Flow = Generator[Command, Any, T]
"""A flow yields commands and returns its result."""

NOW: Final = Now()
DRAW: Final = Draw()
