"""What a model can be told, by its name: generations of Gemini and Gemma differ in what they refuse.

A name that says nothing (`gemini-flash-latest`, a tuned model's) is taken for one of the newest generation, as Google's
`-latest` names are. Facts from Google's pages on thinking, thought signatures and structured output as quoted in public
issues (livekit/agents #7080, earendil-works/pi #2812, docker/docker-agent #2155, googleapis/python-genai #867), 2025-05
to 2026-09.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from rotor_core.adapters.wire import UnfitError

_NAME: Final = re.compile(r"(gemini|gemma)-(\d+)(?:\.(\d+))?")
_NEWEST: Final = 9900
"""Versions are compared as 100 times the first number and the second: 3.6 is 306."""

_BUDGETS: Final[Mapping[str, int]] = MappingProxyType(
    {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
)
"""Tokens of thinking for an effort, where thinking is measured in tokens: the figures of Google's OpenAI-compatible endpoint."""
_AS_IT_IS: Final = ("", "auto", "default")
"""What other services call a model's own effort."""
_LEAST_OF_PRO: Final = 128
"""Tokens: Gemini 2.5 Pro always thinks."""


@dataclass(frozen=True, slots=True)
class Generation:
    """`signatures`: calls in a history need one. `system`: takes instructions. `json_with_tools`: both in one request.

    `nested_media`: results of functions may hold images. `thinking`: how much of it is asked for by `thinkingBudget`, by
    `thinkingLevel`, or not at all (None).
    """

    signatures: bool
    system: bool
    json_with_tools: bool
    nested_media: bool
    thinking: str | None
    _minimal: bool = False
    _medium: bool = True
    _pro: bool = False

    def thinking_config(self, effort: Any) -> dict[str, Any]:
        """`thinkingConfig` for OpenAI's `reasoning_effort`; empty where the model knows no such thing.

        An effort that it does not have becomes the next one that it has; whoever asks for thinking is shown it. Raises
        `UnfitError` for what is no effort at all.
        """
        if self.thinking is None or effort in _AS_IT_IS:
            return {}
        none = effort == "none"
        if not none and not (isinstance(effort, str) and effort in _BUDGETS):
            raise UnfitError(f"`reasoning_effort` is {effort!r}: it is one of none, {', '.join(_BUDGETS)}")
        if self.thinking == "budget":
            budget = (_LEAST_OF_PRO if self._pro else 0) if none else _BUDGETS[effort]
            return {"thinkingBudget": budget, "includeThoughts": not none}
        return {"thinkingLevel": self._level(effort), "includeThoughts": not none}

    def _level(self, effort: str) -> str:
        if effort in {"none", "minimal"}:
            return "MINIMAL" if self._minimal else "LOW"
        if effort == "low":
            return "LOW" if self._medium else "MINIMAL" if self._minimal else "LOW"
        return "MEDIUM" if effort == "medium" and self._medium else "HIGH"


@lru_cache(maxsize=1_000)
def generation_of(model: str) -> Generation:
    """What the model of this name can be told."""
    found = _NAME.search(model)
    family = found[1] if found else "gemini"
    version = 100 * int(found[2]) + int(found[3] or 0) if found else _NEWEST
    if family == "gemma":
        fourth = version >= 400
        return Generation(
            signatures=False,
            system=fourth,
            json_with_tools=False,
            nested_media=False,
            thinking="level" if fourth else None,
            _minimal=True,
            _medium=False,
        )
    pro = "pro" in model
    third = version >= 300
    return Generation(
        signatures=third,
        system=version >= 105,
        json_with_tools=third,
        nested_media=third,
        thinking="level" if third else "budget" if version >= 205 else None,
        # Flash up to 3.6 knows `minimal`; 3.7 Flash and the Pro models refuse it.
        _minimal=not pro and version <= 306,
        _medium=not (pro and version == 300),
        _pro=pro,
    )
