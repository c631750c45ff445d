"""OpenAI's own parameters at servers that do not have them: which may be left out, and which make a request unfit. Pure.

A request goes to whichever provider has room, so it may hold what only another one knows, and strict servers refuse it
whole for one such word. A hint (whose request it is, where to keep it, at which speed) is left out: the answer is the
same without it. A wish changes the answer, and losing it in silence would be wrong: the request is unfit for that server,
and goes to one that has it. A wish whose value asks for what is given anyhow (`n: 1`) is none. What OpenAI has no name for
is somebody's own parameter, and passes: its author knows whom it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from rotor_core.adapters.wire import UnfitError

HINTS: Final = frozenset(
    {
        "logprobs", "metadata", "parallel_tool_calls", "prediction", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "safety_identifier", "service_tier", "store", "stream_options", "top_logprobs", "user", "verbosity",
    }
)  # fmt: skip
"""`parallel_tool_calls`: where it is unknown a model decides that itself, and LangChain sends it with every structured answer.
`logprobs`: an `Answer` has no place for them, so nobody is worth more than another for having them. `prediction`: an answer comes sooner by it, and is
the same without."""

_WISHES: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "audio": (None,),
        "logit_bias": (None, {}),
        "modalities": (None, [], ["text"]),
        "moderation": (None,),
        "n": (None, 1),
        "web_search_options": (None,),
    }
)
"""Parameters of OpenAI's client (2.54, 2026-11) beyond those that everybody has, and the values by which nothing is asked for."""


_KNOWN: Final = HINTS | _WISHES.keys()


def fitted(given: Mapping[str, Any], takes: frozenset[str] | None) -> dict[str, Any]:
    """`given` (params, or a body) without what a server does not take. `takes`: hints and wishes that it does; None: all, or not known.

    Raises `UnfitError`, which names the parameter, for a wish that it cannot be told.
    """
    if takes is None:
        return dict(given)
    for name, nothing in _WISHES.items():
        if name in given and name not in takes and (value := given[name]) not in nothing:
            told = f", and {name} is {value}" if isinstance(value, int) else ""
            raise UnfitError(f"it has no parameter `{name}`{told}: leave it out, or ask a provider that has it")
    return {name: value for name, value in given.items() if name in takes or name not in _KNOWN}
