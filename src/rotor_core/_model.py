"""The nouns of a catalog. Frozen, standard library only; built once by `rotor_core.catalog`, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

Unit = Literal["requests", "tokens", "input_tokens", "output_tokens", "audio_seconds", "usd", "concurrent"]
Window = Literal["bucket", "rolling", "calendar", "concurrency"]
Counts = Literal["usage", "requested"]
PeriodName = Literal["second", "minute", "hour", "day", "month"]
Per = PeriodName | float | None

SECONDS: Final[Mapping[str, float]] = MappingProxyType(
    # A month of a refilling or rolling window is taken as 31 days: the longer period is the stricter one.
    {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 31 * 86400.0}
)

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def _nothing() -> Mapping[str, str]:
    return _NOTHING


class Secret:
    """A secret that shows itself only to `reveal`: never in a repr, a format, a pickle of an event or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret('**********')" if self._value else "Secret('')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `value` of `unit` per `per`, counted by `window`; `concurrent` has no period.

    `tz` is an IANA zone and matters to calendar windows alone. `counts` says what a token limit deducts: what was
    used, or what was asked for (prompt plus `max_tokens`, at admission).
    """

    unit: Unit
    value: float
    per: Per = "minute"
    window: Window = "bucket"
    tz: str = "UTC"
    counts: Counts = "usage"
    source: str = "config"

    @property
    def seconds(self) -> float:
        """The period's length in seconds; for a calendar month the longest one, for concurrency 0."""
        if self.per is None:
            return 0.0
        return SECONDS[self.per] if isinstance(self.per, str) else float(self.per)

    @property
    def identity(self) -> str:
        """What makes two limits of one holder the same window: everything but the figure and where it came from."""
        per = self.per if isinstance(self.per, str) else "-" if self.per is None else f"{self.per:g}s"
        tz = self.tz if self.window == "calendar" else "-"
        return f"{self.unit}|{per}|{self.window}|{tz}"


@dataclass(frozen=True, slots=True)
class BoundLimit:
    """A limit and whom it counts: every deployment that carries the same `key` draws on the same window."""

    key: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    input: float
    output: float
    cached: float | None = None

    @property
    def free(self) -> bool:
        return self.input == 0 and self.output == 0

    @property
    def blended(self) -> float:
        """One figure to order prices by: three input tokens to one of output, the mix price comparisons commonly use."""
        return (3 * self.input + self.output) / 4

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> float:
        """USD for one call. Cached input is charged at `cached` when that price is known."""
        cached = cached_tokens if self.cached is not None else 0
        full = self.input * (input_tokens - cached) + self.output * output_tokens
        return (full + (self.cached or 0.0) * cached) / 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Credential:
    """One API key. `id` is how people see it; `fingerprint` is how the ledger knows it, whatever configuration names it.

    `beside`: what else its calls authenticate with, to be shown no more than the key.
    """

    id: str
    secret: Secret
    fingerprint: str
    quota: str
    plan: str | None = None
    beside: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A provider's name for a model and what is known of it. `limits` None: unknown; empty: there are none.

    `capabilities` None: not stated, so anything may be tried. A list that was stated is taken at its word.
    """

    name: str
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] | None = None
    category: str | None = None
    price: Price | None = None
    limits: tuple[Limit, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A company or endpoint. `adapter` is the name under which a plugin registered who speaks its wire format."""

    name: str
    adapter: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    timeout: float = 120.0
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """Provider x model x credential x base URL: the unit of selection. `limits` None: unknown, nothing to hold it to."""

    id: str
    provider: Provider
    model: Model
    credential: Credential
    limits: tuple[BoundLimit, ...] | None = None
    price: Price | None = None
    handle: Any = field(default=None, repr=False)
    """What an adapter wants to find again (a wrapped client, a user's own chat model); the kernel never looks."""

    @property
    def free(self) -> bool:
        """Known to cost nothing. An unknown price is not free: money is never spent by accident."""
        return self.price is not None and self.price.free

    @property
    def name(self) -> str:
        """`provider/model`, as people write it."""
        return f"{self.provider.name}/{self.model.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """A deployment in a pool. Lower `priority` goes first whatever the ranking says; `weight` is its share among equals."""

    deployment: Deployment
    priority: int = 1
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    name: str
    seats: tuple[Seat, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Every condition that is set must hold, then every effect that is set acts.

    Conditions: more than `tokens_over` input tokens; the `task`; a complexity (0 to 1) above `complexity_over`. Effects:
    models with a context of fewer than `require_context` tokens are out; those of `prefer_category` (tiny, small, large,
    reasoning) go first. `source`: `config` for the user's own, else the plugin's name; the user's own win.
    """

    tokens_over: int | None = None
    task: str | None = None
    complexity_over: float | None = None
    require_context: int | None = None
    prefer_category: str | None = None
    source: str = "config"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `usd` per calendar period. `pool`: only what is drawn from it counts. `caller`: only its own; `each`: any one's.

    `unknown_price`: whether deployments may be used whose cost cannot be counted.
    """

    usd: float
    per: Per = "day"
    tz: str = "UTC"
    pool: str | None = None
    caller: str | None = None
    unknown_price: Literal["refused", "allowed"] = "refused"


@dataclass(frozen=True, slots=True)
class Policy:
    """How to choose, how long to wait (seconds), how often to try, what may be spent."""

    ranking: str = "free-first"
    max_attempts: int = 3
    max_wait: float = 30.0
    max_wait_for_free: float = 0.0
    paid: Literal["allowed", "never"] = "allowed"
    budgets: tuple[Budget, ...] = ()
    stream_break: Literal["raise", "continue"] = "raise"
    on_store_error: Literal["local", "refuse"] = "local"
    hedge: Literal["never", "auto"] = "never"


@dataclass(frozen=True, slots=True)
class Retired:
    """A model that its provider has shut down. `on`: the day (ISO date); `use`: `provider/model` in its place; None: not known."""

    on: str | None = None
    use: str | None = None

    def __str__(self) -> str:
        return "was shut down" + (f" on {self.on}" if self.on else "")


def _none_retired() -> Mapping[str, Retired]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """Everything that a request can be answered from. `digest` tells equal configurations, secrets included, apart from others."""

    deployments: Mapping[str, Deployment]
    pools: Mapping[str, Pool]
    default_pool: str
    policy: Policy = Policy()
    rules: tuple[Rule, ...] = ()
    store: str = field(default="memory://", repr=False)  # a URL may hold a password
    digest: str = ""
    source: str = "configuration"
    """Where it was read from, for messages: a file's path, `environment`, `configuration`."""
    retired: Mapping[str, Retired] = field(default_factory=_none_retired)
    """Models that are gone, by `provider/model`, so that asking for one can say what to use."""
