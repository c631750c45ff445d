"""The four sizes of model, and a guess at one from a name. Pure."""

from __future__ import annotations

import re
from typing import Final

CATEGORIES: Final = ("tiny", "small", "large", "reasoning")

_REASONING: Final = re.compile(
    r"(^|[/\-_.])(o[134]|r1|qwq|magistral|reasoner|reasoning|thinking|think|deep-?research)([/\-_.:]|$)"
)
_BILLIONS: Final = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)b(?![a-z0-9])")
_TINY: Final = re.compile(r"(^|[/\-_.])(nano|tiny|micro)([/\-_.:]|$)")
_SMALL: Final = re.compile(
    r"(^|[/\-_.])(mini|small|lite|flash-lite|haiku|luna|instant|air|8x7b|command-r7b)([/\-_.:]|$)"
)

# Billions of parameters, those of a mixture counted in all: below 4 runs anywhere, below 40 on one card.
_TINY_BELOW: Final = 4.0
_SMALL_BELOW: Final = 40.0


def detect_category(model: str) -> str:
    """`tiny`, `small`, `large` or `reasoning`, by the words and the parameter count in a model's name; else `large`.

    A guess for models of which nothing is declared: `category:` in the configuration wins over it.
    """
    name = model.lower()
    if _REASONING.search(name):
        return "reasoning"
    if _TINY.search(name):
        return "tiny"
    if size := _BILLIONS.search(name):
        billions = float(size.group(1))
        return "tiny" if billions < _TINY_BELOW else "small" if billions < _SMALL_BELOW else "large"
    return "small" if _SMALL.search(name) else "large"
