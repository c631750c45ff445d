"""The scripts, put together from the files beside: what each begins with, what it is made of, what it does.

Redis knows a script by the SHA-1 of its text; sending that instead of the text is what makes one round trip cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files

_BEGIN = ("begin", "arrays", "bucket", "rolling", "calendar", "limits", "reservations", "choose", "queue", "views")
_MORE = {"settle": ("learning",), "register": ("learning",), "reserve": ("exchange",)}


@dataclass(frozen=True, slots=True)
class Script:
    """`sha`: what Redis calls it."""

    name: str
    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script that does one operation."""
    parts = (*_BEGIN, *_MORE.get(name, ()), name)
    folder = files("rotor_core.stores") / "lua"
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in parts)
    return Script(name, text, sha1(text.encode(), usedforsecurity=False).hexdigest())
