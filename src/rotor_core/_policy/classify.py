"""What a provider's error means, in our vocabulary. Pure and table-driven; it never raises, whatever it is given.

A table of rules is read from the top, the provider's own dialect before the general one, and the first match wins.
Statuses alone say little: a bad key is 400, 401 or 403 somewhere, too large a request 413 or 429, money 400, 402, 403,
412 or 429. So codes and words come first. They are those of recorded errors of some twenty providers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from rotor_core._outcome import KINDS, Failure, FailureKind, Scope
from rotor_core._policy.error_text import (
    LONGEST_BODY,
    Facts,
    Period,
    figures_of,
    read,
    scope_of,
    told_in_words,
    wait_of,
    window_of,
)

LONGEST_MESSAGE: Final = 1_000
"""Characters that a `Failure` keeps for people."""
SHORT_WAIT: Final = 3600.0
"""Seconds. A day's allotment that is back within an hour is a limit to wait for; later, it is used up."""

_HAS_WAIT: Final[frozenset[FailureKind]] = frozenset(
    {"rate_limit", "quota_exhausted", "overloaded", "server_error", "timeout", "unknown"}
)
"""Kinds for which waiting may help. Of others only the text's own figure is kept: Groq sends the header `retry-after` with
requests that no wait makes smaller."""


_NO_FIGURES: Final[frozenset[FailureKind]] = frozenset(
    {"auth", "permission", "not_found", "content_filter", "server_error", "timeout"}
)
"""Kinds that no limit has to do with: no text is searched for one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a dialect: `kind`, if one of the statuses, one of the codes or the words are there.

    `codes`: an error's code, type, status or reason, in any case. `words`: a regular expression for its messages,
    matched without regard to case. `only`: and the status is one of these (None: not known).
    """

    kind: FailureKind
    statuses: Collection[int] = ()
    codes: Collection[str] = ()
    words: str | re.Pattern[str] | None = None
    only: Collection[int | None] | None = None

    def ready(self) -> Rule:
        """The same, checked, and as `matches` wants it. Raises ValueError or TypeError for what could never be meant."""
        if self.kind not in KINDS:
            raise ValueError(f"there is no kind of failure {self.kind!r}; there are {', '.join(KINDS)}")
        if isinstance(self.codes, str) or not (self.statuses or self.codes or self.words):
            raise ValueError(f"a rule for {self.kind} needs statuses, codes (a collection of them) or words to match")
        try:
            words = _for_lower_case(self.words) if self.words is not None else None
        except re.error as error:
            raise ValueError(f"the words of a rule for {self.kind} are no regular expression: {error}") from error
        if words is not None and words.search(""):
            raise ValueError(f"the words of a rule for {self.kind} match any text: {words.pattern!r}")
        only = None if self.only is None else frozenset(self.only)
        return Rule(self.kind, frozenset(self.statuses), frozenset(c.lower() for c in self.codes), words, only)

    def matches(self, facts: Facts) -> bool:
        if self.only is not None and facts.status not in self.only:
            return False
        if facts.status in self.statuses or not facts.codes.isdisjoint(self.codes):
            return True
        return isinstance(self.words, re.Pattern) and self.words.search(facts.lower) is not None


def _for_lower_case(words: str | re.Pattern[str]) -> re.Pattern[str]:
    """To be searched for in a text in lower case: four times as fast as to ignore the case, where nothing is a capital."""
    pattern, flags = (words, 0) if isinstance(words, str) else (words.pattern, words.flags)
    return re.compile(pattern, flags | re.IGNORECASE if _CAPITAL.search(pattern) else flags)


_CAPITAL: Final = re.compile(r"(?<!\\)[A-Z]")

Dialect = tuple[Rule, ...]


def _rule(
    kind: FailureKind, *statuses: int, codes: str = "", words: str = "", only: tuple[int | None, ...] | None = None
) -> Rule:
    return Rule(kind, statuses, codes.split(), words or None, only).ready()


GENERAL: Final[Dialect] = (
    _rule(
        "content_filter",
        codes="content_filter content_policy_violation responsibleaipolicyviolation moderation_blocked datainspectionfailed",
        words=r"content management policy|content[ _]policy violation|content filtering|flagged (?:by|for|as)\b|safety system"
        r"|violat(?:es|ed|ing|ion of) (?:\w+ ){0,3}(?:policy|policies|guidelines)|content exists risk|considered high risk"
        r"|inappropriate content|unsafe or sensitive content",
        only=(None, *range(200, 300), 400, 403, 422, 451),
    ),
    _rule(
        "context_length",
        codes="context_length_exceeded context_window_exceeded exceed_context_size_error",
        words=r"(?:max|maximum|available) (?:context|prompt|model) (?:length|size)|context length of only"
        r"|(?:exceed(?:s|ed|ing)?|longer than|larger than) (?:the |this |its )?(?:model'?s? )?(?:maximum )?context (?:window|length|limit)"
        r"|context[_ ]length[_ ]exceeded|(?:prompt|input) is too long|cannot be greater than max_model_len"
        r"|input token count (?:\(\d{1,12}\) )?exceeds|reduce the length of the (?:messages|prompt)|exceeded model token limit"
        r"|prompt exceeds max|range of input length|max_new_tokens\W{0,2}must be <=|tokens in the prompt cannot exceed",
    ),
    _rule(
        "quota_exhausted",
        words=r"\b(?:limit|quota|free tier(?: of (?:the|this) model)?) (?:is |has been )?exhausted|\busage limit reached for",
        only=(None, *range(200, 300), 400, 401, 402, 403, 429),
    ),
    _rule(
        "billing",
        402,
        codes="insufficient_balance billing_not_active billing_hard_limit_reached billing_disabled credit_balance_too_low"
        " arrearage 1113",
        words=r"insufficient (?:\w+ ){0,3}(?:balance|credits?|funds)|credit balance|余额不足|spend(?:ing)? (?:limit|cap)|more credits"
        r"|only afford|past invoices|included credits|billing hard limit|account is not active|monthly limit"
        r"|extra usage is required|payment required|out of credits|arrears|overdue|balance (?:is )?too low|credit limit exceeded"
        r"|(?:doesn'?t|don'?t|do not|does not) have any credits|credits (?:have |are )?(?:expired|depleted)|key limit exceeded|inactive subscription"
        r"|requires billing to be enabled|update your payment method|in good standing|your specified (?:\w+ )?usage limit",
    ),
    _rule("quota_exhausted", codes="insufficient_quota quota_exhausted exceeded_current_quota_error"),
    # Not the request is at fault but what the model made of it: asked again, or elsewhere, it may do better. Groq's
    # words, in a table for all, because its endpoint may go by any name in a configuration.
    _rule("server_error", codes="tool_use_failed json_validate_failed"),
    _rule(
        "too_large",
        413,
        codes="request_too_large payload_too_large string_above_max_length",
        words=r"(?:request|payload|entity|body|file) (?:entity |body |size )?(?:is )?too large"
        r"|(?:request|payload|body|file) size exceeds",
    ),
    _rule(
        "overloaded",
        503, 529,
        codes="overloaded_error overloaded engine_overloaded service_tier_capacity_exceeded capacity_exceeded nocapacity 3505"
        " queue_exceeded 1305",
        words=r"overloaded|(?:over|at|no) capacity|capacity (?:temporarily )?exceeded|experiencing high (?:demand|traffic)"
        r"|at the moment\. please wait|too_many_requests_error: queue|model (?:is )?(?:currently )?(?:too )?busy",
        only=(None, *range(200, 300), 429, *range(498, 600)),
    ),
    _rule(
        "rate_limit",
        429,
        codes="rate_limit_exceeded rate_limited ratelimitreached rate_limit_reached_error rate_limit_error too_many_requests"
        " resource_exhausted throttling throttlingexception 1300 1302",
        words=r"rate[- _]?limit(?:ed|s)? (?:reached|exceeded|is exceeded)|been rate[- ]limited|too many requests|rate[- ]limited"
        r"|exceeded (?:\w+ )?(?:\w+ )?rate limit|quota exceeded|per minute limit exceeded|exceeded your current quota"
        r"|exceeded your \w+ (?:token )?usage|\b(?:qps|rpm|tpm|requests?|calls?) limit (?:has been )?(?:reached|exceeded)"
        r"|throttlingexception",
    ),
    _rule(
        "auth",
        401,
        codes="invalid_api_key wrong_api_key invalidapikey authentication_error unauthenticated api_key_invalid"
        " invalid_authentication_error",
        words=r"(?:invalid|incorrect|missing|wrong|expired|revoked) (?:x-api|api|subscription|authentication|iam|access|bearer|security)"
        r"[ _-]?(?:key|header|token)?|api[ _]key (?:\w+ ){0,4}(?:not valid|invalid|expired|leaked)|authentication (?:fail|error)"
        r"|\bunauthorized\b|no auth credentials|authori[sz]ation (?:failed|required)|bad credentials|unregistered callers"
        r"|(?:access|security|bearer|the) token (?:\w+ ){0,6}(?:invalid|expired|malformed)",
        only=(None, *range(200, 300), 400, 401, 403, 407),
    ),
    _rule(
        "not_found",
        301, 302, 303, 307, 308, 404, 410,
        codes="model_not_found model_decommissioned model_not_supported model_not_available invalid_model not_found not_found_error"
        " unknown_model deploymentnotfound",
        words=r"(?:model|deployment)\b.{0,120}?\b(?:does not exist|not exist|not found|is not found|decommissioned|was removed"
        r"|no longer supported|is not a valid model|has been deprecated)|(?:not a valid|invalid|unknown|no such) model\b|no endpoints found",
        only=(301, 302, 303, 307, 308, 400, 404, 410, 422, None),
    ),
    _rule(
        "permission",
        403, 451,
        codes="permission_denied permission_error forbidden tier_not_allowed organization_restricted model_terms_required"
        " unsupported_country_region_territory",
        words=r"permission denied|\bforbidden\b|location is not supported|not (?:available|supported) in your (?:country|region)"
        r"|requires terms acceptance|(?:organization|account|project) (?:is |has been )(?:restricted|disabled|suspended|deactivated)",
        only=(400, 403, 451, None),
    ),
    _rule("timeout", 408, 504, codes="timeout request_timeout deadline_exceeded", words=r"\btimed out\b|\btimeout\b", only=(408, 500, 502, 504, 524, None)),
    _rule(
        "server_error",
        *range(500, 600),
        codes="server_error internal_error internal_server_error api_error internal",
        words=r"(?:server|service) (?:had|experienced) an error|internal (?:server )?error|bad gateway|service unavailable",
    ),
    _rule("bad_request", *range(400, 500), codes="invalid_request_error bad_request invalid_argument", words=r"\bbad request\b"),
)  # fmt: skip

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "openai": (_rule("overloaded", codes="slow_down"),),
        "groq": (_rule("overloaded", 498),),
    }
)
"""By provider: what one of them says differently. Its rules come before the general ones."""

_added: Mapping[str, Dialect] = MappingProxyType({})


def add_dialects(dialects: Mapping[str, Dialect], *, instead_of: Collection[str] = ()) -> None:
    """Let `classify_failure` know the dialects of further providers, by their names; one that it has is replaced.

    They come before our own. `instead_of`: names whose added dialects are forgotten. Called when plugins are read: what
    follows classifies as if these had always been there, and no others.
    """
    global _added  # noqa: PLW0603  one mapping replaces another, so a thread that reads it sees all or nothing
    gone = {name.lower() for name in instead_of}
    kept = {name: rules for name, rules in _added.items() if name not in gone}
    added = {**kept, **{name.lower(): rules for name, rules in dialects.items()}}
    if added != _added:
        _added = MappingProxyType(added)
        _remembered.cache_clear()


def dialect_of(rules: Iterable[object]) -> Dialect:
    """The rules as a dialect, checked. Raises ValueError or TypeError, which say what is wrong with which of them."""
    dialect: list[Rule] = []
    for number, rule in enumerate(rules, 1):
        if not isinstance(rule, Rule):
            raise TypeError(f"rule {number} is a {type(rule).__name__}, not an ErrorRule")
        try:
            dialect.append(rule.ready())
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"rule {number}: {error}") from error
    return tuple(dialect)


def classify_failure(provider: str, status: int | None, headers: Mapping[str, str], body: str | bytes) -> Failure:
    """What an error means. `status` None: not known, or an error inside an answer of success.

    `body` is the provider's answer as it came, or any text that quotes it. An unknown provider gets the general
    dialect, an unknown error the kind `unknown`. A `retry-after` on a success is no error and is not looked at.
    """
    headers = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    body = (body or "")[:LONGEST_BODY]
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    try:
        return classify_plain(str(provider).lower(), status, headers, text)
    except TypeError:  # a status that is no figure at all, and cannot be remembered by
        return classify_plain(str(provider).lower(), None, headers, text)


def classify_plain(
    name: str, status: int | None, headers: Mapping[str, str], text: str, adapter: str | None = None
) -> Failure:
    """The same for who has it as it is wanted: the names of provider and headers in lower case, the body as a text.

    `adapter`: who tells how a provider says things where nothing is known of its name: in a configuration that may be any.
    """
    if adapter is not None and name not in _added and name not in DIALECTS:
        name = adapter.lower()
    if len(text) > _SHORT_BODY:
        text = text[:LONGEST_BODY]
        return _classified(name, status, _told(headers, text), text)
    told = () if "eset" not in text and _ANY_READ.isdisjoint(headers) else _told(headers, text)
    return _remembered(name, status, told, text)


def _told(headers: Mapping[str, str], text: str) -> tuple[tuple[str, str], ...]:
    """The headers that are looked at."""
    dated = "eset" in text or not headers.get("retry-after", "0").isdecimal()
    return tuple((name, headers[name]) for name in ((*_READ, "date") if dated else _READ) if name in headers)


_READ: Final = ("retry-after", "retry-after-ms", "x-ratelimit-type")
"""Headers that are looked at; and `date`, where something is dated."""
_ANY_READ: Final = frozenset(_READ)
_SHORT_BODY: Final = 4_000
"""Characters of a body that is worth remembering: in an outage a provider says the same thing a thousand times."""


def _classified(name: str, status: int | None, told: tuple[tuple[str, str], ...], text: str) -> Failure:
    headers, facts = dict(told), read(status, text)
    rules = (*_added.get(name, ()), *DIALECTS.get(name, ()), *GENERAL)
    kind = _kind_of(facts, rules)
    unit = per = limit = used = requested = None
    if kind not in _NO_FIGURES:
        unit, per = window_of(facts, headers)
        limit, used, requested = figures_of(facts)
    success = facts.status is not None and 200 <= facts.status < 300
    wait = None if success else wait_of(headers, facts)
    kind = _settle(kind, facts, per, limit, requested, wait)
    if kind not in _HAS_WAIT:
        wait = told_in_words(facts.text)
    if kind in ("context_length", "too_large") and unit is None and limit is not None:
        unit = "tokens" if "token" in facts.text.lower() else None
    return Failure(
        kind, unit, per, limit, used, requested, wait, _scope_of(kind, facts.text), status, facts.text[:LONGEST_MESSAGE]
    )


_remembered: Final = lru_cache(maxsize=256)(_classified)


def _kind_of(facts: Facts, rules: Dialect) -> FailureKind:
    for rule in rules:
        if rule.matches(facts):
            return rule.kind
    return "unknown"


def _settle(
    kind: FailureKind,
    facts: Facts,
    per: Period | None,
    limit: float | None,
    requested: float | None,
    wait: float | None,
) -> FailureKind:
    """What the table cannot say: which refusals for rate no short wait ends."""
    if kind != "rate_limit":
        return kind
    if limit is not None and requested is not None and requested > limit > 0:
        return "too_large"
    if limit == 0 or _DAYS_QUOTA.search(facts.text):
        return "quota_exhausted"
    if per in ("day", "month") and (wait is None or wait > SHORT_WAIT):
        return "quota_exhausted"
    if wait is None and per is None and _USED_UP.search(facts.text):
        return "quota_exhausted"
    return kind


_DAYS_QUOTA: Final = re.compile(r"\bGenerate[A-Z]\w{0,60}PerDay")
"""Google's own name for it. The wait that stands beside it is the minute's."""
_USED_UP: Final = re.compile(
    r"exceeded your current quota|allocated quota exceeded|used up your|daily free allocation", re.IGNORECASE
)


_SCOPE_OF_KIND: Final[Mapping[FailureKind, Scope]] = MappingProxyType(
    {"auth": "key", "not_found": "model", "context_length": "model"}
)
_NOBODY: Final[frozenset[FailureKind]] = frozenset({"bad_request", "server_error", "timeout", "content_filter"})


def _scope_of(kind: FailureKind, text: str) -> Scope:
    if kind in _NOBODY:
        return "unknown"
    return _SCOPE_OF_KIND.get(kind) or scope_of(text)


ErrorRule = Rule
"""`Rule` by its public name."""
