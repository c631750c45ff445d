"""What an error's words say of the limit that was hit: its unit and period, its figures, the wait, and whom it concerns.

Tables of expressions, each read from the top: the first that is found decides. Pure; what is not there is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from rotor_core._outcome import FailedUnit, Scope
from rotor_core._policy.durations import DURATION, parse_duration, parse_number, retry_after_of
from rotor_core._policy.error_text import Facts
from rotor_core._policy.reset_values import read_reset, seconds_until
from rotor_core._policy.sifted import Sifted, sifted

Period = Literal["second", "minute", "hour", "day", "month"]

# ---- which limit --------------------------------------------------------------------------------------------------


class Limit(NamedTuple):
    """The limit that an error names, in the text's own unit. What it leaves out is None."""

    unit: FailedUnit | None = None
    per: Period | None = None
    limit: float | None = None
    used: float | None = None
    requested: float | None = None


NO_LIMIT: Final = Limit()


def limit_of(facts: Facts, headers: Mapping[str, str]) -> Limit:
    """The limit that a text names, or `x-ratelimit-type`; its figure perhaps in the headers that the body quotes."""
    quota = _quota_of(facts)
    limit = quota.limit
    if limit is None:
        limit = _figure(_LIMITS, facts)
    if limit is None:
        limit = parse_number(facts.headers.get("x-ratelimit-limit", ""))
    unit, per = (quota.unit, quota.per) if quota.per else _window_of(facts, headers)
    return Limit(unit, per, limit, _figure(_USED, facts), _figure(_REQUESTED, facts))


_QUOTA: Final = re.compile(
    r"\b[A-Z]\w{0,60}?(InputToken|OutputToken|Token|Request)s?(?:Per[A-Z]\w{0,40}?)?Per(Second|Minute|Hour|Day|Month)(?![a-z])"
    r"(?:(?:(?!quota_?[iI]d).){0,300}?quota_?[vV]alue[^\w\n]{1,8}(\d{1,15}))?",
    re.DOTALL,
)
"""Google's names of quotas, `GenerateRequestsPerDayPerProjectPerModel-FreeTier`, and the figure that stands by it."""
_PERIODS_SPELT: Final[tuple[Period, ...]] = ("second", "minute", "hour", "day", "month")
_LENGTHS: Final[Mapping[str, int]] = {period.capitalize(): at for at, period in enumerate(_PERIODS_SPELT)}
_QUOTA_UNITS: Final[Mapping[str, FailedUnit]] = {
    "InputToken": "input_tokens", "OutputToken": "output_tokens", "Token": "tokens", "Request": "requests",
}  # fmt: skip


def _quota_of(facts: Facts) -> Limit:
    """Of the quotas that a text names the one of the longest period: it is the last to come back."""
    if "Per" not in facts.text:
        return NO_LIMIT
    found = max(_QUOTA.finditer(facts.text), key=lambda quota: _LENGTHS[quota[2]], default=None)
    if found is None:
        return NO_LIMIT
    return Limit(_QUOTA_UNITS[found[1]], _PERIODS_SPELT[_LENGTHS[found[2]]], parse_number(found[3] or ""))


_ABBREVIATED: Final = sifted("tp|rp|asp|ash|asd", r"\b(IT|OT|T|R|AS)P([SMHD])\b|\b(AS)([HD])\b", 0)
_UNITS: Final[Mapping[str, FailedUnit]] = {
    "IT": "input_tokens", "OT": "output_tokens", "T": "tokens", "R": "requests", "AS": "audio_seconds",
}  # fmt: skip
_PERIODS: Final[Mapping[str, Period]] = {"S": "second", "M": "minute", "H": "hour", "D": "day"}
# Who ignores a letter's case takes a dotless i for one; the table of periods would not know such a minute.
_SPELT: Final = sifted(
    "sec|min|hour|day|month",
    r"(input[ _]?tokens?|output[ _]?tokens?|tokens?|seconds of audio|audio[ _]seconds|requests?|queries|(?:api )?calls)"
    r"[ _]*(?:per|/)[ _]*(?:\w+[ _]per[ _])?((?a:second|minute|min|hour|day|month|sec))",
)
_SPELT_UNITS: Final[tuple[tuple[str, FailedUnit], ...]] = (
    ("input", "input_tokens"), ("output", "output_tokens"), ("audio", "audio_seconds"), ("token", "tokens"), ("", "requests"),
)  # fmt: skip
_ALONE: Final[tuple[tuple[Sifted, FailedUnit | None, Period | None], ...]] = (
    (sifted("per 86400s|byday", r"per 86400s|\bByDay\b|\bUserByModelByDay\b", 0), "requests", "day"),
    (sifted("per 60s|byminute", r"per 60s|\bByMinute\b|\bUserByModelByMinute\b", 0), "requests", "minute"),
    (sifted("free-models-per-day|free_tier_daily", r"free-models-per-day|openrouter_free_tier_daily"), "requests", "day"),
    (sifted("free-models-per-min|limit_rpm/", r"free-models-per-min|limit_rpm/"), "requests", "minute"),
    (sifted("concurren", r"concurren"), "concurrent", None),
    (sifted("qps", r"\bqps\b"), "requests", "second"),
    (sifted("daily", r"\bdaily (?:api )?(?:requests?|calls?)\b"), "requests", "day"),
    (sifted("daily", r"\bdaily (?:\w{1,20} )?tokens?\b"), "tokens", "day"),
    (sifted("daily", r"\bdaily\b"), None, "day"),
    (sifted("hourly", r"\bhourly\b"), None, "hour"),
    (sifted("per-minute", r"\btokens?\b.{0,40}\bper-minute\b"), "tokens", "minute"),
    (sifted("per-minute", r"\brequests\b.{0,40}\bper-minute\b"), "requests", "minute"),
    (sifted("per-minute", r"\bper-minute\b"), None, "minute"),
    (sifted("too many tokens", r"too many tokens"), "tokens", None),
    (sifted("token rate limit", r"token rate limit"), "tokens", None),
    (sifted("rate limit", r"requests? rate limit|call rate limit"), "requests", None),
    (sifted("_tier_requests", r"_tier_requests\b"), "requests", None),
    (sifted("_input_token_count", r"_input_token_count\b"), "input_tokens", None),
)  # fmt: skip


def _window_of(facts: Facts, headers: Mapping[str, str]) -> tuple[FailedUnit | None, Period | None]:
    if found := _ABBREVIATED.search(facts.text, facts.lower):
        unit, per = (found[1], found[2]) if found[1] else (found[3], found[4])
        return _UNITS[unit], _PERIODS[per]
    if found := _SPELT.search(facts.text, facts.lower):
        what = found[1].lower()
        return (
            next(unit for word, unit in _SPELT_UNITS if word in what),
            next(per for per in _PERIODS_SPELT if per.startswith(found[2].lower())),
        )
    kind = headers.get("x-ratelimit-type", "")
    for text, lower in ((facts.text, facts.lower), (kind, kind.lower())):
        for words, unit, per in _ALONE:
            if words.search(text, lower):
                return unit, per
    return None, None


_N: Final = r"~?(\d[\d,]{0,20}(?:\.\d{1,9})?)"
_LIMITS: Final = (
    sifted(">", rf"\d (?:tokens )?> {_N}"),
    sifted("limit", rf"\blimit:? {_N}"),
    sifted("context ", rf"context (?:length|window) (?:is|of) {_N}"),
    sifted("only afford", rf"only afford {_N}"),
    sifted("limit ", rf"\blimit (?:for (?:this|the) model )?(?:is|of):? {_N}"),
    sifted("limit (", rf"\blimit \({_N}"),
    sifted("limited to", rf"limited to {_N}"),
    sifted("pm: ", rf"max [RT]PM: {_N}"),
    sifted("max organization concurrency", rf"max organization concurrency: {_N}"),
    sifted("max size", rf"max size: {_N}"),
    sifted("of tokens allowed", rf"of tokens allowed \(?{_N}"),
    sifted("rate limit for your organization", rf"rate limit for your organization \([^)]{{0,80}}\) of {_N}"),
    sifted("allocation of", rf"allocation of {_N}"),
    sifted("total_tokens=", rf"total_tokens={_N}"),
    sifted(" length", rf"(?:prompt|context|model) length(?: is| of(?: only)?|:) {_N}"),
    sifted("maximum context length", rf"with {_N} maximum context length"),
    sifted("max_new_tokens", rf"max_new_tokens\W{{0,2}}must be <= {_N}"),
    sifted("in the prompt cannot exceed", rf"in the prompt cannot exceed {_N}"),
    sifted("input length should be", rf"input length should be \[\d{{1,9}}, {_N}\]"),
)
_USED: Final = (sifted("used", rf"\bUsed:? {_N}"),)
_REQUESTED: Final = (
    sifted("requested", rf"\bRequested:? {_N}"),
    sifted("you requested", rf"you requested (?:about |up to )?{_N} tokens"),
    sifted("resulted in", rf"resulted in {_N} tokens"),
    sifted("limit exceeded", rf"limit exceeded: {_N} >"),
    sifted("max_tokens=", rf"max_tokens={_N} cannot"),
    sifted("prompt is too long", rf"prompt is too long: {_N}"),
    sifted("current length is", rf"current length is {_N}"),
    sifted("contains ", rf"contains {_N} tokens"),
    sifted("input token count", rf"input token count \({_N}\)"),
    sifted("output tokens (", rf"output tokens \({_N}\)"),
    sifted("prompt (length", rf"prompt \(length {_N}\)"),
    sifted("cannot exceed", rf"cannot exceed \d{{1,12}} - received {_N}"),
)


def _figure(table: tuple[Sifted, ...], facts: Facts) -> float | None:
    """The first number that one of the expressions finds."""
    for words in table:
        if found := words.search(facts.text, facts.lower):
            return parse_number(found[1])
    return None


# ---- how long, and whom -------------------------------------------------------------------------------------------

_WAIT_NOTED: Final = sifted("retry_after_seconds", r"retry_after_seconds\W{1,6}(\d{1,9}(?:\.\d{1,9})?)", 0)
_WAIT: Final = sifted(
    "try|reset|please wait",
    rf"""(?:(?:(?:try|retry)(?:ing)?(?:\s+again)?|resets?)\s+(?:in|after)|please wait(?:\s+for)?|retryDelay["']?\s?:\s?["']?)\s?"""
    rf"""(?:about\s|~\s?)?({DURATION})""",
)


def told_in_words(facts: Facts) -> float | None:
    """Seconds to wait, by the text's own figure."""
    found = _WAIT.search(facts.text, facts.lower) or _WAIT_NOTED.search(facts.text, facts.lower)
    return parse_duration(found[1]) if found else None


def wait_of(headers: Mapping[str, str], facts: Facts) -> float | None:
    """Seconds to wait: the text's figure is finer than the header's, which some round up to whole seconds.

    Of an instant in the headers that a body quotes only the answer's own `date` makes a wait.
    """
    said = told_in_words(facts)
    if said is None and headers:
        said = retry_after_of(headers)
    if said is None and facts.headers and (reset := read_reset(facts.headers.get("x-ratelimit-reset", ""))):
        said = seconds_until(reset, headers) if reset.form == "instant" else None
    return said


_SCOPES: Final[tuple[tuple[Sifted, Scope], ...]] = (
    (sifted("organization|your team|org-", r"\borganization\b|\byour team\b|\borg-"), "org"),
    (sifted("project", r"per_project|\bproject\b"), "project"),
    (sifted("trial key|api key|api_key|settings/keys", r"trial key|api[ _]key|settings/keys"), "key"),
    (
        sifted(
            "account|userby|your |billing|balance|credits|余额",
            r"\baccount\b|\buserby|your (?:current )?quota|your (?:\w+ )?usage|your rate limit|billing|balance|credits|余额",
        ),
        "account",
    ),
    (sifted("model", r"\bmodel\b"), "model"),
)


def scope_of(facts: Facts) -> Scope:
    """Whom it concerns, by what the text names."""
    for words, scope in _SCOPES:
        if words.search(facts.text, facts.lower):
            return scope
    return "unknown"
