"""What a provider's error means, in our vocabulary. Pure and table-driven; it never raises, whatever it is given.

A table of rules is read from the top, the provider's own dialect before the general one, and the first match wins.
Statuses alone say little: a bad key is 400, 401 or 403 somewhere, too large a request 413 or 429, money 400, 402, 403,
412 or 429. So codes and words come first. They are those of recorded errors of some twenty providers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rotor_core._outcome import Failure, FailureKind, Scope
from rotor_core._policy.error_text import Facts, Period, figures_of, read, scope_of, wait_of, window_of

LONGEST_MESSAGE: Final = 1_000
"""Characters that a `Failure` keeps for people."""
SHORT_WAIT: Final = 3600.0
"""Seconds. A day's allotment that is back within an hour is a limit to wait for; later, it is used up."""

_HAS_WAIT: Final[frozenset[FailureKind]] = frozenset(
    {"rate_limit", "quota_exhausted", "overloaded", "server_error", "timeout", "unknown"}
)
"""Kinds for which waiting may help. Groq sends `retry-after` with requests that no wait makes smaller."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind` if one of the statuses, one of the codes or the words are there; `only`: and the status is one of these."""

    kind: FailureKind
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    only: frozenset[int | None] | None = None

    def matches(self, facts: Facts) -> bool:
        if self.only is not None and facts.status not in self.only:
            return False
        if facts.status in self.statuses or not self.codes.isdisjoint(facts.codes):
            return True
        return self.words is not None and self.words.search(facts.text) is not None


Dialect = tuple[Rule, ...]


def _rule(
    kind: FailureKind, *statuses: int, codes: str = "", words: str = "", only: tuple[int | None, ...] | None = None
) -> Rule:
    pattern = re.compile(words, re.IGNORECASE) if words else None
    return Rule(kind, frozenset(statuses), frozenset(codes.split()), pattern, None if only is None else frozenset(only))


GENERAL: Final[Dialect] = (
    _rule(
        "content_filter",
        codes="content_filter content_policy_violation responsibleaipolicyviolation",
        words=r"content management policy|content[ _]policy violation|flagged by (?:our|the) (?:safety|moderation)",
    ),
    _rule(
        "context_length",
        codes="context_length_exceeded context_window_exceeded",
        words=r"maximum context length|exceeds? (?:the|this|its) (?:model'?s? )?(?:maximum )?context (?:window|length)"
        r"|context[_ ]length[_ ]exceeded|prompt is too long|cannot be greater than max_model_len|input token count exceeds|reduce the length of the (?:messages|prompt)",
    ),
    _rule(
        "billing",
        402,
        codes="insufficient_balance billing_not_active billing_hard_limit_reached credit_balance_too_low 1113",
        words=r"insufficient (?:account )?(?:balance|credits?|funds)|credit balance|余额不足|spending limit|more credits"
        r"|only afford|past invoices|included credits|billing hard limit|account is not active|monthly limit"
        r"|extra usage is required|payment required|out of credits|arrears|overdue",
    ),
    _rule("quota_exhausted", codes="insufficient_quota quota_exhausted"),
    # Not the request is at fault but what the model made of it: asked again, or elsewhere, it may do better. Groq's
    # words, in a table for all, because its endpoint may go by any name in a configuration.
    _rule("server_error", codes="tool_use_failed json_validate_failed"),
    _rule(
        "too_large",
        413,
        codes="request_too_large payload_too_large string_above_max_length",
        words=r"(?:request|payload|entity|body|file) (?:entity |body |size )?(?:is )?too large",
    ),
    _rule(
        "overloaded",
        503, 529,
        codes="overloaded_error overloaded engine_overloaded service_tier_capacity_exceeded capacity_exceeded 3505 queue_exceeded 1305",
        words=r"overloaded|over capacity|capacity exceeded|experiencing high demand|at the moment\. please wait"
        r"|no capacity|too_many_requests_error: queue|model is (?:currently )?busy",
    ),
    _rule(
        "rate_limit",
        429,
        codes="rate_limit_exceeded rate_limited ratelimitreached rate_limit_reached_error rate_limit_error too_many_requests"
        " resource_exhausted 1300 1302",
        words=r"rate[- _]?limit(?:ed|s)? (?:reached|exceeded|is exceeded)|been rate[- ]limited|too many requests|rate[- ]limited"
        r"|exceeded (?:\w+ )?(?:\w+ )?rate limit|quota exceeded|per minute limit exceeded|exceeded your current quota|exceeded your \w+ (?:token )?usage",
    ),
    _rule(
        "auth",
        401,
        codes="invalid_api_key authentication_error unauthenticated api_key_invalid",
        words=r"(?:invalid|incorrect|missing|wrong|expired|revoked) (?:api|subscription|authentication)[ _-]?(?:key|header|token)?"
        r"|api[ _]key (?:is )?(?:not valid|invalid|expired)|authentication fail|\bunauthorized\b|no auth credentials",
        only=(400, 401, 403, 407, None),
    ),
    _rule(
        "not_found",
        301, 302, 303, 307, 308, 404, 410,
        codes="model_not_found model_decommissioned invalid_model not_found not_found_error unknown_model",
        words=r"model\b.{0,120}?\b(?:does not exist|not found|is not found|decommissioned|was removed|no longer supported"
        r"|is not a valid model|has been deprecated)|(?:not a valid|invalid|unknown) model\b|no endpoints found",
        only=(301, 302, 303, 307, 308, 400, 404, 410, 422, None),
    ),
    _rule(
        "permission",
        403,
        codes="permission_denied permission_error forbidden tier_not_allowed",
        words=r"permission denied|\bforbidden\b",
        only=(400, 403, None),
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


def classify_failure(provider: str, status: int | None, headers: Mapping[str, str], body: str | bytes) -> Failure:
    """What an error means. `status` None: not known, or an error inside an answer of success.

    `body` is the provider's answer as it came, or any text that quotes it. An unknown provider gets the general
    dialect, an unknown error the kind `unknown`. A `retry-after` on a success is no error and is not looked at.
    """
    headers = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    facts = read(status, body)
    rules = (*DIALECTS.get(str(provider).lower(), ()), *GENERAL)
    kind = _kind_of(facts, rules)
    unit, per = window_of(facts, headers)
    limit, used, requested = figures_of(facts)
    success = facts.status is not None and 200 <= facts.status < 300
    wait = None if success else wait_of(headers, facts)
    kind = _settle(kind, facts, per, limit, requested, wait)
    if kind not in _HAS_WAIT:
        wait = None
    if kind in ("context_length", "too_large") and unit is None and limit is not None:
        unit = "tokens" if "token" in facts.text.lower() else None
    return Failure(
        kind, unit, per, limit, used, requested, wait, _scope_of(kind, facts.text), status, facts.text[:LONGEST_MESSAGE]
    )


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
