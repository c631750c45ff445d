"""What an error says, read out of whatever it is wrapped in: codes, words, the limit it names, its figures, the wait.

Nothing here decides what it means: that is `classify`. Pure; what is not there is None, never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeGuard

from rotor_core._outcome import FailedUnit, Scope
from rotor_core._policy.durations import DURATION, parse_duration, parse_number, retry_after_of
from rotor_core._policy.reset_values import read_reset, seconds_until

Period = Literal["second", "minute", "hour", "day", "month"]

LONGEST_BODY: Final = 2**18
"""Characters of a body that are read. Some servers quote the whole request in an error."""
LONGEST_TEXT: Final = 6_000
LAST_TEXT: Final = 2_000
"""Characters of its messages that are searched, from their beginning and at their end: where a request is quoted the
point comes last. The longest known error has 2,000."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an error says, taken out of its wrapping. `codes`: its code, type, status and reason, in lower case.

    `lower`: the text in lower case. `headers`: those that its body quotes, names in lower case (OpenRouter's do).
    """

    status: int | None
    codes: frozenset[str]
    text: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    lower: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", self.text.lower())


def read(status: int | None, body: str | bytes) -> Facts:
    """An error's facts, out of JSON of any of the known shapes, or out of plain text."""
    body = (body or "")[:LONGEST_BODY]
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    found = _Found()
    try:
        data: Any = json.loads(text)
    except (ValueError, RecursionError):
        found.codes.update(code.lower() for code in _QUOTED_CODES.findall(_within_measure(text)))
    else:
        _gather(data, found, 0)
    messages = [*(found.messages or [text]), *found.notes]
    if status is None:
        status = next(
            (
                int(code)
                for code in sorted(found.codes)
                if code.isascii() and code.isdigit() and 400 <= int(code[:4]) < 600
            ),
            None,
        )
    return Facts(
        status if isinstance(status, int) else None,
        frozenset(found.codes),
        _within_measure("\n".join(dict.fromkeys(messages))),
        found.headers,
    )


def _within_measure(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT + LAST_TEXT else f"{text[:LONGEST_TEXT]}\n{text[-LAST_TEXT:]}"


_QUOTED_CODES: Final = re.compile(
    r"""["']?\b(?:code|type|status|reason)["']?\s?:\s?["']?([\w.-]{3,60})""", re.IGNORECASE
)
"""Codes in a text that quotes a body: Python's dict, JSON inside JSON, `Code: model_decommissioned`."""

_CODE_KEYS: Final = frozenset(
    ("code", "type", "status", "reason", "status_code", "raw_status_code", "error_type", "error_code")
)
_TEXT_KEYS: Final = {
    key: place
    for place, key in enumerate(
        (
            "message", "msg", "detail", "details", "title", "error", "errors", "raw", "metadata", "body", "error_description",
            "violations", "innererror", "error_msg", "description",
        )
    )
}  # fmt: skip
"""And the order in which they are read."""
_NOTED_KEYS: Final = ("quotaId", "quotaValue", "retryDelay", "retry_after_seconds", "limit_source")
"""What is told beside the messages and not in them: kept as `key: value`."""
_NOTED: Final = frozenset(_NOTED_KEYS)
_DEEPEST: Final = 8
"""Levels of a body that are searched: Google's list of violations is the seventh, inside a list of errors."""
_MOST_QUOTES: Final = 5
"""Messages that are bodies themselves: a gateway quotes its upstream, a client its server."""


@dataclass(slots=True)
class _Found:
    """What a body holds, as it is gathered. `notes`: told beside the messages, one line for each object that has some."""

    codes: set[str] = field(default_factory=set[str])
    messages: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    quotes: int = 0


def _gather(data: object, found: _Found, depth: int) -> None:
    """Codes and messages wherever error bodies have them; what a model or a user wrote stays out."""
    if isinstance(data, str):
        quoted = _quoted(data) if found.quotes < _MOST_QUOTES else None
        if quoted is None:
            found.messages.append(data)
        else:
            found.quotes += 1
            _gather(quoted, found, 1)
    elif _is_list(data) and depth < _DEEPEST:
        for item in data[:20]:
            _gather(item, found, depth + 1)
    elif _is_object(data) and depth < _DEEPEST:
        _gather_fields(data, found, depth)


def _gather_fields(data: dict[str, Any], found: _Found, depth: int) -> None:
    """The same of an object. It has few keys, and those looked for are many: so they are looked for from its side."""
    for key in _CODE_KEYS.intersection(data):
        code = data[key]
        if isinstance(code, (str, int)) and not isinstance(code, bool):
            found.codes.add(str(code)[:60].lower())
    for key in sorted(_TEXT_KEYS.keys() & data.keys(), key=_TEXT_KEYS.__getitem__):
        if data[key] is not None:
            _gather(data[key], found, depth + 1)
    if not _NOTED.isdisjoint(data):
        noted = [f"{k}: {str(data[k])[:200]}" for k in _NOTED_KEYS if isinstance(data.get(k), (str, int, float))]
        if noted:
            found.notes.append(", ".join(noted))
    if _is_object(quoted := data.get("headers")):
        found.headers.update({str(k).lower(): v for k, v in list(quoted.items())[:50] if isinstance(v, str)})


def _quoted(text: str) -> object:
    """The body that a message is, or None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        data: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data or None


def _is_object(data: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(data, dict)


def _is_list(data: object) -> TypeGuard[list[Any]]:
    return isinstance(data, list)


# ---- which limit --------------------------------------------------------------------------------------------------

_ABBREVIATED: Final = re.compile(r"\b(IT|OT|T|R|AS)P([SMHD])\b|\b(AS)([HD])\b")
_UNITS: Final[Mapping[str, FailedUnit]] = {
    "IT": "input_tokens", "OT": "output_tokens", "T": "tokens", "R": "requests", "AS": "audio_seconds",
}  # fmt: skip
_PERIODS: Final[Mapping[str, Period]] = {"S": "second", "M": "minute", "H": "hour", "D": "day"}

_PERIODS_SPELT: Final[tuple[Period, ...]] = ("second", "minute", "hour", "day", "month")
_SPELT: Final = re.compile(
    r"(input[ _]?tokens?|output[ _]?tokens?|tokens?|seconds of audio|audio[ _]seconds|requests?|queries|(?:api )?calls)"
    r"[ _]*(?:per|/)[ _]*(?:\w+[ _]per[ _])?(second|minute|min|hour|day|month|sec)",
    re.IGNORECASE,
)
_SPELT_UNITS: Final[tuple[tuple[str, FailedUnit], ...]] = (
    ("input", "input_tokens"), ("output", "output_tokens"), ("audio", "audio_seconds"), ("token", "tokens"), ("", "requests"),
)  # fmt: skip
_ALONE: Final[tuple[tuple[re.Pattern[str], FailedUnit | None, Period | None], ...]] = (
    (re.compile(r"per 86400s|\bByDay\b|\bUserByModelByDay\b"), "requests", "day"),
    (re.compile(r"per 60s|\bByMinute\b|\bUserByModelByMinute\b"), "requests", "minute"),
    (re.compile(r"free-models-per-day|openrouter_free_tier_daily", re.IGNORECASE), "requests", "day"),
    (re.compile(r"free-models-per-min|limit_rpm/", re.IGNORECASE), "requests", "minute"),
    (re.compile(r"concurren", re.IGNORECASE), "concurrent", None),
    (re.compile(r"\bqps\b", re.IGNORECASE), "requests", "second"),
    (re.compile(r"\bdaily (?:api )?(?:requests?|calls?)\b", re.IGNORECASE), "requests", "day"),
    (re.compile(r"\bdaily (?:\w{1,20} )?tokens?\b", re.IGNORECASE), "tokens", "day"),
    (re.compile(r"\bdaily\b", re.IGNORECASE), None, "day"),
    (re.compile(r"\bhourly\b", re.IGNORECASE), None, "hour"),
    (re.compile(r"\btokens?\b.{0,40}\bper-minute\b", re.IGNORECASE), "tokens", "minute"),
    (re.compile(r"\brequests\b.{0,40}\bper-minute\b", re.IGNORECASE), "requests", "minute"),
    (re.compile(r"\bper-minute\b", re.IGNORECASE), None, "minute"),
    (re.compile(r"too many tokens", re.IGNORECASE), "tokens", None),
    (re.compile(r"token rate limit", re.IGNORECASE), "tokens", None),
    (re.compile(r"requests? rate limit|call rate limit", re.IGNORECASE), "requests", None),
    (re.compile(r"_tier_requests\b", re.IGNORECASE), "requests", None),
    (re.compile(r"_input_token_count\b", re.IGNORECASE), "input_tokens", None),
)

_QUOTA: Final = re.compile(
    r"\b[A-Z]\w{0,60}?(InputToken|OutputToken|Token|Request)s?(?:Per[A-Z]\w{0,40}?)?Per(Second|Minute|Hour|Day|Month)(?![a-z])"
    r"(?:(?:(?!quota_?[iI]d).){0,300}?quota_?[vV]alue[^\w\n]{1,8}(\d{1,15}))?",
    re.DOTALL,
)
"""Google's names of quotas, `GenerateRequestsPerDayPerProjectPerModel-FreeTier`, and the figure that stands by it."""


def _quota_of(text: str) -> tuple[FailedUnit, Period, float | None] | None:
    """Of the quotas that a text names the one of the longest period: it is the last to come back."""
    found = max(_QUOTA.finditer(text), key=lambda quota: _LENGTHS[quota[2]], default=None)
    if found is None:
        return None
    return _QUOTA_UNITS[found[1]], _PERIODS_SPELT[_LENGTHS[found[2]]], parse_number(found[3] or "")


_LENGTHS: Final[Mapping[str, int]] = {period.capitalize(): at for at, period in enumerate(_PERIODS_SPELT)}
_QUOTA_UNITS: Final[Mapping[str, FailedUnit]] = {
    "InputToken": "input_tokens", "OutputToken": "output_tokens", "Token": "tokens", "Request": "requests",
}  # fmt: skip


def window_of(facts: Facts, headers: Mapping[str, str]) -> tuple[FailedUnit | None, Period | None]:
    """The unit and the period of the limit that a text names, or `x-ratelimit-type`; each None where they name none."""
    if quota := _quota_of(facts.text):
        return quota[0], quota[1]
    if found := _ABBREVIATED.search(facts.text):
        unit, per = (found[1], found[2]) if found[1] else (found[3], found[4])
        return _UNITS[unit], _PERIODS[per]
    if found := _SPELT.search(facts.text):
        what = found[1].lower()
        return (
            next(unit for word, unit in _SPELT_UNITS if word in what),
            next(per for per in _PERIODS_SPELT if per.startswith(found[2].lower())),
        )
    for text in (facts.text, headers.get("x-ratelimit-type", "")):
        for pattern, unit, per in _ALONE:
            if pattern.search(text):
                return unit, per
    return None, None


_N: Final = r"~?(\d[\d,]{0,20}(?:\.\d{1,9})?)"


def _figures(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


_LIMITS: Final = _figures(
    rf"\d (?:tokens )?> {_N}", rf"\blimit:? {_N}", rf"context (?:length|window) (?:is|of) {_N}", rf"only afford {_N}",
    rf"\blimit (?:for (?:this|the) model )?(?:is|of):? {_N}", rf"\blimit \({_N}", rf"limited to {_N}",
    rf"max [RT]PM: {_N}", rf"max organization concurrency: {_N}", rf"max size: {_N}", rf"of tokens allowed \(?{_N}",
    rf"rate limit for your organization \([^)]{{0,80}}\) of {_N}", rf"allocation of {_N}", rf"total_tokens={_N}",
    rf"(?:prompt|context|model) length(?: is| of(?: only)?|:) {_N}", rf"with {_N} maximum context length",
    rf"max_new_tokens\W{{0,2}}must be <= {_N}", rf"in the prompt cannot exceed {_N}", rf"input length should be \[\d{{1,9}}, {_N}\]",
)  # fmt: skip
_USED: Final = _figures(rf"\bUsed:? {_N}")
_REQUESTED: Final = _figures(
    rf"\bRequested:? {_N}", rf"you requested (?:about |up to )?{_N} tokens", rf"resulted in {_N} tokens", rf"limit exceeded: {_N} >",
    rf"max_tokens={_N} cannot", rf"prompt is too long: {_N}", rf"current length is {_N}", rf"contains {_N} tokens",
    rf"input token count \({_N}\)", rf"output tokens \({_N}\)", rf"prompt \(length {_N}\)", rf"cannot exceed \d{{1,12}} - received {_N}",
)  # fmt: skip


def figures_of(facts: Facts) -> tuple[float | None, float | None, float | None]:
    """Limit, used and requested, in the text's own unit; the limit perhaps in the headers that the body quotes."""
    text = facts.text
    quota = _quota_of(text)
    limit = quota[2] if quota else None
    if limit is None:
        limit = _figure(_LIMITS, text)
    if limit is None:
        limit = parse_number(facts.headers.get("x-ratelimit-limit", ""))
    return limit, _figure(_USED, text), _figure(_REQUESTED, text)


def _figure(patterns: tuple[re.Pattern[str], ...], text: str) -> float | None:
    """The first number that one of the patterns finds."""
    for pattern in patterns:
        if found := pattern.search(text):
            return parse_number(found[1])
    return None


# ---- how long, and whom -------------------------------------------------------------------------------------------

_WAIT_NOTED: Final = re.compile(r"retry_after_seconds\W{1,6}(\d{1,9}(?:\.\d{1,9})?)")
_WAIT: Final = re.compile(
    rf"""(?:(?:(?:try|retry)(?:ing)?(?:\s+again)?|resets?)\s+(?:in|after)|please wait(?:\s+for)?|retryDelay["']?\s?:\s?["']?)\s?"""
    rf"""(?:about\s|~\s?)?({DURATION})""",
    re.IGNORECASE,
)


def told_in_words(text: str) -> float | None:
    """Seconds to wait, by the text's own figure."""
    found = _WAIT.search(text) or _WAIT_NOTED.search(text)
    return parse_duration(found[1]) if found else None


def wait_of(headers: Mapping[str, str], facts: Facts) -> float | None:
    """Seconds to wait: the text's figure is finer than the header's, which some round up to whole seconds.

    Of an instant in the headers that a body quotes only the answer's own `date` makes a wait.
    """
    said = told_in_words(facts.text)
    if said is None:
        said = retry_after_of(headers)
    if said is None and (reset := read_reset(facts.headers.get("x-ratelimit-reset", ""))):
        said = seconds_until(reset, headers) if reset.form == "instant" else None
    return said


_SCOPED_WORDS: Final[tuple[tuple[str, Scope], ...]] = (
    (r"\borganization\b|\byour team\b|\borg-", "org"),
    (r"per_project|\bproject\b", "project"),
    (r"trial key|api[ _]key|settings/keys", "key"),
    (
        r"\baccount\b|\buserby|your (?:current )?quota|your (?:\w+ )?usage|your rate limit|billing|balance|credits|余额",
        "account",
    ),
    (r"\bmodel\b", "model"),
)
_SCOPES: Final[tuple[tuple[re.Pattern[str], Scope], ...]] = tuple(
    (re.compile(words, re.IGNORECASE), scope) for words, scope in _SCOPED_WORDS
)


def scope_of(text: str) -> Scope:
    """Whom it concerns, by what the text names."""
    for pattern, scope in _SCOPES:
        if pattern.search(text):
            return scope
    return "unknown"
