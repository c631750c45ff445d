"""How an answer says who gave it: `_hidden_params["rotor"]` on LiteLLM's objects, `x-rotor-*` headers from its proxy."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from rotor_core._acquire import decision
from rotor_litellm.said import said
from rotor_litellm.trail import Held

_BESIDE: Final[WeakKeyDictionary[Any, dict[str, Any]]] = WeakKeyDictionary()


def story_of(held: Held) -> dict[str, Any]:
    """`deployment` (LiteLLM's id), `provider`, `model`, `attempts` (calls made, this one included), `waited_s`, `decision`, `free`."""
    deployment = held.deployment
    return {
        "deployment": deployment.id,
        "provider": deployment.provider.name,
        "model": deployment.model.name,
        "attempts": held.number,
        "waited_s": round(held.progress.waited, 3),
        "free": deployment.free,
        "estimated_tokens": held.work.demand.input_tokens + held.work.demand.output_tokens,
        "decision": decision(held.work, deployment.id, held.number, held.progress.waited),
    }


def headers_for(story: Mapping[str, Any]) -> dict[str, str]:
    """The same as response headers."""
    names = ("deployment", "provider", "model", "attempts", "waited_s", "free", "decision")
    told = {
        name: str(story[name]).lower() if isinstance(story[name], bool) else str(story[name])
        for name in names
        if name in story
    }
    return {f"x-rotor-{name.removesuffix('_s').replace('_', '-')}": _ascii(value) for name, value in told.items()}


def mark(response: object, story: Mapping[str, Any], record: object = None) -> None:
    """Write it on LiteLLM's answer, where that has a place for such things: a mapping, or an object that takes more.

    `record`: LiteLLM's of the call, beside which the story is kept too: the answer to a message is made of another
    endpoint's, and loses what was written on that.
    """
    hidden = said(response, "_hidden_params")
    if isinstance(hidden, dict):
        hidden["rotor"] = dict(story)
    elif hidden is not None:
        with suppress(AttributeError, TypeError, ValueError):
            hidden.rotor = dict(story)
    if record is not None:
        with suppress(TypeError):  # it cannot be followed
            _BESIDE[record] = dict(story)


def told_by(response: object, record: object = None) -> dict[str, Any] | None:
    """What `mark` wrote on an answer, or kept beside this record."""
    hidden = said(response, "_hidden_params")
    story: Any = (
        cast("dict[str, Any]", hidden).get("rotor") if isinstance(hidden, dict) else getattr(hidden, "rotor", None)
    )
    if story is None and record is not None:
        with suppress(TypeError):
            story = _BESIDE.get(record)
    return cast("dict[str, Any]", story) if isinstance(story, dict) else None


def _ascii(text: str) -> str:
    """What a header can hold."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)
