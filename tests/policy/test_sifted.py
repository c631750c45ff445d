"""An expression that is sifted finds what it would find alone: each text that it matches holds a word that it needs."""

import re
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rotor_core._policy import error_figures, error_rules
from rotor_core._policy.classify import classify_failure
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
LOOK_ALIKE = str.maketrans("iIsSkK", "\u0131\u0130\u017f\u017f\u212a\u212a")
"""Letters that an expression takes for others when it ignores case, though they are none of their forms."""


def test_all_of_them_are_looked_at():
    patterns = [value for value in vars(error_figures).values() if isinstance(value, re.Pattern)]
    assert len(patterns) == 1  # Google's quotas: nothing is sifted there
    assert len(EVERY) > 70
    assert all(one.needs and all(word and word == word.lower() for word in one.needs) for one in EVERY)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.pattern.pattern[:40])
@given(data=st.data())
def test_each_text_that_it_matches_holds_a_word_that_it_needs(one, data):
    text = data.draw(st.from_regex(one.pattern))
    assert any(word in text.lower() for word in one.needs), text
    assert one.search(text, text.lower())


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.pattern.pattern[:40])
@given(data=st.data())
@settings(max_examples=10)
def test_letters_that_only_look_like_those_of_a_word_upset_nobody(one, data):
    text = data.draw(st.from_regex(one.pattern)).translate(LOOK_ALIKE)
    failure = classify_failure("acme", 429, {}, f"{text}; {' '.join(one.needs)}")
    assert failure.limit is None or failure.limit >= 0


def test_letters_that_only_look_like_those_of_a_word_are_not_taken_for_them():
    assert classify_failure("acme", 429, {}, "requests per m\u0131n, not per day").per is None
    assert classify_failure("acme", 429, {}, "requests per min").per == "minute"
    assert classify_failure("acme", 429, {}, "LIM\u0130T: 500").limit is None


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
