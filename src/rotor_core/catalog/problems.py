"""How a fault in a configuration is told: where it stands, what was found there (never a secret), what was expected.

A place is a path of keys and indices; the file's name and line come from the document it was read from. Everything
that is shown goes through `shown`, which hides what is a secret by its place and what looks like one by its form.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from rotor_core._errors import ConfigError

Place = tuple[str | int, ...]

MASK: Final = "**********"
_LONGEST_SHOWN: Final = 80

_KEY_PREFIX: Final = re.compile(r"(sk-|gsk_|xai-|hf_|nvapi-|AIza|csk-|tgp_|pplx-|fw_|Bearer )\S{8,}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LONG_RUN: Final = re.compile(r"[A-Za-z0-9]{20,}")
_USERINFO: Final = re.compile(r"(?<=://)\S*@")
_QUERY: Final = re.compile(r"(?<=[?#])\S+")


def dotted(place: Place) -> str:
    """`providers.groq.keys[0].env`: the key path as people write it."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (MASK if looks_secret(part) else part)
    return text


def looks_secret(text: str) -> bool:
    """Whether `text` has the form of an API key: a vendor's prefix, a UUID, or a long run of letters and digits."""
    if _KEY_PREFIX.match(text) or _UUID.fullmatch(text):
        return True
    return any(any(c.isdigit() for c in run) and any(c.isalpha() for c in run) for run in _LONG_RUN.findall(text))


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    if not isinstance(word, str):
        return None
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *head, last = list(words) or ["nothing"]
    return f"{', '.join(head)} or {last}" if head else last


def shown(place: Place, value: object) -> object:
    """`value` as an error may show it: a secret masked, a container not at all (None), a long text cut."""
    if value is None or isinstance(value, dict | list):
        return None
    if _is_secret_place(place):
        return MASK
    if not isinstance(value, str):
        return value
    if looks_secret(value):
        return MASK
    text = _USERINFO.sub(f"{MASK}@", value)
    if "://" in text:
        text = _QUERY.sub(MASK, text)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def _is_secret_place(place: Place) -> bool:
    if "headers" in place or place[-1:] == ("proxy",):
        return True
    return "keys" in place and place[-1] not in {"env", "quota", "plan", "keys"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `rotor config check` says. `message` is one line with its place in it, ready to show."""

    level: Literal["error", "warning"]
    message: str
    file: str | None = None
    line: int | None = None
    key: str | None = None

    @classmethod
    def of(cls, error: ConfigError, level: Literal["error", "warning"] = "error") -> Finding:
        return cls(level, str(error), error.file, error.line, error.key)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the keys of one document stand. `file` None: it was a mapping. `lines`: the line of each place, from 1."""

    file: str | None = None
    lines: Mapping[Place, int] = field(default_factory=dict[Place, int], repr=False)

    def line(self, place: Place) -> int | None:
        """The line of `place`, or of the nearest place around it that has one."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)

    def error(
        self,
        place: Place,
        problem: str,
        *,
        value: object = None,
        expected: str | None = None,
        among: Iterable[str] = (),
    ) -> ConfigError:
        """The error to raise. `among`: the words that would have been right, of which the nearest is suggested."""
        known = list(among)
        return ConfigError(
            problem,
            file=self.file,
            line=self.line(place),
            key=dotted(place) or None,
            value=shown(place, value),
            expected=expected or (listed(known) if known else None),
            suggestion=nearest(value if value is not None else (place or ("",))[-1], known),
        )

    def warning(self, place: Place, text: str) -> Finding:
        return Finding.of(self.error(place, text), "warning")
