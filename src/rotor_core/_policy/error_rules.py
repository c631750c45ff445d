"""What providers' errors say, as tables of rules: the general dialect, and what some providers say differently.

A table is read from the top, the provider's own dialect before the general one, and the first match wins. Statuses alone
say little: a bad key is 400, 401 or 403 somewhere, too large a request 413 or 429, money 400, 402, 403, 412 or 429. So
codes and words come first. They are those of recorded errors of some twenty providers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from rotor_core._outcome import KINDS, FailureKind
from rotor_core._policy.sifted import Sifted


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

    def ready(self, needs: tuple[str, ...] = ("",)) -> Ready:
        """The same, checked, and as an `ErrorTable` wants it. Raises ValueError or TypeError for what could never be meant.

        `needs`: whatever `words` match holds one of these, in lower case.
        """
        self._hold("statuses", self.statuses)
        self._hold("codes", self.codes)
        self._hold("only", self.only or ())
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
        statuses, codes = frozenset(self.statuses), frozenset(code.lower() for code in self.codes)
        only = None if self.only is None else frozenset(self.only)
        return Ready(self.kind, statuses, codes, None if words is None else Sifted(needs, words), only)

    def _hold(self, name: str, given: object) -> None:
        """Of what can be read but once a second reading would find nothing."""
        if not isinstance(given, Collection):
            raise TypeError(f"`{name}` of a rule for {self.kind} is no collection: {given!r}")


def _for_lower_case(words: str | re.Pattern[str]) -> re.Pattern[str]:
    """To be searched for in a text in lower case: four times as fast as to ignore the case, where nothing is a capital."""
    pattern, flags = (words, 0) if isinstance(words, str) else (words.pattern, words.flags)
    return re.compile(pattern, flags | re.IGNORECASE if _CAPITAL.search(pattern) else flags)


_CAPITAL: Final = re.compile(r"(?<!\\)[A-Z]")


class Ready(NamedTuple):
    """A rule that was checked. `words`: to be searched for in a text in lower case."""

    kind: FailureKind
    statuses: frozenset[int]
    codes: frozenset[str]
    words: Sifted | None
    only: frozenset[int | None] | None


Dialect = tuple[Ready, ...]


def _rule(
    kind: FailureKind,
    *statuses: int,
    codes: str = "",
    needs: str = "",
    words: str = "",
    only: tuple[int | None, ...] | None = None,
) -> Ready:
    """`needs`: what `words` cannot do without, with `|` between."""
    return Rule(kind, statuses, codes.split(), words or None, only).ready(tuple(needs.split("|")))


GENERAL: Final[Dialect] = (
    _rule(
        "content_filter",
        codes="content_filter content_policy_violation responsibleaipolicyviolation moderation_blocked datainspectionfailed",
        needs="content|flagged|safety system|violat|considered high risk",
        words=r"content management policy|content[ _]policy violation|content filtering|flagged (?:by|for|as)\b|safety system"
        r"|violat(?:es|ed|ing|ion of) (?:\w+ ){0,3}(?:policy|policies|guidelines)|content exists risk|considered high risk"
        r"|inappropriate content|unsafe or sensitive content",
        only=(None, *range(200, 300), 400, 403, 422, 451),
    ),
    _rule(
        "context_length",
        codes="context_length_exceeded context_window_exceeded exceed_context_size_error",
        needs="context|prompt|input|length|max_|model token|model size",
        words=r"(?:max|maximum|available) (?:context|prompt|model) (?:length|size)|context length of only"
        r"|(?:exceed(?:s|ed|ing)?|longer than|larger than) (?:the |this |its )?(?:model'?s? )?(?:maximum )?context (?:window|length|limit)"
        r"|context[_ ]length[_ ]exceeded|(?:prompt|input) is too long|cannot be greater than max_model_len"
        r"|input token count (?:\(\d{1,12}\) )?exceeds|reduce the length of the (?:messages|prompt)|exceeded model token limit"
        r"|prompt exceeds max|range of input length|max_new_tokens\W{0,2}must be <=|tokens in the prompt cannot exceed",
    ),
    _rule(
        "quota_exhausted",
        needs="exhausted|usage limit reached",
        words=r"\b(?:limit|quota|free tier(?: of (?:the|this) model)?) (?:is |has been )?exhausted|\busage limit reached for",
        only=(None, *range(200, 300), 400, 401, 402, 403, 429),
    ),
    _rule(
        "billing",
        402,
        codes="insufficient_balance billing_not_active billing_hard_limit_reached billing_disabled credit_balance_too_low"
        " arrearage 1113",
        needs="insufficient|balance|credit|余额不足|spend|only afford|past invoices|billing|not active|monthly limit|extra usage"
        "|payment|arrears|overdue|key limit|subscription|good standing|usage limit",
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
        needs="too large|size exceeds",
        words=r"(?:request|payload|entity|body|file) (?:entity |body |size )?(?:is )?too large"
        r"|(?:request|payload|body|file) size exceeds",
    ),
    _rule(
        "overloaded",
        503, 529,
        codes="overloaded_error overloaded engine_overloaded service_tier_capacity_exceeded capacity_exceeded nocapacity 3505"
        " queue_exceeded 1305",
        needs="overloaded|capacity|experiencing high|at the moment|: queue|busy",
        words=r"overloaded|(?:over|at|no) capacity|capacity (?:temporarily )?exceeded|experiencing high (?:demand|traffic)"
        r"|at the moment\. please wait|too_many_requests_error: queue|model (?:is )?(?:currently )?(?:too )?busy",
        only=(None, *range(200, 300), 429, *range(498, 600)),
    ),
    _rule(
        "rate_limit",
        429,
        codes="rate_limit_exceeded rate_limited ratelimitreached rate_limit_reached_error rate_limit_error too_many_requests"
        " resource_exhausted throttling throttlingexception 1300 1302",
        needs="limit|too many requests|quota|usage|throttlingexception",
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
        needs="api|auth|token|subscription|iam|access|bearer|security|credentials|unregistered",
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
        needs="model|deployment|no endpoints",
        words=r"(?:model|deployment)\b.{0,120}?\b(?:does not exist|not exist|not found|is not found|decommissioned|was removed"
        r"|no longer supported|is not a valid model|has been deprecated)|(?:not a valid|invalid|unknown|no such) model\b|no endpoints found",
        only=(301, 302, 303, 307, 308, 400, 404, 410, 422, None),
    ),
    _rule(
        "permission",
        403, 451,
        codes="permission_denied permission_error forbidden tier_not_allowed organization_restricted model_terms_required"
        " unsupported_country_region_territory",
        needs="permission denied|forbidden|location is not|in your|terms acceptance|restricted|disabled|suspended|deactivated",
        words=r"permission denied|\bforbidden\b|location is not supported|not (?:available|supported) in your (?:country|region)"
        r"|requires terms acceptance|(?:organization|account|project) (?:is |has been )(?:restricted|disabled|suspended|deactivated)",
        only=(400, 403, 451, None),
    ),
    _rule(
        "timeout",
        408, 504,
        codes="timeout request_timeout deadline_exceeded",
        needs="timed out|timeout",
        words=r"\btimed out\b|\btimeout\b",
        only=(408, 500, 502, 504, 524, None),
    ),
    _rule(
        "server_error",
        *range(500, 600),
        codes="server_error internal_error internal_server_error api_error internal",
        needs="an error|internal|bad gateway|service unavailable",
        words=r"(?:server|service) (?:had|experienced) an error|internal (?:server )?error|bad gateway|service unavailable",
    ),
    _rule(
        "bad_request",
        *range(400, 500),
        codes="invalid_request_error bad_request invalid_argument",
        needs="bad request",
        words=r"\bbad request\b",
    ),
)  # fmt: skip

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "openai": (_rule("overloaded", codes="slow_down"),),
        "groq": (_rule("overloaded", 498),),
    }
)
"""By provider: what one of them says differently. Its rules come before the general ones."""


def dialect_of(rules: Iterable[object]) -> Dialect:
    """The rules as a dialect, checked. Raises ValueError or TypeError, which say what is wrong with which of them."""
    dialect: list[Ready] = []
    for number, rule in enumerate(rules, 1):
        if not isinstance(rule, Rule):
            raise TypeError(f"rule {number} is a {type(rule).__name__}, not an ErrorRule")
        try:
            dialect.append(rule.ready())
        except (TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"rule {number}: {error}") from error
    return tuple(dialect)


ErrorRule = Rule
"""`Rule` by its public name."""
