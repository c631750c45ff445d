from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._policy.analyze import TASKS, analyze, pool_for_task


def user(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("hi there", "chat"),
        ("What should I cook tonight?", "chat"),
        ("Fix the bug in this python function", "code"),
        ("Why does this fail?\n```\nx = 1\n```", "code"),
        ("Traceback (most recent call last): ...", "code"),
        ("Prove that the square root of 2 is irrational.", "math"),
        ("How many apples are left if I eat 3 of 10?", "math"),
        ("Translate this to French: good morning", "translation"),
        ("Translate the comment of this function", "translation"),
        ("Summarize the article in two sentences", "summarization"),
        ("Extract all names and dates from this invoice", "extraction"),
        ("Classify the sentiment of this review", "classification"),
        ("Research the literature on sleep, with citations", "research"),
        ("Compare the pros and cons of both offers", "analysis"),
        ("Write me a poem about rain", "writing"),
    ],
)
def test_a_task_is_read_from_the_words_of_the_request(text, task) -> None:
    assert analyze(text).task == task
    assert task in TASKS


def test_a_text_stands_for_one_user_message() -> None:
    assert analyze("Fix this bug") == analyze(user("Fix this bug"))


def test_the_last_user_message_counts_whatever_came_before_and_after() -> None:
    messages = [
        {"role": "system", "content": "You translate into French."},
        {"role": "user", "content": "Fix this python bug"},
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "Now summarize it"},
        {"role": "assistant", "content": "def f(): ..."},
    ]
    assert analyze(messages).task == "summarization"


def test_a_file_that_stands_where_an_image_should_is_none() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}}
    analysis = analyze([{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}])
    assert analysis.task != "vision"
    assert not analysis.needs


def test_an_image_makes_it_vision_and_is_needed() -> None:
    content = [{"type": "text", "text": "Translate this sign"}, {"type": "image_url", "image_url": {"url": "data:"}}]
    analysis = analyze(user(content))
    assert (analysis.task, analysis.needs) == ("vision", {"vision"})


def test_tools_and_sound_are_needed_where_they_are_there() -> None:
    assert analyze(user([{"type": "input_audio"}, "and a text"]), [{"type": "function"}]).needs == {"tools", "audio"}
    assert analyze("hi").needs == frozenset()


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("hello", "greeting"),
        ("Thanks!", "greeting"),
        ("hello, would you please be so kind", "instruction"),
        ("What is it", "question"),
        ("You mean this one?", "question"),
        ("Write a letter", "instruction"),
        ("I like it", "statement"),
        ("Nice", "statement"),
        ("", "statement"),
        ("?!", "statement"),
    ],
)
def test_an_intent_is_read_from_how_the_message_begins_and_ends(text, intent) -> None:
    assert analyze(text).intent == intent


def test_after_a_tools_result_the_intent_is_to_go_on() -> None:
    messages = [*user("Look it up"), {"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "found"}]
    assert analyze(messages).intent == "continuation"


def test_complexity_grows_with_what_is_asked() -> None:
    texts = [
        "hi",
        "What is the capital of France?",
        "Explain how a hash table handles collisions.",
        "Compare two designs of a distributed lock and evaluate their trade-offs. Why does each fail?\n- on partition\n- on clock skew\n- under load\nWhich assumptions matter? Prove that yours is safe.",
    ]
    found = [analyze(text).complexity for text in texts]
    assert found == sorted(found)
    assert found[0] < 0.05
    assert found[-1] > 0.7


def test_the_category_follows_complexity_and_task() -> None:
    hard = "Prove the theorem and derive the bound, then evaluate its assumptions and constraints in detail, and justify why the proof is rigorous in every edge case"
    assert analyze("hi").category == "tiny"
    assert analyze("What is the capital of France, and why?").category == "small"
    assert (
        analyze("Explain how a garbage collector decides what to free and when, and critique its design").category
        == "large"
    )
    assert analyze(hard).category == "reasoning"


def test_a_code_block_and_tools_and_turns_add_to_complexity() -> None:
    plain = analyze("Look at this please now").complexity
    assert analyze("Look at this please now ```x```").complexity > plain
    assert analyze("Look at this please now", [{}, {}]).complexity > plain
    assert analyze([{"role": "assistant", "content": "a"}, *user("Look at this please now")]).complexity > plain


def test_a_long_message_is_read_at_its_beginning_and_its_end() -> None:
    filler = "lorem ipsum " * 1000
    assert analyze("Translate this: " + filler).task == "translation"
    assert analyze(filler + "\n\nSummarize the above.").task == "summarization"


def test_what_cannot_be_read_is_left_out() -> None:
    odd = [
        {"role": "user", "content": [5, None, {"type": 7}, {"text": 3}, {"type": "text", "text": "Fix the bug"}]},
        {"content": {}},
    ]
    assert analyze(odd).task == "code"
    assert analyze([]).task == "chat"
    assert analyze([{"role": "user"}]).complexity == 0


@given(st.text(max_size=400), st.integers(0, 30))
def test_any_text_has_a_task_and_a_complexity_from_0_to_1(text, tools) -> None:
    analysis = analyze(text, [{}] * tools)
    assert analysis.task in TASKS
    assert 0 <= analysis.complexity <= 1
    assert analysis.category in {"tiny", "small", "large", "reasoning"}
    assert analysis == analyze(text, [{}] * tools)


@pytest.mark.parametrize(
    ("task", "pools", "pool"),
    [
        ("code", {"code", "fast"}, "code"),
        ("math", {"math", "fast"}, "math"),
        ("analysis", {"research", "fast"}, "research"),
        ("vision", {"fast", "main"}, "main"),
        ("chat", {"fast", "main"}, "fast"),
        ("my-own-task", {"fast", "main"}, "fast"),
        ("chat", {"main"}, "main"),
    ],
)
def test_a_task_finds_the_pool_of_its_name_then_of_its_kind_then_the_default(task, pools, pool) -> None:
    assert pool_for_task(task, pools, "main") == pool
