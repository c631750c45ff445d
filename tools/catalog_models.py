"""A catalog's models: from a survey's rows, and from litellm's file for those that the survey lacks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from catalog_rules import (
    AUDIO,
    CATEGORIES,
    EXTRA,
    IMAGES,
    LIMITS,
    LITELLM_PREFIXES,
    NOT_POOLED,
    PARALLEL,
    PLAN_NAMES,
    REPLACED,
    SUITS_CODE,
    UNPRICED,
    Prices,
)

_CAPABILITIES: Final = {
    "tools": "tools", "parallel_tools": "parallel_tools", "vision": "vision", "reasoning": "reasoning",
    "structured_output": "json_schema", "audio_in": "audio", "prompt_cache": "prompt_cache",
}  # fmt: skip
_LITELLM: Final = {
    "supports_function_calling": "tools", "supports_parallel_function_calling": "parallel_tools", "supports_vision": "vision",
    "supports_reasoning": "reasoning", "supports_response_schema": "json_schema", "supports_prompt_caching": "prompt_cache",
}  # fmt: skip
_SURVEYS: Final = {"requirements": "together-sdk", "doc": "cohere-transcribe"}


def surveyed_models(provider: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The models that the survey has of a provider."""
    return {row["model"]: _surveyed(provider, row) for row in facts["models"] if row["provider"] == provider}


def _surveyed(provider: str, row: Mapping[str, Any]) -> dict[str, Any]:
    name, hears = f"{provider}/{row['model']}", row["kind"] == "transcription"
    told = row.get("facts_source") or "litellm"
    source = _SURVEYS.get(told, told)
    cited: dict[str, str] = {}
    model: dict[str, Any] = {}
    for key, field in (("context", "context_window"), ("max_output", "max_output")):
        if row.get(field):
            model[key] = row[field]
    able = ["transcription"] if hears else _able(provider, row, cited)
    if able:
        model["capabilities"] = able
    if not hears:
        model["category"] = CATEGORIES.get(row["category"], row["category"])
        cited["category"] = "rule"
    _price(model, row, cited, source)
    _media(model, name, row, cited)
    if row.get("deprecation_date"):
        model["shutdown"] = dt.date.fromisoformat(row["deprecation_date"])
        model["replacement"] = REPLACED[name]
    _marks(model, name)
    model["source"] = source
    if cited := {figure: by for figure, by in cited.items() if by != source}:
        model["from"] = cited
    plans = _plans(provider, row)
    return {**model, **({"plans": plans} if plans else {})}


def _able(provider: str, row: Mapping[str, Any], cited: dict[str, str]) -> list[str]:
    told = row.get("capabilities") or {}
    able = [ours for theirs, ours in _CAPABILITIES.items() if told.get(theirs)]
    if provider in PARALLEL and "tools" in able and "parallel_tools" not in able:
        able.insert(1, "parallel_tools")
        cited["capabilities"] = PARALLEL[provider]
    return able


def _plans(provider: str, row: Mapping[str, Any]) -> dict[str, Any]:
    plans: dict[str, Any] = {}
    for theirs, ours in PLAN_NAMES.get(provider, {}).items():
        held = (row.get("limits") or {}).get(theirs)
        if held:
            plans[ours] = LIMITS[provider](ours, held, row["model"])
    if provider == "cohere" and "trial" not in plans:
        plans["trial"] = {"source": "cohere-docs", "price": {"input": 0, "output": 0}}
    return plans


def _price(model: dict[str, Any], row: Mapping[str, Any], cited: dict[str, str], source: str) -> None:
    told = row.get("price_usd_per_mtok") or {}
    if row["id"] == "cohere/command-a-plus-05-2026":
        told = {"input": 2.5, "output": 10.0}  # one source says 0, the other this: money is never spent by accident
        cited["price"] = "models.dev"
    elif "input" in told and row.get("price_source") and row["price_source"] != source:
        cited["price"] = row["price_source"]
    if "input" in told:
        model["price"] = {"input": told["input"], "output": told["output"]}
        if told.get("cached_input") is not None and told["input"]:
            model["price"]["cached"] = told["cached_input"]


def _media(model: dict[str, Any], name: str, row: Mapping[str, Any], cited: dict[str, str]) -> None:
    provider = name.partition("/")[0]
    if "vision" in model.get("capabilities", ()) and provider in IMAGES:
        images = dict(IMAGES[provider])
        cited["images"] = images.pop("source")
        model["images"] = images
    audio = next((dict(facts) for start, facts in AUDIO.items() if name.startswith(start)), {})
    if "source" in audio:
        cited["audio"] = audio.pop("source")
    hour = (row.get("price_usd_per_mtok") or {}).get("per_hour")
    if audio:
        model["audio"] = audio
    if hour is not None:
        model["audio_price"] = hour
        cited["audio_price"] = {"litellm": "litellm", "requirements": "together-old"}.get(
            row["price_source"], "cohere-transcribe"
        )


def _marks(model: dict[str, Any], name: str) -> None:
    if name in SUITS_CODE:
        model["suits"] = ["code"]
    if name in NOT_POOLED:
        model["pooled"] = False


def extra_models(provider: str, prices: Prices) -> dict[str, Any]:
    """Models that the survey does not have."""
    found: dict[str, Any] = {}
    for name, category in EXTRA.get(provider, {}).items():
        entry = prices.table[f"{LITELLM_PREFIXES.get(provider, f'{provider}/')}{name}"]
        able = [ours for theirs, ours in _LITELLM.items() if entry.get(theirs)]
        model: dict[str, Any] = {"context": entry["max_input_tokens"]}
        if entry.get("max_output_tokens"):
            model["max_output"] = entry["max_output_tokens"]
        cited = {"category": "rule"}
        if provider == "anthropic":
            able = [c for c in ("tools", "parallel_tools", "vision", "reasoning") if c == "parallel_tools" or c in able]
            cited["capabilities"] = "claude-openai"
        model |= {"capabilities": able, "category": category}
        told = prices.genai(provider, name)
        if told:
            cited["price"] = "genai-prices"
        else:
            told = {
                "input": round(entry["input_cost_per_token"] * 1e6, 6),
                "output": round(entry["output_cost_per_token"] * 1e6, 6),
            }
        model["price"] = told
        _media(model, f"{provider}/{name}", {}, cited)
        _marks(model, f"{provider}/{name}")
        found[name] = {**model, "source": "litellm-installed", "from": cited}
    for name, category in UNPRICED.get(provider, {}).items():
        found[name] = {"category": category, "source": "rule"}
    return found
