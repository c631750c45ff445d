"""What went wrong, as the `ProviderError` that an adapter raises: who, what came, what kind it is. No secret gets through.

Whatever a provider sends may hold our secret (an error that quotes the key, a debug page that prints the headers), so
everything of it that goes into an error is scrubbed here first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from rotor_core._errors import ProviderError
from rotor_core._model import Deployment
from rotor_core._outcome import Failure, FailureKind
from rotor_core._policy.classify import classify_plain

EXCERPT: Final = 200
"""Characters of a provider's own words in a message."""
BODY: Final = 8_000
"""Characters of a provider's answer that an error keeps for whoever inspects it."""
HIDDEN: Final = "**********"

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_SHORTEST: Final = 6
"""Shorter "secrets" are what people write for servers without one (`none`, `x`, `EMPTY`), and are words of any text."""
_TELLING: Final = ("auth", "key", "token", "secret", "cookie", "password")


@lru_cache(maxsize=10_000)
def secrets_of(deployment: Deployment) -> tuple[str, ...]:
    """Every text that must not be shown: the credential's secrets, headers that carry one, the proxy's password."""
    provider = deployment.provider
    found = [secret.reveal() for secret in (deployment.credential.secret, *deployment.credential.beside)]
    found += [v for k, v in provider.headers.items() if any(word in k.lower() for word in _TELLING)]
    found += [v.partition(" ")[2] for v in found]  # `Bearer xyz`: the second word alone is the secret
    if provider.proxy and (password := urlsplit(provider.proxy).password):
        found += [password, unquote(password)]
    return tuple(_forms(secret for secret in found if len(secret) >= _SHORTEST))


def _forms(secrets: Iterable[str]) -> Iterable[str]:
    """A secret as it stands, and as JSON, a URL or a Python string would write it; the longest first."""
    forms: set[str] = set()
    for secret in secrets:
        escaped = json.dumps(secret)[1:-1]
        forms |= {
            secret,
            escaped,
            escaped.replace("/", "\\/"),
            quote(secret, errors="replace"),
            quote(secret, safe="", errors="replace"),
        }
    return sorted(forms, key=len, reverse=True)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def _scrubbed(headers: Mapping[str, str], secrets: Iterable[str]) -> Mapping[str, str]:
    """Headers without the secrets."""
    everything = "\n".join(headers.values())  # looked through at once: hardly any answer holds one
    for secret in secrets:
        if secret in everything:
            return {name: scrub(value, secrets) for name, value in headers.items()}
    return headers


def excerpt(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text[: 4 * EXCERPT].split())
    return line if len(line) <= EXCERPT else line[: EXCERPT - 3] + "..."


def refused(deployment: Deployment, status: int | None, headers: Mapping[str, str], content: bytes) -> ProviderError:
    """An answer whose status is an error, or (status None) an error inside an answer of 200. Header names are lower case."""
    secrets, provider = secrets_of(deployment), deployment.provider
    body = content.decode("utf-8", "replace")
    everything = "\n".join((body, *headers.values()))  # looked through at once: hardly any answer holds a secret
    for secret in secrets:
        if secret in everything:
            headers, body = _scrubbed(headers, secrets), scrub(body, secrets)
            break
    failure = classify_plain(provider.name.lower(), status, headers, body, provider.adapter)
    if status is None and failure.kind == "unknown":
        failure = replace(failure, kind="server_error")
    message = failure.message
    for secret in secrets:  # once more, because one that JSON had escaped in its own way is plain only now
        if secret in message:
            message = scrub(message, secrets)
            failure = replace(failure, message=message)
            break
    how = f"HTTP {status}" if status is not None else "an error inside an answer of HTTP 200"
    text = f"{deployment.id} answered {how} ({failure.kind}): {excerpt(message) or 'no explanation'}"
    error = ProviderError(text, failure, headers=headers, body=body[:BODY])
    error.deployment = deployment.id
    return error


def malformed(
    deployment: Deployment,
    problem: str,
    headers: Mapping[str, str] = _NO_HEADERS,
    content: bytes = b"",
    status: int | None = 200,
) -> ProviderError:
    """An answer of success that holds no answer, or a stream without its end."""
    secrets = secrets_of(deployment)
    headers = _scrubbed(headers, secrets)
    body = scrub(content[: 4 * BODY].decode("utf-8", "replace"), secrets)
    said = excerpt(body)
    text = f"answered with {problem}" + (f": {said}" if said else "")
    return _error(deployment, text, Failure("server_error", status=status, message=text), headers, body[:BODY])


def unfit(deployment: Deployment, problem: str) -> ProviderError:
    """A request that this provider's format cannot carry. Nothing was sent."""
    error = unreachable(deployment, "bad_request", f"was not asked: {problem}", sent=False)
    error.failure = replace(error.failure, unfit=True)
    return error


def unreachable(deployment: Deployment, kind: FailureKind, problem: str, *, sent: bool) -> ProviderError:
    """The exchange itself failed. `sent`: whether the request may have arrived."""
    text = excerpt(scrub(problem, secrets_of(deployment)))
    error = _error(deployment, text, Failure(kind, message=text))
    error.request_sent = sent
    return error


def _error(
    deployment: Deployment, text: str, failure: Failure, headers: Mapping[str, str] = _NO_HEADERS, body: str = ""
) -> ProviderError:
    error = ProviderError(f"{deployment.id} {text}", failure, headers=headers, body=body)
    error.deployment = deployment.id
    return error
