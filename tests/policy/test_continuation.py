"""Going on elsewhere: what can be continued, and what is asked of whom goes on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._demand import Demand
from rotor_core._policy.continuation import LEAST_LEFT, Given, continued, demanded, why_not
from rotor_core._policy.seam import ANCHOR_LENGTH, anchor, spoken
from rotor_core._request import Request

ASKED = ({"role": "user", "content": "Tell me a story."},)

TOOLS = ({"type": "function", "function": {"name": "look", "parameters": {}}},)


# ---- what can be continued


def test_plain_text_can_be_continued():
    assert why_not(Request(ASKED), Given("Once")) is None


@pytest.mark.parametrize(
    ("had", "why"),
    [
        (Given("Once", tool_calls=True), "a tool call had begun"),
        (Given("", tool_calls=True), "a tool call had begun"),
        (Given("Once", native=True), "objects of the model's own kind"),
        (Given("Once", finished=True), "complete"),
        (Given("<think>He asks me"), "thinking in its text"),
    ],
)
def test_what_the_caller_has_may_forbid_it(had, why):
    assert why in why_not(Request(ASKED), had)


SHAPED = [
    (Request(ASKED, response_format={"type": "json_object"}), "a prescribed form"),
    (Request(ASKED, response_format={"type": "json_schema", "json_schema": {}}), "a prescribed form"),
    (Request(ASKED, params={"response_format": {"type": "json_object"}}), "a prescribed form"),
    (Request(ASKED, params={"guided_regex": "a*"}), "a prescribed form"),
    (Request(ASKED, TOOLS, "required"), "to be a tool call"),
    (Request(ASKED, TOOLS, {"type": "function", "function": {"name": "look"}}), "to be a tool call"),
    (Request(ASKED, params={"n": 2}), "several answers"),
    (Request(ASKED, params={"logprobs": True}), "probabilities"),
    (Request(ASKED, params={"top_logprobs": 2}), "probabilities"),
    (Request(ASKED, params={"modalities": ["text", "audio"]}), "spoken"),
    (Request([*ASKED, {"role": "assistant", "content": "Once"}]), "ends with an answer begun"),
]


@pytest.mark.parametrize(("request_", "why"), SHAPED)
def test_what_was_asked_for_may_forbid_it(request_, why):
    assert why in why_not(request_, Given("Once"))


@pytest.mark.parametrize(("request_", "_"), SHAPED)
@pytest.mark.parametrize("text", ["", " \n", "<think>He asks me.</think>\n"])
def test_where_nothing_of_the_answer_was_given_anything_can_be_asked_anew(request_, _, text):
    assert why_not(request_, Given(text)) is None
    anew = continued(request_, text)
    assert (anew.messages, anew.params) == (request_.messages, request_.params)


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_tools_on_offer_do_not_forbid_it_and_stay_on_offer(choice):
    request = Request(ASKED, TOOLS, choice)
    assert why_not(request, Given("Let me look.")) is None
    again = continued(request, "Let me look.")
    assert (again.tools, again.tool_choice) == (TOOLS, choice)


@pytest.mark.parametrize(
    "params",
    [{"n": 1}, {"n": None}, {"logprobs": False}, {"modalities": ["text"]}, {"response_format": {"type": "text"}}],
)
def test_parameters_that_change_nothing_do_not_forbid_it(params):
    assert why_not(Request(ASKED, params=params), Given("Once")) is None


def test_text_as_the_response_format_is_plain_text():
    assert why_not(Request(ASKED, response_format={"type": "text"}), Given("Once")) is None


# ---- what is asked


def test_the_other_model_gets_the_conversation_the_part_and_the_last_words():
    request = Request(ASKED, params={"temperature": 0.5}, source=object())

    again = continued(request, "Once upon a time there was a king who")

    assert again.messages[:-2] == [*ASKED]
    assert again.messages[-2] == {"role": "assistant", "content": "Once upon a time there was a king who"}
    assert again.messages[-1]["role"] == "user"
    assert "\n---\na time there was a king who\n---" in again.messages[-1]["content"] or (
        f"\n---\n{anchor('Once upon a time there was a king who')}\n---" in again.messages[-1]["content"]
    )
    assert again.params == {"temperature": 0.5}
    assert again.source is None
    assert request.messages == ASKED


def test_a_part_of_too_little_to_be_known_by_is_gone_on_with_without_last_words():
    assert "---" not in continued(Request(ASKED), "1.").messages[-1]["content"]


def test_thoughts_in_the_text_are_not_the_others_to_read():
    again = continued(Request(ASKED), "<think>He wants a story.</think>\n\nOnce upon")
    assert again.messages[-2]["content"] == "Once upon"


def test_a_source_is_dropped_when_it_is_asked_anew_too():
    assert continued(Request(ASKED, source=object()), "").source is None


def test_the_bound_on_its_length_is_reduced_by_what_was_given():
    params = {"max_tokens": 100, "max_completion_tokens": 200, "top_p": 1}
    again = continued(Request(ASKED, params=params), "x" * 120)
    assert again.params == {"max_tokens": 70, "max_completion_tokens": 170, "top_p": 1}
    assert params["max_tokens"] == 100


@pytest.mark.parametrize(("bound", "left"), [(100, LEAST_LEFT), (101, LEAST_LEFT), (10, 10), (1, 1), (1000, 900)])
def test_an_answer_near_its_bound_may_still_end_its_sentence(bound, left):
    assert continued(Request(ASKED, params={"max_tokens": bound}), "x" * 400).params["max_tokens"] == left


@pytest.mark.parametrize("odd", [None, 0, -1, "100", True, 1.5])
def test_a_bound_that_is_none_is_left_as_it_is(odd):
    params = {"max_tokens": odd}
    assert continued(Request(ASKED, params=params), "x" * 400).params is params


def test_what_it_takes_is_the_part_more_to_read_and_less_to_write():
    whole = Demand(100, 256, 1000, task="chat")
    less = demanded(whole, "x" * 400)
    assert less.max_tokens == 900
    assert 300 < less.input_tokens < 400
    assert (less.output_tokens, less.task) == (256, "chat")
    assert demanded(Demand(100, 256), "x" * 400).max_tokens is None
    assert demanded(whole, " ") is whole


# ---- the last words


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("", ""),
        ("a", ""),
        ("1. ", ""),
        ("}\n}", ""),
        ("Hello wor", "Hello wor"),
        ("Hello wor \n", "Hello wor"),
        ("<think>so long a thought that it would do</think> Yes, of course", "Yes, of course"),
        ("It was many and many a year ago, in a kingdom by the sea", "year ago, in a kingdom by the sea"),
    ],
)
def test_the_last_words(text, last):
    assert anchor(text) == last


def test_the_last_words_begin_where_a_word_begins():
    assert anchor("abcdefghij" * 50 + " and then") == "and then"
    assert anchor("word " + "----- " * 50) == ""
    assert len(anchor("-" * 300 + "abc")) == 40


def test_a_text_without_spaces_has_last_words_too():
    assert len(anchor("春眠不觉晓处处闻啼鸟夜来风雨声花落知多少" * 20)) == 40


@given(st.text(max_size=400))
def test_the_last_words_are_the_texts_last(text):
    last = anchor(text)
    assert spoken(text).rstrip().endswith(last)
    assert len(last) <= ANCHOR_LENGTH
