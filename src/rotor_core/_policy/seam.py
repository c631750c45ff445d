"""Where one model's text goes on in another's: what is repeated is left out, as the text streams. Pure, one per continuation.

The rule, in the order in which it decides. *Evidence* is a repetition of at least ten letters or digits (one outside of
ASCII counts for two) that does not itself consist of one piece said over and over: a row of zeros proves nothing.

1. A block `<think>...</think>` before anything else is left out, unless the caller's text speaks of such: it belongs to no answer.
2. It begins with the `anchor`, the last words that the caller has, as it was asked to: these words are left out.
3. It begins with what the caller's text ends with, however long: the longest such repetition that is evidence is left out.
   A beginning from the text's first word is the longest of all. A repetition longer than `HOLD` is left out as it comes;
   if it then takes another turn than what the caller has, it is another answer, not a continuation: `AnotherAnswerError`.
4. The caller's text ends within a word, and it begins with that whole word: the word's part is left out. It takes three
   letters that go on with another, and are nowhere in the text a word of their own.
5. Otherwise everything is handed on as it is. Nothing is ever put between: a space that is missing stays missing.

White space, an ellipsis and the opening of a code block may stand before a repetition, and go with it (before a single
word, one space at most). White space that the caller's text ends with is not given twice after a repetition.

What may get lost that was no repetition: a line or a refrain that the text wanted twice in a row, just at the break
(2, 3), and a word whose longer relative follows it (4: "of the| theory", where nothing else says "the").
"""

from __future__ import annotations

import re
from typing import Final, Literal

HOLD: Final = 400
"""Characters that are held back at most, until it is known what they are."""

EVIDENCE: Final = 10
ANCHOR: Final = 24
"""Letters and digits of an anchor, where the text has as many: about five words."""
ANCHOR_LENGTH: Final = 160
_RUN: Final = 40
"""Characters of an anchor in a text without white space."""
_WORD: Final = 3
_MANY: Final = 256
"""Places of the caller's text that are followed for more than a few characters: the first and the last. There are more only
where it says one thing over and over."""

_THINK, _THOUGHT = "<think>", "</think>"
_ALOUD: Final = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)
_LEAD: Final = re.compile(r"\s*(?:(?:\.\.\.|…)\s*)?(?:```[\w+#.-]{0,20}[ \t]*\n\s*)?")
_LEAD_BEGUN: Final = re.compile(r"\s*(?:(?:\.{1,3}|…)\s*)?(?:`{1,3}|```[\w+#.-]{0,20}[ \t]*)?")
_LAST_WORD: Final = re.compile(r"[^\W\d_]+\Z")


class AnotherAnswerError(Exception):
    """What came is no continuation of what the caller has; nothing of it that contradicts was handed on."""


def spoken(text: str) -> str:
    """An answer's text without the thoughts that some models write before it, in the text itself."""
    return _ALOUD.sub("", text, count=1) if _ALOUD.match(text) else text


def thinking_aloud(text: str) -> bool:
    """Whether a text breaks off within such thoughts."""
    return text.lstrip().startswith(_THINK) and _THOUGHT not in text


def anchor(partial: str) -> str:
    """The last words of a text, for a continuation to begin with; "" where they would be too little to be known by."""
    had = spoken(partial).rstrip()
    window = had[-ANCHOR_LENGTH:]
    starts = [m.start() for m in re.finditer(r"\S+", window)]
    if len(window) < len(had) and not had[-ANCHOR_LENGTH - 1].isspace() and not window[0].isspace():
        del starts[0]  # the window begins within this word
    found = window[starts[0] :] if starts else window[-_RUN:]
    for start in reversed(starts):
        if _weight(window[start:]) >= ANCHOR:
            found = window[start:]
            break
    return found if _weight(found) >= _WORD else ""


def _weight(text: str) -> int:
    """How much a text tells: its letters and digits. One outside of ASCII is a syllable or more as often as not."""
    return sum(1 if char.isascii() else 2 for char in text if char.isalnum())


def _tells(text: str) -> bool:
    """Whether a repetition of this is evidence."""
    if _weight(text) < EVIDENCE:
        return False
    return not any(text.startswith(text[period:]) for period in range(1, len(text) // 2 + 1))


def _cut_word(had: str) -> str:
    """The word that a text ends within, perhaps; "" where it is a word of its own elsewhere, or too short to tell."""
    last = _LAST_WORD.search(had)
    if last is None or last.end() - last.start() < _WORD:
        return ""
    word, before = last.group(), had[: last.start()]
    return "" if re.search(rf"(?i)\b{re.escape(word)}\b", before) else word


class Seam:
    """`feed` it a continuation's text piece by piece and hand on what it answers; then `end`, and hand that on too.

    However the text is cut into pieces, the same comes out. Raises `AnotherAnswerError` where no continuation came; after that
    it is of no more use, and what it held back was not worth having.
    """

    def __init__(self, partial: str) -> None:
        had = spoken(partial)
        self._had = had.rstrip()
        self._white = had[len(self._had) :]
        self._skip = ""
        self._anchor, self._cut = anchor(partial), _cut_word(self._had)
        self._stage: Literal["head", "thinking", "thought", "copying", "through"] = "head"
        self._held = ""
        self._alive: list[tuple[int, int]] = []
        """Repetitions under way: where in `_held` each begins, and where in `_had`."""
        self._longest = self._longest_end = 0
        self._word_end = -1
        self._word_goes_on = False
        self._at = 0

    def feed(self, text: str) -> str:
        """What of `text`, and of what was held back before, is new to the caller."""
        given = ""
        for n, char in enumerate(text):
            if self._stage == "thinking":
                self._held = self._held[-len(_THOUGHT) + 1 :] + char
                if self._held == _THOUGHT:
                    self._stage, self._held = "thought", ""
            elif self._stage == "head" or (self._stage == "thought" and not char.isspace()):
                self._stage = "head"
                given = self._read(char)
            elif self._stage == "copying":
                return self._copy(text[n:])
            elif self._stage == "through":
                return given + self._past(text[n:])
        return given

    def end(self) -> str:
        """What was held back to the end and is new. Raises `AnotherAnswerError` if the text ended before it got anywhere."""
        if self._stage == "head":
            return self._decide()
        if self._stage in ("through", "thought"):
            return ""
        raise AnotherAnswerError(
            "it ended within its thoughts" if self._stage == "thinking" else "it ended before it came to anything new"
        )

    def _read(self, char: str) -> str:
        """One character more of what is held back; all of it that is new, once that is known."""
        self._held += char
        held, told = self._held, self._follow(char)
        if told:
            return self._leave_out(len(held))
        begun = held.lstrip()
        if begun == _THINK and _THINK not in self._had:
            self._stage, self._held = "thinking", ""
            return ""
        if len(held) >= HOLD:
            return self._decide_at_length()
        undecided = (
            self._alive or self._word_end == len(held) or _THINK.startswith(begun) or _LEAD_BEGUN.fullmatch(held)
        )
        return "" if undecided else self._decide()

    def _follow(self, char: str) -> bool:
        """Take the next character into all repetitions under way. True once the anchor has been repeated."""
        had, at = self._had, len(self._held) - 1
        if self._word_end == at:
            self._word_goes_on = char.isalpha()
        alive = [(start, since) for start, since in self._alive if had[since + at - start] == char]
        if len(alive) > _MANY and at >= EVIDENCE:
            alive = alive[:1] + alive[-_MANY:]
        if not char.isspace() and _LEAD.fullmatch(self._held, 0, at):
            alive += [(at, since) for since, other in enumerate(had) if other == char]
        self._alive = []
        for start, since in alive:
            if since + at - start + 1 < len(had):
                self._alive.append((start, since))
            elif self._repeated(start, had[since:]):
                return True
        return False

    def _repeated(self, start: int, again: str) -> bool:
        """What the caller's text ends with has come `again`. True where that decides it."""
        end = len(self._held)
        if again == self._anchor and (start == 0 or len(again.split()) > 1 or _weight(again) >= EVIDENCE):
            return True
        if len(again) > self._longest and _tells(again):
            self._longest, self._longest_end = len(again), end
        if again == self._cut and self._held[:start] in ("", " "):
            self._word_end = end
        return False

    def _decide_at_length(self) -> str:
        """No more is held back. What has been repeating the caller's text for so long goes on to."""
        for start, since in dict(reversed(self._alive)).items():  # the first place for each beginning
            copied = self._held[start:]
            if _tells(copied):
                self._stage, self._held, self._at = "copying", "", since + len(copied)
                return ""
        return self._decide()

    def _decide(self) -> str:
        if self._longest:
            return self._leave_out(self._longest_end)
        if self._word_goes_on:
            return self._leave_out(self._word_end)
        held, self._held, self._stage = self._held, "", "through"
        return held

    def _leave_out(self, end: int) -> str:
        """Hand on what is held back, all but its beginning."""
        held, self._held, self._stage, self._skip = self._held[end:], "", "through", self._white
        return self._past(held)

    def _copy(self, text: str) -> str:
        """A repetition of more than `HOLD`: nothing of it is new until it is through."""
        known = self._had[self._at : self._at + len(text)]
        if not text.startswith(known):
            raise AnotherAnswerError("it began another time, and took another turn")
        self._at += len(known)
        if self._at < len(self._had):
            return ""
        self._stage, self._skip = "through", self._white
        return self._past(text[len(known) :])

    def _past(self, text: str) -> str:
        """Past the repetition; white space that the caller has already is left out."""
        while self._skip and text:
            if text[0] != self._skip[0]:
                self._skip = ""
            else:
                text, self._skip = text[1:], self._skip[1:]
        return text
