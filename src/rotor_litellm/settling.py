"""How a call ended, in LiteLLM's objects, told to the engine: what was used, what failed, what the headers said of limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final, cast

from rotor_core._attempts import answered, goes_on, record
from rotor_core._commands import Flow
from rotor_core._errors import ProviderError
from rotor_core._outcome import Usage
from rotor_core.adapters.failures import refused, unreachable
from rotor_litellm.host import litellm
from rotor_litellm.request import is_mapping
from rotor_litellm.said import said
from rotor_litellm.trail import Held, Trail

_PREFIX: Final = "llm_provider-"
"""What LiteLLM puts before a provider's own headers; those without it may be LiteLLM's own figures."""
_CHAT: Final = frozenset({"completion", "acompletion"})
_MOST_NAMES: Final = 4096
_LONGEST_NAME: Final = 100


class _Names(dict[str, str | None]):
    """A provider's own names of headers by LiteLLM's; None for one of LiteLLM's own. Kept, for every answer has the same dozens.

    Bounded: a server that makes up names cannot fill the memory.
    """

    def __missing__(self, title: str) -> str | None:
        name = title[len(_PREFIX) :].lower() if str(title).startswith(_PREFIX) else None
        if len(self) < _MOST_NAMES and len(str(title)) <= _LONGEST_NAME:
            self[title] = name
        return name


_NAMES: Final = _Names()


def succeeded(held: Held, response: object) -> Flow[None]:
    """The call was answered, altogether. `response`: LiteLLM's answer, a stream's assembled one included."""
    yield from answered(
        held.work, held.progress, held.reservation, held.started, usage_of(response), headers_of(response),
        first_chunk=held.first_chunk, number=held.number,
    )  # fmt: skip


def failed(held: Held, trail: Trail | None, error: BaseException, endpoint: object = None) -> Flow[None]:
    """The call failed. What follows is LiteLLM's affair; where the next attempt may not go, the trail remembers.

    `endpoint`: LiteLLM's `call_type`.
    """
    story = error_of(held, error)
    lacks = story.failure.status == 404 and _lacks(story.failure.message, endpoint)
    if lacks:
        story.failure, story.request_sent = replace(story.failure, kind="bad_request", unfit=True), False
    yield from record(held.work, held.progress, held.reservation, held.started, story, held.number)
    if trail is None:
        return
    outside = held.progress.exclude
    held.progress.exclude = set[str]()
    if lacks:
        trail.out.add(held.id)  # another provider of the same model may have it
    else:
        yield from goes_on(held.work, held.progress, held.reservation, story)
    trail.out |= held.progress.exclude
    held.progress.exclude = outside | trail.out


def _lacks(text: str, endpoint: object) -> bool:
    """Whether it is an endpoint beside chat that a provider does not have. Its model goes on answering at the others.

    Many have chat alone, and LiteLLM asks them for responses and messages at paths that they do not know.
    """
    name = str(getattr(endpoint, "value", endpoint) or "completion")
    return name not in _CHAT and "model" not in text.lower()


def usage_of(response: object) -> Usage | None:
    """Tokens as the provider counted them, under any endpoint's names; None where it did not say, or said none."""
    usage = said(response, "usage")
    if usage is None:
        return None
    read = said(usage, "prompt_tokens") or said(usage, "input_tokens")
    written = said(usage, "completion_tokens") or said(usage, "output_tokens")
    if not isinstance(read, int) or not (read or written):
        return None
    details = said(usage, "prompt_tokens_details") or said(usage, "input_tokens_details")
    cached = None if details is None else said(details, "cached_tokens")
    return Usage(read, written if isinstance(written, int) else 0, cached if isinstance(cached, int) else 0)


def headers_of(response: object) -> dict[str, str]:
    """What the provider sent along, names in lower case."""
    hidden = said(response, "_hidden_params")
    given = None if hidden is None else said(hidden, "additional_headers")
    if given is None or not is_mapping(given):
        return {}
    told: dict[str, str] = {}
    for title, value in given.items():
        name = _NAMES[title]
        if name is not None:
            told[name] = value if type(value) is str else str(value)
    return told


def error_of(held: Held, error: BaseException) -> ProviderError:
    """A failed call as the kernel's error: classified by what the provider said, without secrets."""
    deployment = held.deployment
    text = str(getattr(error, "message", None) or error)
    if isinstance(error, (litellm.Timeout, TimeoutError)):
        return unreachable(deployment, "timeout", text, sent=held.sent)
    headers = _error_headers(error)
    status: Any = getattr(error, "status_code", None)
    if isinstance(error, litellm.APIConnectionError) and not headers:
        return unreachable(deployment, "connection", text, sent=held.sent)
    if isinstance(error, litellm.ContextWindowExceededError) and not held.sent:
        return unreachable(deployment, "context_length", text, sent=False)
    if not isinstance(status, int) or status < 300:
        return unreachable(
            deployment, "connection" if held.sent else "unknown", f"{type(error).__name__}: {text}", sent=held.sent
        )
    made = refused(deployment, status, headers, _body(error, text))
    made.request_sent = held.sent
    return made


def _error_headers(error: BaseException) -> dict[str, str]:
    for given in (
        getattr(error, "litellm_response_headers", None),
        getattr(getattr(error, "response", None), "headers", None),
    ):
        found: Any = given
        if found:
            return {str(k).lower(): str(v) for k, v in dict(found).items()}
    return {}


def _body(error: BaseException, text: str) -> bytes:
    body: Any = getattr(error, "body", None)
    if isinstance(body, dict) and body:
        given = cast("dict[str, Any]", body)
        whole = given if "error" in given else {"error": given}
        return json.dumps(whole, default=str).encode()
    return text.encode("utf-8", "replace")
