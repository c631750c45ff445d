"""What may stand in a cassette, and what is wrong with one. Pure: dictionaries and text in, dictionaries and sentences out.

A header is kept only if it is on the list: what a provider says of limits, time and content is evidence, and everything
else (keys, cookies, the organization behind a key, addresses of machines) is nobody's business. Bodies are kept, with
what looks like a secret replaced. The audit judges a file as it lies there, so it finds what was put in by hand too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

REDACTED: Final = "REDACTED"

KEPT_OF_REQUESTS: Final = ("content-type", "accept", "anthropic-version")
KEPT_OF_ANSWERS: Final = (
    "x-ratelimit*", "x-rate-limit*", "ratelimit*", "anthropic-ratelimit-*", "retry-after*", "x-should-retry",
    "x-trial-*", "x-endpoint-*", "x-inference-time*", "x-total-time*", "x-api-warning", "num_tokens",
    "num_chars", "date", "content-type", "openai-processing-ms", "openai-version", "openai-model", "server-timing",
)  # fmt: skip
"""Names or beginnings, in lower case. Not `content-encoding` and `content-length`: bodies are kept unpacked."""
_NEVER: Final = ("*organization*", "*cookie*", "*auth*", "*api-key*")
"""What no other entry lets in, whatever a provider begins its name with."""
_KEYS_IN_QUERIES: Final = frozenset(
    {"key", "api_key", "apikey", "api-key", "access_token", "token", "sig", "signature"}
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that must not be in a cassette. `pattern`'s group `secret`, or all of it, is what is replaced."""

    what: str
    pattern: re.Pattern[str]
    instead: str = REDACTED


_BEGINNINGS: Final = "sk|gsk|xai|hf|nvapi|csk|fw|tgp|pplx|r8|ghp|gho|glpat|key|api"
_SUSPECTS: Final = (
    Suspect("an API key", re.compile(rf"(?<![A-Za-z0-9])(?:{_BEGINNINGS})[-_][A-Za-z0-9_-]*(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{{16,}}")),
    Suspect("a Google API key", re.compile(r"(?<![A-Za-z0-9])(?:AIza[A-Za-z0-9_-]{30,}|AQ\.[A-Za-z0-9_-]{20,})")),
    Suspect("an access key of AWS", re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])")),
    Suspect("a token that is signed", re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")),
    Suspect("a bearer token", re.compile(r"[Bb]earer\s+(?!REDACTED)(?P<secret>[A-Za-z0-9._~+/=-]{8,})")),
    Suspect(
        "a key in a query",
        re.compile(r"[?&](?:key|api[_-]?key|access_token|token)=(?!REDACTED)(?P<secret>[^&\s\"'\\]+)", re.IGNORECASE),
    ),
    Suspect("the id of an organization", re.compile(r"(?<![A-Za-z0-9])org[-_](?!redacted)[A-Za-z0-9]{8,}"), "org_redacted"),
    Suspect("the id of a project", re.compile(r"(?<![A-Za-z0-9])proj[-_](?!redacted)[A-Za-z0-9]{8,}"), "proj_redacted"),
    Suspect("the number of a project", re.compile(r"\bprojects?[/: _]{1,3}(?:number[: ]{1,2})?(?P<secret>\d{6,})"), "0"),
    Suspect(
        "the name of an organization",
        re.compile(r"\"(?:organization|organization_id|org_id|account_id|workspace_id|project_id|consumer)\"\s*:\s*\"(?!REDACTED\")(?P<secret>[^\"]+)\""),
    ),
    Suspect("an e-mail address", re.compile(r"[A-Za-z0-9._%+-]+@(?!example\.)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"), "someone@example.com"),
)  # fmt: skip
_LINK: Final = re.compile(r"(?:https?|wss?)://(?:[^/@\s\"'\\]*@)?(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)")
_OUR_OWN: Final = ("localhost", "127.0.0.1", "[::1]", "example.com", "example.org")


def kept(headers: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, list[str]]:
    """The headers whose names are on the list, in lower case and in order, with secrets in their values replaced."""
    found: dict[str, list[str]] = {}
    for name, values in headers.items():
        lower = name.lower()
        if _on(lower, names) and not _on(lower, _NEVER):
            found.setdefault(lower, []).extend(scrubbed(value) for value in values)
    return dict(sorted(found.items()))


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without the `secrets` that are known and without all that looks like one."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    for suspect in _SUSPECTS:
        text = suspect.pattern.sub(partial(_replaced, suspect), text)
    return text


def scrubbed_url(url: str, secrets: Iterable[str] = ()) -> str:
    """A URL without user, password and keys in its query."""
    parts = urlsplit(url)
    query = [
        (name, REDACTED if name.lower() in _KEYS_IN_QUERIES else value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(query))
    return scrubbed(urlunsplit(bare), secrets)


def problems(document: object, hosts: Sequence[str] = ()) -> list[str]:
    """All that is wrong with a cassette that was read from its file: sentences, none when it is right.

    `hosts`: domains that its texts may speak of beside the provider's own and those of nobody (`example.com`).
    """
    if not isinstance(document, Mapping):
        return ["is no cassette: its top is not a mapping"]
    cassette = cast("Mapping[str, Any]", document)
    found = list(_provenance(cassette.get("recorded")))
    interactions: object = cassette.get("interactions")
    if not isinstance(interactions, list) or not interactions:
        return [*found, "holds no exchanges"]
    try:
        allowed = [*_OUR_OWN, *hosts]
        for number, exchange in enumerate(cast("list[dict[str, Any]]", interactions), 1):
            own = _domain(urlsplit(str(exchange["request"]["uri"])).hostname or "")
            found += [f"exchange {number}: {problem}" for problem in _wrong(exchange, [*allowed, own])]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        found.append(f"is not in the format of VCR: {type(error).__name__}: {error}")
    # Beside the exchanges too: in what their recorder noted, or in what somebody added by hand.
    rest = {name: value for name, value in cassette.items() if name != "interactions"}
    found += [f"outside of its exchanges: {problem}" for problem in _suspicious("\n".join(_strings(rest)))]
    return list(dict.fromkeys(found))


def _provenance(recorded: object) -> Iterator[str]:
    known: Mapping[str, Any] = cast("Mapping[str, Any]", recorded) if isinstance(recorded, Mapping) else {}
    for name, meaning in (("against", "what answered"), ("date", "the day"), ("by", "the tool")):
        if not known.get(name):
            yield f"does not say {meaning} (`recorded: {{{name}: ...}}`): record it with Rotor's recorder"


def _wrong(exchange: Mapping[str, Any], hosts: Sequence[str]) -> Iterator[str]:
    for side, names in (("request", KEPT_OF_REQUESTS), ("response", KEPT_OF_ANSWERS)):
        for name in exchange[side]["headers"]:
            if not _on(name.lower(), names) or _on(name.lower(), _NEVER):
                yield f"the {side} has a header that is not on the list of those that are kept: {name}"
    texts = (exchange["request"]["uri"], exchange["request"]["body"], exchange["response"]["body"]["string"])
    texts += tuple(value for side in ("request", "response") for v in exchange[side]["headers"].values() for value in v)
    for text in map(_text, texts):
        yield from _suspicious(text)
        for host in dict.fromkeys(match["host"].lower().rstrip(".") for match in _LINK.finditer(text)):
            if not any(host == domain or host.endswith(f".{domain}") for domain in hosts):
                yield f"speaks of the host {host}, which is not its provider's"


def _suspicious(text: str) -> Iterator[str]:
    for suspect in _SUSPECTS:
        for match in suspect.pattern.finditer(text):
            if match.group() != suspect.instead and _secret(match) != suspect.instead:
                yield f"holds {suspect.what} ({_hint(_secret(match))})"


def _secret(match: re.Match[str]) -> str:
    return match["secret"] if "secret" in match.re.groupindex else match.group()


def _replaced(suspect: Suspect, match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex:
        return suspect.instead
    start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
    whole = match.group()
    return whole[:start] + suspect.instead + whole[end:]


def _hint(secret: str) -> str:
    """Enough to find it in the file, not enough to use it: a report of the audit is read by more people than the file."""
    return f"{secret[:4]}... of {len(secret)} characters"


def _on(name: str, names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in names)


def _strings(value: object) -> Iterator[str]:
    """All that is said anywhere in it, a name and its value on one line."""
    if isinstance(value, Mapping):
        for name, inner in cast("Mapping[object, object]", value).items():
            yield f'"{name}": "{inner}"' if isinstance(inner, str) else f"{name}"
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("Sequence[object]", value):
            yield from _strings(inner)
    else:
        yield _text(value)


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _domain(host: str) -> str:
    """The provider's domain: all but what stands before its last two labels."""
    return ".".join(host.lower().rsplit(".", 2)[-2:])
