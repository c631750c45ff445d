from __future__ import annotations

import pytest

from rotor_core._model import Rule
from rotor_core._policy.category import detect_category
from rotor_core._policy.rules import NO_EFFECTS, Effects, apply_rules

LONG = Rule(tokens_over=32000, require_context=128000)
RESEARCH = Rule(task="research", complexity_over=0.7, prefer_category="reasoning")


@pytest.mark.parametrize(
    ("rules", "tokens", "task", "complexity", "effects"),
    [
        ((), 10**6, "code", 1.0, NO_EFFECTS),
        ((LONG,), 32000, "code", 1.0, NO_EFFECTS),
        ((LONG,), 32001, "code", 0.0, Effects(128000, None)),
        ((RESEARCH,), 1, "research", 0.71, Effects(0, "reasoning")),
        ((RESEARCH,), 1, "research", 0.7, NO_EFFECTS),
        ((RESEARCH,), 1, "code", 0.9, NO_EFFECTS),
        ((RESEARCH,), 1, None, 0.9, NO_EFFECTS),
        ((LONG, RESEARCH), 40000, "research", 0.9, Effects(128000, "reasoning")),
        (
            (LONG, Rule(tokens_over=1, require_context=200000), Rule(tokens_over=1, require_context=5)),
            40000,
            None,
            0,
            Effects(200000),
        ),
        (
            (Rule(tokens_over=1, prefer_category="tiny"), Rule(tokens_over=1, prefer_category="large")),
            5,
            None,
            0,
            Effects(0, "tiny"),
        ),
    ],
)
def test_rules_act_when_all_their_conditions_hold(rules, tokens, task, complexity, effects) -> None:
    assert apply_rules(rules, tokens, task, complexity) == effects


@pytest.mark.parametrize(
    ("model", "category"),
    [
        ("openai/gpt-oss-20b", "small"),
        ("openai/gpt-oss-120b", "large"),
        ("llama-3.3-70b-versatile", "large"),
        ("meta-llama/Llama-3.2-1B-Instruct", "tiny"),
        ("ministral-3b-latest", "tiny"),
        ("qwen/qwen3.8-27b", "small"),
        ("gemma-4-26b-a4b-it", "small"),
        ("gemini-3.5-flash-lite", "small"),
        ("gemini-3.8-flash", "large"),
        ("gpt-4o", "large"),
        ("gpt-4o-mini", "small"),
        ("gpt-5.4-nano", "tiny"),
        ("gpt-6-luna", "small"),
        ("o3", "reasoning"),
        ("o4-mini", "reasoning"),
        ("deepseek-ai/DeepSeek-R1", "reasoning"),
        ("deepseek-reasoner", "reasoning"),
        ("kimi-k2-thinking", "reasoning"),
        ("command-a-reasoning-08-2025", "reasoning"),
        ("something-new", "large"),
    ],
)
def test_a_category_is_guessed_from_a_models_name(model, category) -> None:
    assert detect_category(model) == category
