"""An expression that is sifted finds what it would find alone: each text that it matches holds a word that it needs."""

import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._policy import error_figures, error_rules
from rotor_core._policy.sifted import Sifted, sifted


def sifted_within(value: object) -> Iterator[Sifted]:
    if isinstance(value, Sifted):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from sifted_within(item)


def sifted_of(module: ModuleType) -> list[Sifted]:
    return [one for value in vars(module).values() for one in sifted_within(value)]


EVERY = [*sifted_of(error_rules), *sifted_of(error_figures)]
LETTERS = st.characters(max_codepoint=0x17E)
"""Without the few letters that only look like others to those who ignore case, and have another small form."""


def test_all_of_them_are_looked_at():
    patterns = [value for value in vars(error_figures).values() if isinstance(value, re.Pattern)]
    assert len(patterns) == 1  # Google's quotas: nothing is sifted there
    assert len(EVERY) > 70
    assert all(one.needs and all(word and word == word.lower() for word in one.needs) for one in EVERY)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.pattern.pattern[:40])
@given(data=st.data())
def test_each_text_that_it_matches_holds_a_word_that_it_needs(one, data):
    text = data.draw(st.from_regex(one.pattern, alphabet=LETTERS))
    assert any(word in text.lower() for word in one.needs), text
    assert one.search(text, text.lower())


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.pattern.pattern[:40])
def test_no_word_is_needed_in_vain(one):
    """A word in whose place another one always stands as well costs a look at each text."""
    for word in one.needs:
        assert not any(other in word for other in one.needs if other != word), word


def test_a_text_without_the_word_is_not_searched():
    words = sifted("tea|coffee", r"(?:no|more) (?:tea|coffee)")
    assert words.search("No Tea", "no tea")
    assert words.search("more coffee", "more coffee")
    assert not words.search("no milk", "no milk")
    assert not words.search("tea", "tea")
