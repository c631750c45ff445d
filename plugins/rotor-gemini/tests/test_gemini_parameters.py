"""Parameters in Gemini's words: how much it thinks, and in which form it answers."""

from __future__ import annotations

import re

import pytest
from gemini_requests import NEW, OLD, body, config, function, user

from rotor_core.adapters.wire import UnfitError
from rotor_gemini.generations import generation_of


def test_openais_parameters_in_googles_words():
    made = config(
        temperature=0.5, top_p=0.9, top_k=40, max_tokens=100, stop="###", seed=7, n=2, presence_penalty=0.1,
        frequency_penalty=0.2, logprobs=True, top_logprobs=3,
    )  # fmt: skip
    assert made == {
        "temperature": 0.5, "topP": 0.9, "topK": 40, "maxOutputTokens": 100, "stopSequences": ["###"], "seed": 7,
        "candidateCount": 2, "presencePenalty": 0.1, "frequencyPenalty": 0.2, "responseLogprobs": True, "logprobs": 3,
    }  # fmt: skip
    assert config(max_tokens=5, max_completion_tokens=9) == {"maxOutputTokens": 9}
    assert config(stop=["a", "", "b"]) == {"stopSequences": ["a", "b"]}


def test_what_says_nothing_is_not_sent():
    assert config(temperature=None, stop=[], n=1, user="ada", metadata={}, store=True, parallel_tool_calls=False,
                  stream_options={"include_usage": True}, service_tier="auto", modalities=["text"], logit_bias={},
                  prompt_cache_options={"mode": "x"}) is None  # fmt: skip


def test_a_tier_that_google_does_not_have_is_none():
    told = [
        body(user("hi"), params={"service_tier": tier}).get("serviceTier") for tier in ("scale", "default", "priority")
    ]
    assert told == [None, None, "priority"]


def test_googles_own_names_go_to_their_place_in_either_spelling_and_win():
    made = body(
        user("hi"),
        params={
            "safety_settings": [{"category": "X"}],
            "cachedContent": "cachedContents/1",
            "thinkingConfig": {"thinkingBudget": -1},
            "reasoning_effort": "low",
            "media_resolution": "MEDIA_RESOLUTION_LOW",
            "generation_config": {"topP": 0.1},
            "top_p": 0.9,
            "service_tier": "flex",
        },
    )
    assert made["safetySettings"] == [{"category": "X"}]
    assert (made["cachedContent"], made["serviceTier"]) == ("cachedContents/1", "flex")
    assert made["generationConfig"] == {
        "topP": 0.1,
        "thinkingConfig": {"thinkingBudget": -1},
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }


def test_a_generation_config_in_either_spelling_says_each_thing_once():
    made = config(
        top_p=0.9,
        max_tokens=9,
        generation_config={"top_p": 0.1, "thinking_config": {"thinking_budget": 1}},
        generationConfig={"maxOutputTokens": 5, "topK": 3},
        reasoning_effort="low",
    )
    assert made == {"topP": 0.1, "maxOutputTokens": 5, "topK": 3, "thinkingConfig": {"thinking_budget": 1}}


@pytest.mark.parametrize("name", ["logit_bias", "temprature", "moderation", "web_search_options"])
def test_a_parameter_that_gemini_does_not_have_is_named(name):
    with pytest.raises(UnfitError, match=f"no parameter `{name}`"):
        config(**{name: {"a": 1}})


def test_other_modalities_than_text_are_refused():
    with pytest.raises(UnfitError, match="responseModalities"):
        config(modalities=["text", "audio"])


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        (OLD, "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128, "includeThoughts": False}),
        (OLD, "minimal", {"thinkingBudget": 1024, "includeThoughts": True}),
        (OLD, "medium", {"thinkingBudget": 8192, "includeThoughts": True}),
        (OLD, "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        (OLD, "max", {"thinkingBudget": 24576, "includeThoughts": True}),
        (NEW, "minimal", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        (NEW, "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemma-4-31b-it", "max", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (NEW, "none", {"thinkingLevel": "MINIMAL", "includeThoughts": False}),
        (NEW, "low", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.7-flash", "minimal", {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "none", {"thinkingLevel": "LOW", "includeThoughts": False}),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemma-4-31b-it", "low", {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemma-4-31b-it", "medium", {"thinkingLevel": "HIGH", "includeThoughts": True}),
    ],
)
def test_an_effort_of_reasoning_as_each_generation_is_told_it(model, effort, thinking):
    assert config(model, reasoning_effort=effort) == {"thinkingConfig": thinking}


@pytest.mark.parametrize("model", [OLD, NEW, "gemma-4-31b-it"])
def test_an_effort_of_no_meaning_is_named_and_that_of_no_effort_is_not_told(model):
    for effort in ("default", "auto", ""):
        assert config(model, reasoning_effort=effort) is None
    for effort in ("hihg", 5, {"a": 1}, ["low"]):
        with pytest.raises(UnfitError, match=rf"{re.escape(repr(effort))}.*minimal, low, medium"):
            config(model, reasoning_effort=effort)


def test_models_that_do_not_think_are_told_nothing_of_it():
    for model in ("gemini-2.0-flash", "gemma-3-27b-it"):
        assert config(model, reasoning_effort="high", include_reasoning=True) is None


def test_thoughts_are_shown_or_hidden_as_asked():
    assert config(include_reasoning=True) == {"thinkingConfig": {"includeThoughts": True}}
    assert config(reasoning_effort="high", include_reasoning=False)["thinkingConfig"]["includeThoughts"] is False


def test_the_form_of_the_answer():
    schema = {"type": "object", "properties": {"a": {"const": 1}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema, "strict": True}}
    json_type = {"responseMimeType": "application/json"}
    made = {**json_type, "responseJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}}}
    assert body(user("a"), response_format=wanted)["generationConfig"] == made
    assert config(response_format=wanted) == made
    assert config(response_format={"type": "json_object"}) == json_type
    assert config(response_format={"type": "text"}) is None
    with pytest.raises(UnfitError, match="'grammar'"):
        config(response_format={"type": "grammar"})


def test_tools_and_a_form_go_together_from_the_third_generation_on():
    both = {"tools": [function()], "response_format": {"type": "json_object"}}
    assert body(user("a"), **both)["tools"]
    with pytest.raises(UnfitError, match="not both"):
        body(user("a"), model=OLD, **both)


def test_what_a_generation_knows_is_read_from_its_name():
    assert [generation_of(m).thinking for m in ("gemini-1.5-pro", OLD, NEW, "my-tuned-model")] == [
        None,
        "budget",
        "level",
        "level",
    ]
    assert not generation_of("gemini-1.0-pro").system
