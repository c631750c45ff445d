"""What LiteLLM hands to a strategy, as the engine's request: what it is for, how long it is, what its caller may add.

A strategy is asked for every endpoint, and is told of the content only sometimes: chat, completions, embeddings,
responses and messages come with their texts; a transcription, an image or a speech comes with a stand-in. Of those the
tokens are not known, and only the request itself is counted beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeGuard, cast

from rotor_core._prepare import PRIORITIES
from rotor_core._request import Request

Operation = Literal["chat", "embedding", "unknown"]
"""`unknown`: nothing is said of its tokens. `embedding`: it has input and no output."""

BUCKETS: Final = ("metadata", "litellm_metadata")
_OPTIONS: Final = ("task", "priority", "deadline", "caller", "max_wait")
_STAND_IN: Final = [{"role": "user", "content": "prompt"}]
"""What LiteLLM says instead of a recording, an image's description, a text to be spoken."""
_LENGTHS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class Wanted(NamedTuple):
    """One request as the engine sees it. `options`: what its caller says in `metadata.rotor`."""

    request: Request
    operation: Operation
    options: Mapping[str, Any]


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """What `isinstance` says of a Mapping. A dict is known by its type: the question itself is answered in Python, each time."""
    return type(value) is dict or (value is not None and isinstance(value, Mapping))


def wanted(messages: object, given: object, kwargs: Mapping[str, Any]) -> Wanted:
    """Read a request. `messages`, `given` (LiteLLM's `input`), `kwargs`: as a strategy gets them."""
    operation, texts = _texts(messages, given, kwargs)
    params: dict[str, Any] = {}
    for name in _LENGTHS:
        longest: Any = kwargs.get(name)
        if isinstance(longest, int):
            params["max_tokens"] = longest
            break
    several: Any = kwargs.get("n")
    if isinstance(several, int):
        params["n"] = several
    tools: Any = kwargs.get("tools")
    wants: Any = kwargs.get("response_format")
    request = Request(
        texts,
        () if tools is None else _mappings(tools),
        None,
        wants if wants is not None and is_mapping(wants) else None,
        params,
    )
    return Wanted(request, operation, options_of(kwargs))


def _texts(messages: object, given: object, kwargs: Mapping[str, Any]) -> tuple[Operation, Sequence[Mapping[str, Any]]]:
    if messages == _STAND_IN:
        return "unknown", ()
    if type(messages) is list or (isinstance(messages, Sequence) and not isinstance(messages, str | bytes)):
        found = _mappings(cast("object", messages))
        system: object = kwargs.get("system")  # of the messages endpoint, where it stands beside them
        if isinstance(system, str) and system:
            found.insert(0, {"role": "system", "content": system})
        return "chat", found
    if given is None:
        return "unknown", ()
    chats = "max_output_tokens" in kwargs or "instructions" in kwargs or _spoken(given)
    texts: list[Mapping[str, Any]] = [{"role": "user", "content": text} for text in _parts(given)]
    instructions: object = kwargs.get("instructions")
    if isinstance(instructions, str):
        texts.insert(0, {"role": "system", "content": instructions})
    return ("chat" if chats or "litellm_metadata" in kwargs else "embedding"), texts


def _listed(given: Any) -> Sequence[Any]:
    listed: Sequence[Any] = given if isinstance(given, Sequence) else ()  # pyright: ignore[reportUnknownVariableType]  of anything
    return listed


def _mappings(given: object) -> list[Mapping[str, Any]]:
    """Of a list, what can be read as messages or tools."""
    items: Any = given if type(given) is list else _listed(given)  # pyright: ignore[reportUnknownVariableType]  of anything
    return [item for item in items if type(item) is dict or is_mapping(item)]


def _spoken(given: object) -> bool:
    """Whether an `input` is a conversation, as the responses endpoint takes it."""
    return isinstance(given, list) and bool(_mappings(cast("object", given)))


def _parts(given: object) -> list[Any]:
    """The texts of an `input`: one, several, a conversation's, or lists of tokens as long as texts of as many."""
    items: Any = given
    if isinstance(given, str) or not isinstance(given, list):
        return [given] if isinstance(given, str) else []
    if all(isinstance(item, int) for item in items):
        return ["x" * (4 * len(items))]
    return [_text(item) for item in items]


def _text(item: Any) -> Any:
    if isinstance(item, Mapping):
        return cast("Mapping[str, Any]", item).get("content") or ""
    if isinstance(item, list):
        return "x" * (4 * len(_listed(item)))
    return item if isinstance(item, str) else ""


def options_of(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller tells the engine: `metadata={"rotor": {"priority": ..., "deadline": ...}}`. What cannot be meant is left out."""
    for bucket in BUCKETS:
        said: Any = kwargs.get(bucket)
        own: Any = None if said is None or not is_mapping(said) else said.get("rotor")
        if own is not None and is_mapping(own):
            return {name: own[name] for name in _OPTIONS if _fits(name, own.get(name))}
    return {}


def _fits(name: str, value: object) -> bool:
    if name in {"task", "caller"}:
        return isinstance(value, str) and bool(value)
    if name == "priority":
        return (isinstance(value, int) and not isinstance(value, bool)) or (
            isinstance(value, str) and value in PRIORITIES
        )
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return 0 <= float(value) < float("inf")
    except OverflowError:  # an integer beyond all figures
        return False


def is_call(kwargs: Mapping[str, Any] | None) -> bool:
    """Whether a selection is for a call: then the Router has written the model group down. Counting tokens makes none."""
    if kwargs is None:
        return False
    for name in BUCKETS:
        bucket: Any = kwargs.get(name)
        if bucket is not None and is_mapping(bucket) and "model_group" in bucket:
            return True
    return False


Attempt = tuple[object, object, object, object]
"""What tells one attempt of a request from its others, and from those of other requests: whose, how many hops and retries on."""


def attempt_of(kwargs: Mapping[str, Any]) -> Attempt:
    """Which attempt of which request this is."""
    one, other = kwargs.get("metadata"), kwargs.get("litellm_metadata")
    return (
        kwargs.get("litellm_trace_id"),
        kwargs.get("fallback_depth"),
        None if one is None else _retries(one),
        None if other is None else _retries(other),
    )


def _retries(bucket: object) -> object:
    return bucket.get("attempted_retries") if is_mapping(bucket) else None


def is_first(mark: Attempt) -> bool:
    """Whether a request begins here: neither a retry nor a fallback of one."""
    _, hops, retries, litellm_retries = mark
    return not (hops or retries or litellm_retries)
