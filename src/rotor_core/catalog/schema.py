"""The shape of `rotor.yaml`, section by section, with what every key means. Imports pydantic: load it lazily.

The shape alone stands here. What needs the plugins or the environment (does this provider exist, is this key set) is
checked where it is resolved, in `providers`, `pools` and `settings`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from rotor_core._model import Counts
from rotor_core.catalog.document import Document
from rotor_core.catalog.fields import (
    BaseUrl,
    Category,
    Count,
    Duration,
    ModelName,
    NotNegative,
    Order,
    Period,
    PoolName,
    Positive,
    ProviderName,
    Proxy,
    Text,
    Timeout,
    Zone,
    wrong,
)
from rotor_core.catalog.limits import (
    SHORTHANDS,
    TOKEN_UNITS,
    UNITS,
    expand,
    short_limits,
    shorthands_in,
    units_in,
)
from rotor_core.catalog.problems import listed
from rotor_core.catalog.schema_rules import RuleSection
from rotor_core.catalog.section import Section
from rotor_core.catalog.translate import translated

S = TypeVar("S", bound=BaseModel)

Capability = Literal[
    "tools", "parallel_tools", "json_schema", "json_mode", "vision", "reasoning", "audio", "prompt_cache",
    "transcription", "embedding",
]  # fmt: skip
TimeWindow = Literal["bucket", "rolling", "calendar"]


def _nothing_is_empty(value: Any) -> Any:
    return {} if value is None else value


class LimitSection(Section):
    """One limit: a unit with its figure, the period, and how it is counted. Or shorthands, several in one entry."""

    requests: Positive | None = Field(None, description="Requests per period.")
    tokens: Positive | None = Field(None, description="Tokens per period, input and output together.")
    input_tokens: Positive | None = Field(None, description="Input tokens per period.")
    output_tokens: Positive | None = Field(None, description="Output tokens per period.")
    audio_seconds: Positive | None = Field(None, description="Seconds of audio per period.")
    usd: Positive | None = Field(None, description="US dollars per period.")
    concurrent: Count | None = Field(None, description="Calls in flight at once; has no period.")
    rps: Positive | None = Field(None, description="Requests per second.")
    rpm: Positive | None = Field(None, description="Requests per minute.")
    rpd: Positive | None = Field(None, description="Requests per day.")
    tpm: Positive | None = Field(None, description="Tokens per minute.")
    tpd: Positive | None = Field(None, description="Tokens per day.")
    per: Period | None = Field(
        None, description="The period: second, minute, hour, day, month, or a number of seconds."
    )
    window: TimeWindow | None = Field(
        None,
        description="bucket: refills continuously (default); rolling: any such period; calendar: by the wall clock.",
    )
    tz: Zone | None = Field(None, description="Time zone of a calendar window, an IANA name. UTC when absent.")
    counts: Counts | None = Field(
        None,
        description="What a token limit deducts: usage (default), or requested: prompt and max_tokens at admission.",
    )
    source: Text | None = Field(None, description="Where the figure is from, with its date.")

    @model_validator(mode="after")
    def _is_one_limit(self) -> Self:
        units, short = units_in(self), shorthands_in(self)
        if not units and not short:
            raise wrong("names no limit", f"one of {listed((*UNITS, *SHORTHANDS))}")
        if len(units) > 1 or (units and short):
            raise wrong(f"names {listed((*units, *short)).replace(' or ', ' and ')}", "one unit an entry")
        if self.per is not None and (short or units == ["concurrent"]):
            raise wrong("has no period of its own", f"no `per` beside {listed(short or units)}", at=("per",))
        if units and units != ["concurrent"] and self.per is None:
            raise wrong("is missing", "second, minute, hour, day, month, or a number of seconds", at=("per",))
        if units == ["concurrent"] and (self.window or self.tz):
            raise wrong("calls in flight have no window", at=("window" if self.window else "tz",))
        _check_counting(self, bool(TOKEN_UNITS & set(units)) or "tpm" in short or "tpd" in short)
        return self


def _check_counting(section: LimitSection | LimitsHolder, tokens: bool) -> None:  # noqa: FBT001  # one caller each
    if section.counts and not tokens:
        raise wrong("matters to token limits alone", at=("counts",))
    if section.tz not in {None, "UTC"} and section.window in {"bucket", "rolling"}:
        raise wrong("matters to calendar windows alone", f"`window: calendar`, not {section.window}", at=("tz",))


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class LimitsHolder(Section):
    """What may have limits: written out, or as shorthands with `window`, `tz` and `counts` beside them."""

    limits: Annotated[
        list[LimitSection] | None,
        BeforeValidator(_as_list, json_schema_input_type=list[LimitSection] | LimitSection | None),
    ] = Field(None, description="Every limit. Absent: unknown, so it is learned. Empty: there are none.")
    rps: Positive | None = Field(None, description="Requests per second; short for an entry of `limits`.")
    rpm: Positive | None = Field(None, description="Requests per minute; short for an entry of `limits`.")
    rpd: Positive | None = Field(None, description="Requests per day; short for an entry of `limits`.")
    tpm: Positive | None = Field(None, description="Tokens per minute; short for an entry of `limits`.")
    tpd: Positive | None = Field(None, description="Tokens per day; short for an entry of `limits`.")
    window: TimeWindow | None = Field(None, description="How the shorthands beside it are counted.")
    tz: Zone | None = Field(None, description="Time zone of the shorthands beside it.")
    counts: Counts | None = Field(None, description="What the token shorthands beside it deduct.")

    @model_validator(mode="after")
    def _counts_each_window_once(self) -> Self:
        short = shorthands_in(self)
        for name in ("window", "tz", "counts"):
            if getattr(self, name) and not short:
                raise wrong(
                    "qualifies nothing", f"one of {listed(SHORTHANDS)} beside it, or to stand in `limits`", at=(name,)
                )
        if short:
            _check_counting(self, "tpm" in short or "tpd" in short)
        seen: dict[str, int] = {}
        for index, entry in enumerate(self.limits or ()):
            for limit in expand(entry, ""):
                first = seen.setdefault(limit.identity, index)
                if first != index:
                    raise wrong(f"counts the same as limits[{first}]", "each window once", at=("limits", index))
        for name, limit in zip(short, short_limits(self, ""), strict=True):
            if limit.identity in seen:
                raise wrong(f"counts the same as limits[{seen[limit.identity]}]", "each window once", at=(name,))
        return self


class PriceSection(Section):
    """USD per million tokens."""

    input: NotNegative = Field(description="USD per million input tokens.")
    output: NotNegative = Field(description="USD per million output tokens.")
    cached: NotNegative | None = Field(None, description="USD per million input tokens read from the provider's cache.")


class PlanSection(LimitsHolder):
    """What is different for a model under one plan."""

    price: PriceSection | None = Field(None, description="Price under this plan; a plan named `free` costs nothing.")
    available: bool | None = Field(None, description="Whether the plan includes the model at all.")


class ModelSection(LimitsHolder):
    """What is known of a model. Everything may be absent: then a plugin's catalog says it, or it is unknown."""

    context: Count | None = Field(None, description="Context window, tokens.")
    max_output: Count | None = Field(None, description="Longest answer, tokens.")
    capabilities: list[Capability] | None = Field(None, description="What it can do beyond chat with text.")
    category: Category | None = Field(None, description="Its size; detected from its name when absent.")
    price: PriceSection | None = Field(None, description="USD per million tokens; both 0 is free, absent is unknown.")
    available: bool | None = Field(None, description="False leaves the model out.")
    plans: dict[Text, PlanSection] | None = Field(
        None, description="What differs from plan to plan, by the plan's name."
    )


class ProviderPlanSection(LimitsHolder):
    """Limits under one plan that all models of a quota share."""


class KeySection(Section):
    """One API key: the name of an environment variable, or for tests and local servers the value itself."""

    env: Text | None = Field(None, description="Environment variable that holds the key.")
    value: Text | None = Field(None, description="The key itself: for tests and local servers only.")
    quota: Text | None = Field(
        None,
        description="Name of the quota that keys of one organization or project share. `auto`: a quota of its own, until "
        "what is left of it is seen to move together with another key's that says `auto`: then both count as one.",
    )
    plan: Text | None = Field(None, description="The key's plan, where it is not the provider's.")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.env is None) == (self.value is None):
            problem = "has both `env` and `value`" if self.env else "has neither `env` nor `value`"
            raise wrong(problem, "`env: NAME_OF_A_VARIABLE`, or `value:` for tests and local servers")
        return self


def _as_entry(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


class PoolEntrySection(Section):
    """A model's place in a pool, with all its keys."""

    model: ModelName = Field(description="`provider/model`.")
    priority: Order = Field(1, description="Lower goes first, whatever the ranking says.")
    weight: Positive = Field(1.0, description="Its share among equals.")


PoolEntry = Annotated[PoolEntrySection, BeforeValidator(_as_entry, json_schema_input_type=str | PoolEntrySection)]
Model = Annotated[ModelSection, BeforeValidator(_nothing_is_empty, json_schema_input_type=ModelSection | None)]


class ProviderSection(LimitsHolder):
    """A provider. What is absent comes from its plugin's catalog and from the environment."""

    adapter: Text | None = Field(
        None, description="Who speaks its wire format, e.g. openai-compatible; absent: its own plugin."
    )
    base_url: BaseUrl | None = Field(
        None, description="What precedes /chat/completions (or the format's own first path)."
    )
    headers: dict[Text, str] | None = Field(None, description="HTTP headers to send with every request.")
    timeout: Timeout | None = Field(None, description="Longest time for one call; 120s when absent.")
    proxy: Proxy | None = Field(None, description="Proxy to go through.")
    plan: Text | None = Field(None, description="Plan of its keys, e.g. free: it sets limits and prices.")
    keys: list[KeySection] | None = Field(
        None, description="API keys. Absent: from the environment. Empty: it needs none."
    )
    models: dict[ModelName, Model] | None = Field(None, description="Its models, by the provider's own names.")
    plans: dict[Text, ProviderPlanSection] | None = Field(
        None, description="Limits that all models of a quota share, by plan."
    )
    pools: dict[PoolName, list[PoolEntry]] | None = Field(
        None, description="For plugins: pools that exist without a file, of this provider's models by their bare names."
    )


class BudgetSection(Section):
    """The most that may be spent on deployments that are not free."""

    usd: Positive = Field(description="US dollars per period.")
    per: Period = Field("day", description="The period, by the wall clock.")
    tz: Zone = Field("UTC", description="Time zone in which the period begins.")
    pool: PoolName | None = Field(None, description="Only requests drawn from this pool count. Absent: all do.")
    caller: Text | None = Field(
        None, description="Only this caller's requests count; each: a budget for every caller. Absent: all count."
    )
    unknown_price: Literal["refused", "allowed"] = Field(
        "refused", description="Whether models of unknown price may be used: what they cost cannot be counted."
    )


class PolicySection(Section):
    """How to choose, how long to wait, how often to try, what may be spent."""

    ranking: Text = Field(
        "free-first",
        description="Order over candidates: free-first, cheapest, fastest, spread, balanced, or a plugin's.",
    )
    max_attempts: Count = Field(3, description="Calls that one request may cost.")
    max_wait: Duration = Field(30.0, description="Longest wait for capacity.")
    max_wait_for_free: Duration = Field(
        0.0, description="How long a free seat is worth waiting for while a paid one is open."
    )
    paid: Literal["allowed", "never"] = Field("allowed", description="Whether money may be spent.")
    budget: Annotated[
        list[BudgetSection] | None,
        BeforeValidator(_as_list, json_schema_input_type=list[BudgetSection] | BudgetSection | None),
    ] = Field(None, description="The most that may be spent: one budget or several, all of which hold.")
    stream_break: Literal["raise", "continue"] = Field(
        "raise", description="When a stream breaks after its first chunk."
    )
    hedge: Literal["never", "auto"] = Field(
        "never", description="Whether a slow call may be joined by a second one elsewhere, where capacity is plentiful."
    )
    on_store_error: Literal["local", "refuse"] = Field("local", description="When the store is out of reach.")
    plugin_rules: Literal["used", "ignored"] = Field(
        "used", description="Whether rules that plugins bring stand after those written here."
    )

    @model_validator(mode="after")
    def _budgets_each_window_once(self) -> Self:
        seen: dict[object, int] = {}
        for index, budget in enumerate(self.budget or ()):
            first = seen.setdefault((budget.per, budget.tz, budget.pool, budget.caller), index)
            if first != index:
                raise wrong(f"counts the same as budget[{first}]", "each budget once", at=("budget", index))
        return self


Provider = Annotated[ProviderSection, BeforeValidator(_nothing_is_empty, json_schema_input_type=ProviderSection | None)]


class RootSection(Section):
    """rotor.yaml: the providers, models and keys that requests are spread over, and how."""

    version: Literal[1] | None = Field(None, description="Version of this format.")
    store: Text | None = Field(
        None,
        description="Where limits are counted: memory://, sqlite:///file, redis://host:port/db, dynamodb://table?region=.",
    )
    providers: dict[ProviderName, Provider] | None = Field(None, description="Providers by name.")
    pools: dict[PoolName, list[PoolEntry]] | None = Field(
        None, description="Named sets of models that a request draws from."
    )
    default_pool: Text | None = Field(None, description="The pool of a request that names none.")
    policy: PolicySection = Field(
        default_factory=PolicySection.model_construct, description="How to choose, wait, try and spend."
    )
    rules: list[RuleSection] = Field([], description="What requests of some kind need or prefer.")


SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def validated(document: Document) -> RootSection:
    """The document as sections. Raises the one `ConfigError` that its first fault deserves."""
    if document.places.file is not None and "version" not in document.data:
        raise document.places.error(("version",), "is missing", expected="`version: 1`")
    return read_as(RootSection, document)


def read_as(section: type[S], document: Document) -> S:
    """The document as a section of this kind. Raises the one `ConfigError` that its first fault deserves."""
    try:
        return section.model_validate(document.data)
    except ValidationError as exc:
        error = translated(exc, document)
    # Raised out here so that it has no context: pydantic's error shows what it was given, secrets too.
    raise error


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of `rotor.yaml`, with a description for every key, for editors."""
    schema = RootSection.model_json_schema(mode="validation")
    return {"$schema": SCHEMA_DIALECT, **schema, "title": "rotor.yaml", "required": ["version"]}
