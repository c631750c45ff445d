"""Regular expressions that are tried only where a word stands that they cannot do without.

What an error means is found by some eighty of them, and of a text that nobody has seen before nearly none matches. To
look for a word is cheap; to search by an expression is not, and least of all in the first moment after a failure, when
none of it is in the processor's caches.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Sifted(NamedTuple):
    """`needs`: whatever `pattern` matches holds one of these, in lower case. One that is empty stands in every text.

    But for letters that only look like others (a dotless i, a long s): what holds them is not taken for those words.
    """

    needs: tuple[str, ...]
    pattern: re.Pattern[str]

    def search(self, text: str, lower: str) -> re.Match[str] | None:
        """The pattern's first match in `text`; `lower`: the same in lower case."""
        for word in self.needs:
            if word in lower:
                return self.pattern.search(text)
        return None


def sifted(needs: str, pattern: str, flags: int = re.IGNORECASE) -> Sifted:
    """`needs`: the words, with `|` between them."""
    return Sifted(tuple(needs.split("|")), re.compile(pattern, flags))
