from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotor_core._policy.estimate import EXPECTED_OUTPUT, EXPECTED_REASONING_OUTPUT, estimate_tokens, text_tokens

TABLE = Path(__file__).parents[3] / "shared" / "data" / "wire" / "token_table.csv"
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def tokens(messages, tools=None, model=None) -> int:
    return estimate_tokens(messages, tools, model).input_tokens


def test_ascii_is_four_characters_a_token_rounded_up_for_each_message() -> None:
    assert tokens("") == 3 + 4
    assert tokens("abcd") == 3 + 4 + 1
    assert tokens("abcde") == 3 + 4 + 2
    assert tokens([{"role": "system", "content": "abcde"}, {"role": "user", "content": "abcde"}]) == 3 + 2 * (4 + 2)


def test_a_text_stands_for_one_user_message() -> None:
    assert estimate_tokens("hello") == estimate_tokens([{"role": "user", "content": "hello"}])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("漢字仮名", 4), ("カナab", 3), ("éèàù", 2), ("Привет", 3), ("😀", 2), ("a😀漢é", 1 + 2 + 1 + 1), ("\ud800", 1)],
)
def test_other_scripts_take_more_of_a_token_for_each_character(text, expected) -> None:
    assert text_tokens(text) == expected


@given(st.text(max_size=300))
def test_counting_by_lengths_agrees_with_counting_by_characters(text) -> None:
    ascii_ = sum(ord(c) < 0x80 for c in text)
    two = sum(0x80 <= ord(c) < 0x800 for c in text)
    three = sum(0x800 <= ord(c) < 0x10000 for c in text)
    four = sum(ord(c) >= 0x10000 for c in text)
    assert text_tokens(text) == -(-ascii_ // 4) + -(-two // 2) + three + 2 * four


@given(st.lists(st.text(max_size=80), max_size=6))
def test_more_messages_are_never_fewer_tokens(texts) -> None:
    messages = [{"role": "user", "content": text} for text in texts]
    found = [tokens(messages[:n]) for n in range(len(messages) + 1)]
    assert found == sorted(found)


def test_parts_are_counted_by_their_kind() -> None:
    def part(value) -> int:
        return tokens([{"role": "user", "content": [value]}]) - tokens("")

    assert part({"type": "text", "text": "abcd"}) == part("abcd") == 1
    assert part({"type": "image_url", "image_url": {"url": "u", "detail": "low"}}) == 85
    assert part({"type": "image_url", "image_url": {"url": "u"}}) == part({"type": "input_image"}) == 1105
    assert part({"type": "image", "detail": "low"}) == 85
    assert part({"type": "image_url", "image_url": "u"}) == 1105
    assert part({"type": "input_audio", "input_audio": {}}) == 1920
    assert part({"type": "file", "file": {}}) == 1105
    assert part({"type": "text"}) == part({}) == part(5) == part(None) == 0


def test_calls_and_names_in_the_history_are_counted() -> None:
    plain = tokens([{"role": "assistant", "content": None}])
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    assert tokens([{"role": "assistant", "content": None, "tool_calls": [call]}]) > plain + 12
    assert (
        tokens([{"role": "assistant", "content": None, "tool_calls": [{"name": "天気", "arguments": "{}"}]}])
        > plain + 12
    )
    assert tokens([{"role": "assistant", "content": None, "name": "bob"}]) == plain + 1
    assert tokens([{"role": "assistant", "content": None, "tool_calls": None, "x": 1}]) == plain


def test_tools_are_counted_as_compact_json() -> None:
    text = json.dumps([TOOL], separators=(",", ":"))
    assert tokens("hi", [TOOL]) == tokens("hi") + int(len(text) * 1.1 / 4) + 1
    assert tokens("hi", [TOOL, TOOL]) > tokens("hi", [TOOL])
    assert tokens("hi", [object()]) > tokens("hi")


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("groq/openai/gpt-oss-20b", 77), ("meta-llama/Llama-3.3-70B-Instruct-Turbo", 35), ("command-r-08-2024", 70),
        ("command-a-03-2025", 550), ("command-a-reasoning-08-2025", 1400), ("grok-3-mini", 150), ("gpt-4o", 0), ("some-model", 0),
    ],
)  # fmt: skip
def test_a_models_template_is_added(model, more) -> None:
    assert tokens("hi", None, model) == tokens("hi") + more


def test_a_models_template_for_tools_is_added_only_with_tools() -> None:
    assert tokens("hi", [TOOL], "deepseek-chat") - tokens("hi", [TOOL]) > tokens("hi", None, "deepseek-chat") - tokens(
        "hi"
    )


def test_an_answer_is_expected_to_be_longer_where_the_model_thinks_first() -> None:
    assert estimate_tokens("hi").output_tokens == EXPECTED_OUTPUT
    assert estimate_tokens("hi", None, "llama-3.3-70b").output_tokens == EXPECTED_OUTPUT
    assert estimate_tokens("hi", None, "deepseek-reasoner").output_tokens == EXPECTED_REASONING_OUTPUT
    assert estimate_tokens("hi", None, "openai/gpt-oss-120b").output_tokens == EXPECTED_REASONING_OUTPUT


@pytest.mark.skipif(not TABLE.exists(), reason="the recorded token counts are not beside this checkout")
def test_estimates_are_seldom_below_what_providers_counted() -> None:
    """Text and tools of recorded exchanges, from their lengths; without web search and hosts' own system prompts."""
    with TABLE.open() as file:
        rows = [
            r for r in csv.DictReader(file) if r["has_media"] == r["has_schema"] == "0" and r["provider"] != "venice"
        ]
    enough = 0
    for row in rows:
        count = int(row["messages"])
        text = "x" * int(float(row["chars"]))
        messages = [{"role": "user", "content": text}, *({"role": "user", "content": ""} for _ in range(count - 1))]
        tools = ["x" * (int(float(row["tool_chars"])) - 4)] if row["has_tools"] == "1" else None
        enough += tokens(messages, tools, row["model"]) >= 0.95 * float(row["actual_prompt_tokens"])
    assert len(rows) > 300
    assert enough / len(rows) > 0.85
