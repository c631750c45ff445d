"""Going on elsewhere: how the two texts are joined."""

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rotor_core._outcome import Chunk, ToolCallDelta, Usage
from rotor_core._policy.continuation import HOLD, AnotherAnswerError, Seam, joined
from rotor_core._policy.seam import _tells, _weight, anchor

STORY = (
    "Once upon a time there was a king who had three daughters, and the youngest was so fair that the sun itself, which has "
    "seen so much, was astonished whenever it shone into her face. Close by the castle lay a great dark forest, and under "
    "an old lime tree in the forest was a well. When the day was very warm, the child went out and sat down by the cool "
    "fountain; and when she was bored she took a golden ball, threw it up high and caught it; and this ball was her "
    "favourite plaything. Now it happened that on one occasion the golden ball did not fall into the little hand."
)


def join(partial: str, *pieces: str) -> str:
    """What the caller has at the end."""
    seam = Seam(partial)
    return partial + "".join(seam.feed(piece) for piece in pieces) + seam.end()


def reply(partial: str, *pieces: str) -> str:
    return join(partial, *pieces)[len(partial) :]


# ---- how they are joined, by example


@pytest.mark.parametrize(
    ("partial", "more", "whole"),
    [
        # Nothing is repeated.
        ("Hello wor", "ld", "Hello world"),
        ("Hello", " world", "Hello world"),
        ("Hello ", "world", "Hello world"),
        ("a  ", " b", "a   b"),
        ("if x:\n  ", "  return", "if x:\n    return"),
        ("", "Hello", "Hello"),
        (" \n", " Hello", " \n Hello"),
        ("Hello", "", "Hello"),
        # The last words, as it was asked to.
        ("Hello wor", "Hello world", "Hello world"),
        ("Hello wor", "  Hello world", "Hello world"),
        ("Hello wor", "\n\nHello world", "Hello world"),
        ("Hello wor", "...Hello world", "Hello world"),
        ("Hello wor", "… Hello world", "Hello world"),
        ("Hello wor ", "Hello wor then", "Hello wor then"),
        ("Hello wor\n\n", "Hello wor\n\nthen", "Hello wor\n\nthen"),
        ("Hello wor\n", "Hello wor\n\nthen", "Hello wor\n\nthen"),
        ("Hello wor ", "Hello wor\nthen", "Hello wor \nthen"),
        ("```py\nx = area(width)\ny", "```py\nx = area(width)\ny = 1\n```", "```py\nx = area(width)\ny = 1\n```"),
        (
            "Look:\n```py\nx = area_of(width)\ny",
            "```py\nx = area_of(width)\ny =",
            "Look:\n```py\nx = area_of(width)\ny =",
        ),
        ("Ещё один прим", "Ещё один пример", "Ещё один пример"),
        ("春眠不觉晓处处闻", "春眠不觉晓处处闻啼鸟", "春眠不觉晓处处闻啼鸟"),
        # The word that was cut.
        ("Hello there, wor", "world", "Hello there, world"),
        ("Hello there, wor", " world", "Hello there, world"),
        # What looks like it and is not.
        ("It was the", " the of a poem", "It was the the of a poem"),
        ("I saw a", " apple", "I saw a apple"),
        ("He said no", " nowhere", "He said no nowhere"),
        ("the end of the", " theory", "the end of the theory"),
        ("in 20", "20 and 30", "in 2020 and 30"),
        ("1, 2", "2, 3", "1, 22, 3"),
        ("mur", " mur", "mur mur"),
        ("- one\n- ", "- two", "- one\n- - two"),
        ("- Name: Ann\n- Name: ", "Bob\n- Name: Cy", "- Name: Ann\n- Name: Bob\n- Name: Cy"),
        ("f(x)\n}\n", "}\n}\n", "f(x)\n}\n}\n}\n"),
        ("[0.0, 0.0, 0.0, 0.0, 0.0, ", "0.0, 0.0]", "[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]"),
        ("|---|---|", "---|", "|---|---|---|"),
        ("said again and", " again and again", "said again and again and again"),
        ("First.", "```py\npass\n```", "First.```py\npass\n```"),
        ("wait.", "...and go", "wait....and go"),
        ("Once upon a time there", "Once upon another", "Once upon a time thereOnce upon another"),
        ("Hello wor", "Hello", "Hello worHello"),
    ],
)
@pytest.mark.parametrize("by", [1, 3, 10_000])
def test_two_texts_become_one(partial, more, whole, by):
    assert join(partial, *(more[n : n + by] for n in range(0, len(more), by))) == whole


def test_more_than_was_asked_for_may_be_repeated():
    assert join(STORY[:300], STORY[180:]) == STORY


def test_it_may_begin_again_however_long_the_text():
    text = " ".join(f"This is the sentence number {n}." for n in range(2000))
    assert join(text[:30_000], text) == text
    assert join(text[:30_000], "\n" + text) == text


def test_it_may_begin_again_from_the_middle():
    text = " ".join(f"This is the sentence number {n}." for n in range(200))
    assert join(text[:5000], text[1000:]) == text


def test_white_space_after_a_long_repetition_is_not_given_twice():
    text = " ".join(f"This is the sentence number {n}." for n in range(100))
    assert join(text + "\n\n", text + "\n\nThe end.") == text + "\n\nThe end."


def test_who_begins_again_and_takes_another_turn_gave_another_answer():
    with pytest.raises(AnotherAnswerError, match="another turn"):
        join(STORY, STORY[:450] + " And so they lived happily ever after, all of them.")


def test_who_begins_again_and_ends_early_gave_another_answer():
    with pytest.raises(AnotherAnswerError, match="before it came to anything new"):
        join(STORY, STORY[:450])


def test_a_short_beginning_again_that_takes_another_turn_is_a_refrain():
    assert join(STORY, " " + STORY[:100] + "!") == STORY + " " + STORY[:100] + "!"


def test_what_is_said_over_and_over_is_no_evidence_however_long():
    row = "0.0, " * 1000
    assert reply("x = [" + row, row) == row[len(anchor(row)) + 1 :]
    assert reply("x = [" + row, "0.1, " + row) == "0.1, " + row


def test_thoughts_before_a_continuation_are_left_out():
    thought = "<think>\nI was cut off. " + "hm " * 500 + "</think>\n\n"
    assert join("Once upon a", thought + "Once upon a time") == "Once upon a time"
    assert join("Once upon a", " " + thought + "time") == "Once upon atime"
    assert join("Once", thought) == "Once"


def test_thoughts_that_do_not_end_are_no_continuation():
    with pytest.raises(AnotherAnswerError, match="thoughts"):
        join("Once upon a", "<think>I was cut")


def test_a_text_about_thoughts_is_no_thought():
    partial = "Write the tags as follows: <think>"
    assert join(partial, "<think> and </think>") == partial + "<think> and </think>"
    assert join("The tag", " is <think>, as said") == "The tag is <think>, as said"
    assert join("The tag", "<thin") == "The tag<thin"


def test_a_chunk_has_what_is_new_and_no_thoughts():
    seam = Seam("Hello wor")
    pieces = [
        Chunk("Hello", reasoning="hm"),
        Chunk(" worl", id="c"),
        Chunk("d"),
        Chunk(finish_reason="stop", usage=Usage(1, 2)),
    ]

    got = [joined(seam, piece) for piece in pieces]

    assert [c.text for c in got] == ["", "l", "d", ""]
    assert not any(c.reasoning for c in got)
    assert (got[1].id, got[3].finish_reason, got[3].usage) == ("c", "stop", Usage(1, 2))
    assert seam.end() == ""


@pytest.mark.parametrize("last", [Chunk(finish_reason="stop"), Chunk(tool_calls=(ToolCallDelta(0, "1", "look"),))])
def test_what_was_held_back_comes_with_what_ends_the_text(last):
    seam = Seam("Hello wor")
    assert joined(seam, Chunk("Hel")).text == ""
    assert joined(seam, last).text == "Hel"


# ---- how they are joined, for any text


TEXT = st.text(st.sampled_from("abcdeABC 123,.\n-|é春`…"), max_size=120) | st.text(max_size=120)

SAME = st.text(st.sampled_from("ab .\n"), max_size=60)
"""Of few letters: repetitions everywhere."""

WORDS = st.lists(st.sampled_from(STORY.split()), max_size=300).map(" ".join)


@st.composite
def cuts(draw, text=TEXT | SAME | WORDS):
    """A text, and where it is cut."""
    whole = draw(text)
    return whole, draw(st.integers(0, len(whole)))


@given(cuts())
@example(("0.0, " * 40, 120))
@example(("Look: <think> is a tag and so is </think>.", 30))
def test_a_continuation_from_the_last_words_is_joined_exactly(cut):
    whole, k = cut
    last = anchor(whole[:k])
    assume(last and not whole.lstrip().startswith("<think>"))
    start = len(whole[:k].rstrip()) - len(last)

    assert join(whole[:k], whole[start:]) == whole


@given(cuts(WORDS), st.integers(0, 700))
def test_a_continuation_from_anywhere_before_is_joined_exactly(cut, repeated):
    whole, k = cut
    had = whole[:k].rstrip()
    start = max(0, len(had) - repeated)
    again = had[start:].lstrip()
    assume(_tells(again))
    assume(had.count(again[:HOLD]) == 1)
    assume(again == anchor(had) or not again.startswith(anchor(had)))

    assert join(whole[:k], whole[start:]) == whole


def repeats(partial: str, more: str) -> bool:
    """Whether a continuation begins, perhaps after white space and the like, with three letters or more that the text ends with."""
    had = partial.rstrip()
    starts = [n for n in range(len(more)) if re.fullmatch(r"\s*(\.\.\.|…)?\s*(```.*\n)?\s*", more[:n])]
    ends = [had[-n:] for n in range(1, len(had) + 1) if _weight(had[-n:]) >= 3]
    return any(more[start:].startswith(end) for start in starts for end in ends)


@given(cuts(TEXT | WORDS), st.text(max_size=40))
def test_where_nothing_is_repeated_nothing_is_lost(cut, other):
    whole, k = cut
    for partial, more in ((whole[:k], whole[k:]), (whole, other)):
        if len(more) < HOLD and not repeats(partial, more) and not more.lstrip().startswith("<think>"):
            assert reply(partial, more) == more


@given(TEXT, st.text(max_size=2).filter(lambda s: s.strip()))
def test_one_or_two_characters_that_match_are_never_eaten(partial, more):
    assume(anchor(partial) not in more or not anchor(partial))
    assert reply(partial, more) == more


@given(SAME | WORDS, SAME | WORDS, st.data())
def test_the_pieces_in_which_it_comes_make_no_difference(partial, more, data):
    start = data.draw(st.integers(0, len(partial)))
    more = partial[start:] + more
    places = sorted(data.draw(st.lists(st.integers(0, len(more)), max_size=8)))
    pieces = [more[a:b] for a, b in zip([0, *places], [*places, len(more)], strict=True)]

    def outcome(*given):
        try:
            return join(partial, *given)
        except AnotherAnswerError as error:
            return str(error)

    assert outcome(*pieces) == outcome(more) == outcome(*more)


@given(SAME | WORDS, SAME | WORDS, st.data())
def test_no_more_is_held_back_than_the_bound_and_nothing_once_it_is_decided(partial, more, data):
    start = data.draw(st.integers(0, len(partial)))
    stop = data.draw(st.integers(start, len(partial)))
    seam, given_once = Seam(partial), False
    for char in partial[start:stop] + more:
        new = seam.feed(char)
        assert not given_once or new == char
        assert len(seam._held) < HOLD
        given_once = given_once or new != ""


def test_the_bound_is_kept_where_a_repetition_takes_another_turn():
    seam, longest, held = Seam(STORY), 0, 0
    for char in STORY[: HOLD - 1] + "?":
        held += 1 - len(seam.feed(char))
        longest = max(longest, held)
    assert (longest, held) == (HOLD - 1, 0)


def test_in_a_long_text_of_one_word_only_some_places_are_followed():
    seam = Seam("ha " * 40_000 + "!")
    assert seam.feed("ha " * 100) == ""
    assert len(seam._alive) < 1000
    assert seam.feed("ha " * 100) == "ha " * 200
