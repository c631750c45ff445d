"""What is said across the ledger's border: what a request asks of it, and what it answers. Plain frozen values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from rotor_core._demand import Demand
from rotor_core._model import BoundLimit, Limit, Per, Price, Unit, Window
from rotor_core._values import quick


@dataclass(frozen=True, slots=True, eq=False)
class Option:
    """One place that could serve: a deployment by id, every limit it must keep, and the scopes at which it can be put to rest.

    `price` turns tokens into USD where a limit counts USD. `scopes`: deployment, quota and model, credential, provider, then
    those of health (deployment, provider).
    `subject`: `quota|model`, to whom limits belong that are learned on the way ("" learns none); `model`: the model's name.
    """

    id: str
    limits: tuple[BoundLimit, ...]
    scopes: tuple[str, ...]
    free: bool = False
    weight: float = 1.0
    price: Price | None = None
    subject: str = ""
    model: str = ""


@quick
@dataclass(frozen=True, slots=True)
class Standing:
    """What a ranking may know of an option at an instant.

    `headroom`: the smallest fraction left over its limits, 0 to 1 (1 where there are none). `served`: grants so far.
    `latency`: smoothed seconds a call, or None before the first. `on_trial`: it has never answered, and is being asked now.
    """

    headroom: float
    served: int
    latency: float | None
    weight: float
    price: float
    on_trial: bool = False


Score = Callable[[Standing], float]


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """Options that are equally good until scored. `max_wait`: how long a seat here is worth waiting for while a later tier is open."""

    options: tuple[Option, ...]
    max_wait: float = 0.0


def _nothing_yet() -> dict[tuple[str, str], frozenset[str]]:
    return {}


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Plan:
    """Tiers in order, and how to order options within one (highest score first). Built once, used for many requests.

    A store may keep an index for it under the plan's identity, so equal requests should come with the same plan.
    """

    tiers: tuple[Tier, ...]
    score: Score
    options: tuple[Option, ...] = field(init=False, repr=False)
    """Of all tiers, in order."""
    alike: dict[tuple[str, str], frozenset[str]] = field(init=False, repr=False, default_factory=_nothing_yet)
    """Who shares what with whom, by what that is (a provider's URL, a model's name or ""): kept here by whoever worked it out, as it stays so."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(option for tier in self.tiers for option in tier.options))


@quick
@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A wish to be served. `id` is the caller's, so that asking twice takes once. `deadline`: an instant, or None.

    `max_wait`: the longest wait for any seat, in seconds. `exclude`: option ids that this request has ruled out.
    """

    id: str
    plan: Plan
    demand: Demand
    deadline: float | None = None
    max_wait: float = 30.0
    exclude: frozenset[str] = frozenset()
    priority: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Reservation:
    """Capacity that is ours from `at` on, which is never moved later. Settle it by `id`; unsettled, it expires.

    Instants are on the store's clock, in seconds since the epoch. `asked_at`: when the store was asked.
    `rested`: why the deployment had been put to rest, when this is the first grant since; else None.
    """

    id: str
    deployment: str
    at: float
    asked_at: float
    expires_at: float
    demand: Demand
    rested: str | None = None

    @property
    def wait(self) -> float:
        """Seconds from the asking to the instant of dispatch."""
        return max(0.0, self.at - self.asked_at)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the queue for a concurrency slot: no instant can be promised. Redeem it when called, or by `check_at`.

    `give_up_at`: the instant after which the asker would rather be refused.
    """

    id: str
    asked_at: float
    check_at: float
    give_up_at: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one candidate was out, and when it would be in again: an instant, or None for never or unknown."""

    reason: Literal["never_fits", "no_room", "busy", "resting", "failing", "excluded", "context", "capability", "paid"]
    detail: str
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing was taken. `retry_at`: the earliest instant at which something would fit, or None if nothing ever will."""

    asked_at: float
    retry_at: float | None
    reasons: Mapping[str, Rejection]


Grant = Reservation | Ticket | Refusal


@quick
@dataclass(frozen=True, slots=True)
class Told:
    """What an answer said of one limit. None: it did not say.

    `source`: a header of any answer, or the text of a refusal. `remaining`: what was left once this call was counted.
    `used`, `requested`: as a refusal puts them. `resets_in`: seconds until all of it is free again. `retry_in`: seconds
    until such a call would fit. `refused`: this limit is why the call was refused (a refusal that names no limit has
    `unit` None). `window`: only where the words tell its kind. `text`: the evidence, for people; never a secret.
    """

    source: Literal["header", "error"]
    unit: Unit | None = None
    per: Per = None
    limit: float | None = None
    remaining: float | None = None
    used: float | None = None
    requested: float | None = None
    resets_in: float | None = None
    retry_in: float | None = None
    refused: bool = False
    window: Window | None = None
    tz: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A limit that is held otherwise from now on: what it was (None: not known), what it is (`limit.source` says whence), and why."""

    subject: str
    key: str
    before: float | None
    limit: Limit
    evidence: str


@dataclass(frozen=True, slots=True)
class Kin:
    """Two quotas whose remaining moves together: they are one. `evidence` is for people.

    Where the names of both begin with `AUTO`, the ledger counts them as one from now on.
    """

    quotas: tuple[str, str]
    evidence: str


Learnt = Lesson | Kin

AUTO: Final = "auto:"
"""What the name of a quota begins with that the configuration leaves to be found: `quota: auto`."""


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """One limit of a subject as the ledger holds it. `declared`: what the configuration says, None where it does not.

    `seen_at`: when it was learned, None where it was only declared. `expires_at`: when what was learned is no longer
    believed, and `declared` (or nothing) holds again. `confidence`: 0 to 1. `raise_at`: when a guess may be probed upwards.
    `step`: the probe's present stride, as a fraction of the limit.
    """

    key: str
    limit: Limit
    declared: Limit | None = None
    seen_at: float | None = None
    expires_at: float | None = None
    confidence: float = 1.0
    evidence: str = ""
    raise_at: float | None = None
    step: float = 0.0


@dataclass(frozen=True, slots=True)
class Hold:
    """To a ledger: hold the subject to this record from now on. `past`: charges `(at, amount)` that a window made new starts with."""

    record: LimitRecord
    past: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Drop:
    """To a ledger: this limit is no longer believed in; a declared one stays as declared."""

    key: str


@dataclass(frozen=True, slots=True)
class Correct:
    """To a ledger: the provider counts `used` units as taken, just after it counted the call that is being settled.

    `whole`: that figure holds this call in full. False: it may hold only part of it (a token count made before the answer).
    """

    key: str
    used: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Block:
    """To a ledger: there is no room for `amount` before `until`; None: nobody said when, so the window's own next step."""

    key: str
    amount: float
    until: float | None


Change = Hold | Drop | Correct | Block


@quick
@dataclass(frozen=True, slots=True)
class Used:
    """What a call really took, as the provider counts it. A field of None keeps what was reserved."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None


NOTHING_USED = Used(requests=0, input_tokens=0, output_tokens=0, usd=0.0)
"""The provider counted nothing: it was never sent, or refused before it was counted."""

AS_RESERVED = Used()
"""Unknown: it may have been counted, so the estimate stands."""


@dataclass(frozen=True, slots=True)
class LimitReading:
    """One limit as it stands: `used` is settled or aged, `reserved` is still in flight. `resets_at`: when all is free again.

    The last five are a `LimitRecord`'s: when it was learned (None: never), how sure that is, why, and until when.
    """

    key: str
    limit: Limit
    used: float
    reserved: float
    remaining: float
    resets_at: float | None
    seen_at: float | None = None
    expires_at: float | None = None
    confidence: float = 1.0
    evidence: str = ""
    declared: Limit | None = None


@dataclass(frozen=True, slots=True)
class OptionReading:
    """One option as it stands at `at`. `available_at`: when the smallest request would fit; None: never."""

    id: str
    available_at: float | None
    resting: str | None
    rests_until: float | None
    limits: tuple[LimitReading, ...]
    served: int = 0
    latency: float | None = None
    on_trial: bool = False
