"""What stands in the user's words that an argument could want: numbers, quotes, names, dates, addresses. Pure.

Each kind is handed out in the order of the text, and stays at its last when there is no more, so that "add 3 and 4"
gives `a` 3 and `b` 4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final

_NUMBER: Final = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w])")
_QUOTED: Final = re.compile(
    r"(?<!\w)'([^'\n]+)'(?!\w)|\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|\u2018([^\u2019\n]+)\u2019|\u300c([^\u300d\n]+)\u300d|`([^`\n]+)`"
)
_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL: Final = re.compile(r"https?://[^\s\"'<>)]+")
_DATE: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_TIME: Final = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b")
# Words with capitals that belong together; a state's two letters after a comma too ("Austin, TX").
_NAME: Final = re.compile(
    r"\b[A-Z][\w'\u2019-]*(?: (?:(?:de|la|van|von|of|the) )?[A-Z][\w'\u2019-]*)*(?:, [A-Z]{2}\b)?"
)
_ABOUT: Final = re.compile(r"\babout ([^.?!,;:\n]+)", re.IGNORECASE)
_ENDS: Final = ("", ".", "!", "?", "\n")
_WORD: Final = re.compile(r"[^\W\d_][\w'\u2019-]*")

# Words that begin a sentence or hold one together; none is ever a name or a topic.
_STOP_TEXT: Final = """
a about add after again all also an and any are as ask at be because been before both but by call calculate can
compare compute could create describe did do does each explain find first for from generate get give go good has
have he hello help her hey hi him his how i if in include into is it its json just let like list look make many may
me more much my name named no not now of off on one only or our out please provide reply respond result results
return say search see send set she should show so some summarize tell than thank thanks that the their them then
there these they this those to today tool two us use using value very want was we what whats what's when where which
who whose why will with would write yes you your
"""
STOP_WORDS: Final = frozenset(_STOP_TEXT.split())


class Facts:
    """The facts of one text. `also`: what came to light since (tools' results), whose figures go first."""

    def __init__(self, text: str, also: str = "") -> None:
        self._said, self._also = text, also
        self.text = f"{text}\n{also}" if also else text
        self._given: dict[str, int] = {}

    # Each is looked for when it is first wanted: most answers want none.

    @cached_property
    def lower(self) -> str:
        return self.text.lower()

    @cached_property
    def quotes(self) -> Sequence[str]:
        return [next(group for group in match.groups() if group) for match in _QUOTED.finditer(self.text)]

    @cached_property
    def emails(self) -> Sequence[str]:
        return _EMAIL.findall(self.text)

    @cached_property
    def urls(self) -> Sequence[str]:
        return [url.rstrip(".,;:!?") for url in _URL.findall(self.text)]

    @cached_property
    def dates(self) -> Sequence[str]:
        return _DATE.findall(self.text)

    @cached_property
    def times(self) -> Sequence[str]:
        return _TIME.findall(self.text)

    @cached_property
    def numbers(self) -> Sequence[float]:
        return [*_numbers(self._also), *_numbers(self._said)]

    @cached_property
    def names(self) -> Sequence[str]:
        return _names(_EMAIL.sub(" ", _plain(self.text)))

    def next(self, kind: str, found: Sequence[str] | Sequence[float]) -> str | float | None:
        """The next of `found` that was not handed out under `kind`; the last one again when all were."""
        if not found:
            return None
        n = self._given.get(kind, 0)
        self._given[kind] = n + 1
        return found[min(n, len(found) - 1)]

    def named(self, name: str) -> str | None:
        """What the text says of `name` outright: `name: value`, `name = value`, `name is value`."""
        spoken = re.escape(name).replace("_", "[ _-]")
        found = re.search(
            rf"\b{spoken}\b\s*(?:=|:|\bis\b)\s*(\"[^\"\n]+\"|'[^'\n]+'|[^\s,;]+)", self.text, re.IGNORECASE
        )
        return found.group(1).strip("\"'").rstrip(".?!)") or None if found else None

    @property
    def topic(self) -> str:
        """What the text is about, in a few words; empty where there is nothing to tell by."""
        about = _ABOUT.search(self._said)
        words = [word.strip("'\u2019") for word in _WORD.findall(about.group(1) if about else self._said)]
        telling = list(dict.fromkeys(word for word in words if word.lower() not in STOP_WORDS))
        return " ".join(telling[:4])

    def words(self) -> set[str]:
        """The telling words, lower case, with and without a plural's `s`."""
        found = {word.lower() for word in _WORD.findall(self.text)} - STOP_WORDS
        return found | {word[:-1] for word in found if word.endswith("s") and len(word) > 3}


def _plain(text: str) -> str:
    """Without what has figures in it that are none: addresses, dates, times."""
    return _TIME.sub(" ", _DATE.sub(" ", _URL.sub(" ", text)))


def _numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in _NUMBER.findall(_plain(text))]


def _names(text: str) -> list[str]:
    """Names in order, each once. A single word that begins a sentence may be any word, so it comes last."""
    found: list[str] = []
    doubtful: list[str] = []
    for match in _NAME.finditer(text):
        words = match.group().split(" ")
        while words and words[0].lower().strip("'\u2019") in STOP_WORDS:
            words.pop(0)
        name = " ".join(words)
        if len(name) > 1 and name not in found:
            begins = len(words) == 1 and text[: match.start()].rstrip(" \"'(")[-1:] in _ENDS
            (doubtful if begins else found).append(name)
    return [*found, *dict.fromkeys(name for name in doubtful if name not in found)]
