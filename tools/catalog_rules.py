"""What no survey of models says of a provider and its catalog has to: plans, windows, scopes, sources, what to use instead.

Figures that stand here were read in the named source on the named date; the survey's own come from its file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from rotor_core.catalog.prices import URL

LITELLM_PREFIXES: Final[Mapping[str, str]] = {
    "openai": "", "anthropic": "", "cohere": "", "together": "together_ai/", "fireworks": "fireworks_ai/",
}  # fmt: skip

_D = dt.date.fromisoformat
LITELLM_URL: Final = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json"
GENAI_URL: Final = URL


def _source(what: str, url: str | None, date: str, confidence: str) -> dict[str, Any]:
    return {"what": what, **({"url": url} if url else {}), "date": _D(date), "confidence": confidence}


GEMINI_LIMITS: Final = "https://ai.google.dev/gemini-api/docs/rate-limits"
SOURCES: Final = {
    "litellm": _source("litellm 1.109.1, its file of models", LITELLM_URL, "2026-11-08", "package"),
    "litellm-installed": _source("litellm 1.106.2, its file of models", LITELLM_URL, "2026-10-29", "package"),
    "genai-prices": _source("genai-prices 0.2.3", GENAI_URL, "2026-11-08", "package"),
    "models.dev": _source("models.dev", "https://github.com/anomalyco/models.dev", "2026-07-02", "third-party"),
    "freelm": _source("freelm 0.5.2, which probes its providers", None, "2026-10-09", "third-party"),
    "omniroute": _source(
        "OmniRoute's copy of the rate limits page", "https://github.com/diegosouzapw/OmniRoute", "2026-09-02", "third-party"
    ),
    "cheahjs": _source(
        "free-llm-api-resources, from a live account", "https://github.com/cheahjs/free-llm-api-resources", "2026-07-18", "third-party"
    ),
    "groq-limits": _source(
        "rate limits page, an undated copy of March 2026 or earlier", "https://console.groq.com/docs/rate-limits", "2026-03-01", "official"
    ),
    "groq-models": _source(
        "models page, Developer plan, an undated copy of about August 2026", "https://console.groq.com/docs/models", "2026-08-01", "official"
    ),
    "groq-vision": _source(
        "vision page, an undated copy that names an older model", "https://console.groq.com/docs/vision", "2025-12-01", "assumed"
    ),
    "groq-audio": _source(
        "speech to text page: 25 MB is by third parties, 100 MB the page's for Developer", "https://console.groq.com/docs/speech-to-text", "2026-03-01", "assumed"
    ),
    "groq-notice": _source("deprecation notices, quoted in public threads", "https://console.groq.com/docs/deprecations", "2026-08-16", "third-party"),
    "gemini-429": _source("error bodies of refused calls, July to October 2026", GEMINI_LIMITS, "2026-10-01", "observed"),
    "gemini-studio": _source(
        "AI Studio's page of limits, told in a pull request", "https://github.com/mnfst/awesome-free-llm-apis/pull/90", "2026-08-03", "third-party"
    ),
    "gemini-analogy": _source("taken from the models before it", GEMINI_LIMITS, "2026-10-01", "assumed"),
    "gemini-docs": _source("rate limits page", GEMINI_LIMITS, "2026-10-17", "official"),
    "gemini-media": _source(
        "image and audio pages, from memory", "https://ai.google.dev/gemini-api/docs/image-understanding", "2026-01-01", "assumed"
    ),
    "cohere-docs": _source("rate limits page, an undated copy of 2026", "https://docs.cohere.com/docs/rate-limits", "2026-01-01", "official"),
    "cohere-tools": _source(
        "tool use pages: several calls at once", "https://docs.cohere.com/docs/tool-use-usage-patterns", "2026-01-01", "assumed"
    ),
    "cohere-vision": _source("image pages, from memory", "https://docs.cohere.com/docs/image-inputs", "2026-01-01", "assumed"),
    "cohere-transcribe": _source("Transcribe page, an undated copy of 2026", "https://docs.cohere.com/docs/transcribe", "2026-01-01", "official"),
    "openrouter-docs": _source("limits page", "https://openrouter.ai/docs/api-reference/limits", "2026-10-17", "official"),
    "cerebras-docs": _source(
        "rate limits page, by way of api-evangelist", "https://inference-docs.cerebras.ai/support/rate-limits", "2026-07-18", "official"
    ),
    "cerebras-analogy": _source(
        "taken from other models of the plan", "https://inference-docs.cerebras.ai/support/rate-limits", "2026-07-18", "assumed"
    ),
    "together-docs": _source("rate limits page, an undated copy of 2026", "https://docs.together.ai/docs/serverless/rate-limits", "2026-01-01", "official"),
    "together-old": _source("a price of October 2025, which no package has", None, "2025-10-08", "assumed"),
    "together-sdk": _source("together 3.1.1, its documentation", "https://github.com/togethercomputer/together-python", "2026-10-01", "official"),
    "mistral-probe": _source(
        "free accounts: refused (403 tier_not_allowed), or measured", "https://github.com/WingedGuardian/GENesis-AGI/pull/1619", "2026-09-03", "observed"
    ),
    "mistral-sdk": _source(
        "mistralai 3.7.0: `parallel_tool_calls`", "https://github.com/mistralai/client-python", "2026-11-01", "official"
    ),
    "mistral-vision": _source("vision page, from memory", "https://docs.mistral.ai/capabilities/vision", "2026-01-01", "assumed"),
    "openai-models": _source(
        "model page, its table of tiers, quoted in a pull request", "https://developers.openai.com/api/docs/models", "2026-08-01", "official"
    ),
    "openai-profile": _source("a public profile of rate limits, approximate", "https://rate-limits.apis.io", "2026-01-01", "third-party"),
    "openai-old": _source("tier 1 as it was in October 2025", "https://platform.openai.com/docs/guides/rate-limits", "2025-10-08", "assumed"),
    "openai-images": _source("images and vision page, a copy", "https://platform.openai.com/docs/guides/images-vision", "2026-01-01", "official"),
    "openai-audio": _source("speech to text page", "https://platform.openai.com/docs/guides/speech-to-text", "2026-11-01", "official"),
    "claude-vision": _source("vision page, a copy", "https://platform.claude.com/docs/en/build-with-claude/vision", "2026-06-01", "official"),
    "claude-openai": _source(
        "page of the compatible endpoint: what it ignores, from memory", "https://platform.claude.com/docs/en/api/openai-sdk", "2026-01-01", "assumed"
    ),
    "rule": _source("our own judgement", None, "2026-11-20", "assumed"),
}  # fmt: skip

_MB: Final = 1_000_000
_MIB: Final = 1_048_576
_GROQ_FILES: Final = ["flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm"]


class Prices(Protocol):
    """The second opinions that `write` asks for models that the survey does not have."""

    table: dict[str, dict[str, Any]]

    def genai(self, provider: str, model: str) -> dict[str, float] | None: ...


Row = Mapping[str, Any]
Limits = dict[str, Any]


def _plain(row: Row) -> dict[str, Any]:
    """The shorthands of a survey's row of limits that there are."""
    return {name: row[name] for name in ("rpm", "rpd", "tpm", "tpd") if row.get(name)}


def _groq(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    cited = {"omniroute+freelm+cheahjs": "freelm", "omniroute+freelm": "freelm", "omniroute": "omniroute", "groq-rl+cheahjs": "cheahjs", "groq-rl": "groq-limits"}  # fmt: skip
    limits = [{**_plain(row), "window": "bucket"}]
    limits += [
        {"audio_seconds": row[k], "per": per, "window": "bucket"}
        for k, per in (("ash", "hour"), ("asd", "day"))
        if row.get(k)
    ]
    return {"source": cited.get(row["source"], row["source"]), "limits": limits}


def _openai(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    cited = {"requirements+openai-apisio": "openai-profile", "requirements": "openai-old"}
    limits = [{"rpm": row["rpm"], "window": "bucket"}, {"tpm": row["tpm"], "window": "bucket", "counts": "requested"}]
    return {"source": cited.get(row["source"], row["source"]), "limits": limits}


def _gemini(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    if not row.get("rpm"):
        return {"source": "gemini-analogy" if "assumed" in row["note"] else "gemini-429", "available": False}
    old = model.startswith("gemini-2.5")
    minute = (
        "cheahjs" if old else "gemini-analogy" if model.startswith(("gemini-3.7", "gemini-3.8")) else "gemini-studio"
    )
    day = minute if old or model.startswith("gemma") else "gemini-429"
    limits = [{"requests": row["rpm"], "per": "minute", "window": "calendar"}]
    if row.get("tpm"):
        limits.append({"input_tokens": row["tpm"], "per": "minute", "window": "calendar"})
    limits.append(
        {"requests": row["rpd"], "per": "day", "window": "calendar", "tz": "America/Los_Angeles", "source": day}
    )
    return {"source": minute, "limits": limits}


def _cohere(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    held: Limits = {"source": "cohere-docs"}
    if row.get("rpm"):
        held["limits"] = [{"rpm": row["rpm"], "window": "rolling"}]
        if plan == "production" and row.get("calls_per_month"):
            held["limits"].append({"requests": row["calls_per_month"], "per": "month", "window": "calendar"})
    return held | ({"price": {"input": 0, "output": 0}} if plan == "trial" else {})


def _mistral(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    if not row.get("rpm"):
        return {"source": "mistral-probe", "available": False}
    return {"source": "mistral-probe", "limits": [{"rpm": row["rpm"], "window": "calendar"}]}


def _cerebras(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    tokens = {name: row[name] for name in ("tpm", "tpd") if row.get(name)}
    limits: list[dict[str, Any]] = [
        {"rpm": row["rpm"], "window": "bucket"},
        {**tokens, "window": "bucket", "counts": "requested"},
    ]
    if row.get("tph"):
        limits.append({"tokens": row["tph"], "per": "hour", "window": "bucket", "counts": "requested"})
    return {"source": "cerebras-analogy" if "analogy" in row["source"] else "cerebras-docs", "limits": limits}


def _nvidia(plan: str, row: Row, model: str) -> Limits:  # noqa: ARG001  one signature for all
    return {"source": "freelm", "limits": [{"rpm": row["rpm"], "window": "rolling"}]}


PLAN_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "groq": {"free": "free", "paid1": "developer"},
    "openai": {"paid1": "tier-1", "tier2": "tier-2", "tier5": "tier-5"},
    "gemini": {"free": "free"},
    "cohere": {"free": "trial", "paid1": "production"},
    "mistral": {"free": "free"},
    "cerebras": {"trial": "trial", "paid1": "developer"},
    "nvidia": {"free": "free"},
}
LIMITS: Final[Mapping[str, Callable[[str, Row, str], Limits | None]]] = {
    "groq": _groq, "openai": _openai, "gemini": _gemini, "cohere": _cohere, "mistral": _mistral, "cerebras": _cerebras, "nvidia": _nvidia,
}  # fmt: skip


HEADS: Final[Mapping[str, dict[str, Any]]] = {
    "groq": {"plan": "free", "quota_scope": "organization"},
    "openai": {"quota_scope": "organization"},
    "gemini": {"plan": "free", "quota_scope": "project"},
    "cohere": {
        "plan": "trial",
        "quota_scope": "key",
        "plans": {
            "trial": {"source": "cohere-docs", "limits": [{"requests": 1000, "per": "month", "window": "calendar"}]}
        },
    },
    "mistral": {"quota_scope": "organization"},
    "together": {"quota_scope": "organization"},
    "cerebras": {"quota_scope": "organization"},
    "openrouter": {
        "quota_scope": "account",
        "shared": {
            "free models": {
                "models": ["*:free", "openrouter/free"],
                "source": "openrouter-docs",
                "limits": [{"rpm": 20, "rpd": 50, "window": "calendar"}],
                "plans": {
                    "credits": {"source": "openrouter-docs", "limits": [{"rpm": 20, "rpd": 1000, "window": "calendar"}]}
                },
            }
        },
    },
    "nvidia": {"plan": "free", "quota_scope": "account"},
    "cloudflare": {
        "quota_scope": "account",
        "plans": {"free": {"source": "freelm", "limits": [{"rpm": 300, "window": "calendar"}]}},
    },
    "deepseek": {"quota_scope": "account"},
    "xai": {"quota_scope": "organization"},
    "anthropic": {"quota_scope": "organization"},
    "fireworks": {"quota_scope": "account"},
    "huggingface": {"quota_scope": "account"},
    "sambanova": {"quota_scope": "organization"},
}
COMMENTS: Final[Mapping[str, str]] = {
    "groq": "Limits are buckets that refill continuously, of an organization and a model.\n# A request above the tokens per minute can never pass.",
    "openai": "No tier is assumed: an account's own limits stand in the headers of its first answer. Token limits\n# count what is asked for (prompt and longest answer) at admission. Prices are those of prompts up to\n# 272,000 tokens; longer ones cost twice the input and half as much again for the output.",
    "gemini": "Minutes are the wall clock's, days end at midnight in America/Los_Angeles, per project and model.\n# Prices are what paid keys pay: say `plan: paid` for one; its limits are not published.",
    "cohere": "A trial key: any 60 seconds for each model, and 1,000 calls a month for all together, not for commercial use.",
    "mistral": "Whether there is a free plan left is in doubt, so none is assumed: say `plan: free` where you have one.",
    "together": "Limits are dynamic and unpublished: what holds is learned from headers and refusals.",
    "cerebras": "Prompt and longest answer are charged at admission. The trial's credit needs a payment method.",
    "openrouter": "Free models share one counter of the account, whatever its keys; `plan: credits` after 10 credits were bought.",
    "nvidia": "Unpublished and dependent on load.",
    "cloudflare": "Free: 10,000 neurons a day for the whole account, which cannot be counted here; a refusal teaches it.",
    "deepseek": "Prices are those of the dear hours.",
    "xai": "Prices are those of prompts up to 200,000 tokens.",
    "anthropic": "The endpoint that speaks OpenAI's dialect. It ignores response_format, so no json_schema is promised.",
    "fireworks": "Serverless models.",
    "huggingface": "What a model costs depends on who serves it, so its price is unknown.",
    "sambanova": "The free tier ended in August 2026.",
}

# Facts about single models that no survey has, by provider/model or by a beginning of it.
IMAGES: Final[Mapping[str, dict[str, Any]]] = {
    "groq": {"source": "groq-vision", "max_request_bytes": 4 * _MB, "max_count": 5, "max_pixels": 33_177_600},
    "openai": {"source": "openai-images", "max_request_bytes": 50 * _MB, "max_count": 500},
    "gemini": {"source": "gemini-media", "max_request_bytes": 20 * _MB, "max_count": 3600},
    "mistral": {"source": "mistral-vision", "max_bytes": 10 * _MB, "max_count": 8},
    "cohere": {"source": "cohere-vision", "max_request_bytes": 20 * _MB, "max_count": 20},
    "anthropic": {"source": "claude-vision", "max_bytes": 5 * _MIB, "max_count": 600, "max_pixels": 64_000_000},
}
AUDIO: Final[Mapping[str, dict[str, Any]]] = {
    "groq/whisper": {"source": "groq-audio", "max_bytes": 25 * _MB, "formats": _GROQ_FILES},
    "openai/whisper-1": {"source": "openai-audio", "max_bytes": 25 * _MIB},
    "openai/gpt-transcribe": {"source": "openai-audio", "max_bytes": 25 * _MIB},
    "openai/gpt-4o-transcribe": {"source": "openai-audio", "max_bytes": 25 * _MIB},
    "openai/gpt-4o-mini-transcribe": {"source": "openai-audio", "max_bytes": 25 * _MIB},
    "together/openai/whisper": {
        "source": "together-sdk",
        "max_bytes": 80 * _MB,
        "max_seconds": 14_400,
        "formats": ["wav", "mp3", "m4a", "webm", "flac", "ogg", "opus", "aac"],
    },
    "cohere/cohere-transcribe": {
        "source": "cohere-transcribe",
        "max_bytes": 25 * _MB,
        "formats": ["flac", "mp3", "mpeg", "mpga", "ogg", "wav"],
    },
    "gemini/gemini-3.5-transcribe": {"source": "gemini-media", "tokens_per_second": 32},
    "gemini/gemini-3.5-flash-lite": {
        "source": "gemini-media",
        "tokens_per_second": 32,
        "max_seconds": 34_200,
        "formats": ["wav", "mp3", "aiff", "aac", "ogg", "flac"],
    },
}
PARALLEL: Final = {"mistral": "mistral-sdk", "cohere": "cohere-tools"}
"""Providers whose models that take tools may call several at once by its documents, where the survey does not say."""

NOT_POOLED: Final = frozenset(
    {
        "groq/openai/gpt-oss-safeguard-20b",  # it judges texts
        "groq/groq/compound",  # agents of their own, which search the web
        "groq/groq/compound-mini",
        "openrouter/openrouter/free",  # a router itself
        "openai/gpt-6-astra",  # ten times what its neighbours cost
        "gemini/gemini-2.5-flash",  # closed to new accounts, which get 404
        "gemini/gemini-2.5-flash-lite",
        "gemini/gemini-2.5-pro",
    }
)
SUITS_CODE: Final = frozenset(
    {
        "mistral/codestral-2508",
        "mistral/devstral-latest",
        "cloudflare/@cf/qwen/qwen2.5-coder-32b-instruct",
        "xai/grok-build-0.1",
    }
)
CATEGORIES: Final = {"system": "large", "router": "large", "code": "large"}
REPLACED: Final = {
    "openai/o3": "gpt-6.1-sol", "openai/gpt-5-mini": "gpt-6-luna", "openai/gpt-5-nano": "gpt-6-luna", "openai/gpt-5.4-nano": "gpt-6-luna",
    "openai/whisper-1": "gpt-transcribe", "openai/gpt-4o-transcribe": "gpt-transcribe", "openai/gpt-4o-mini-transcribe": "gpt-transcribe",
    "gemini/gemini-3.1-flash-lite": "gemini-3.5-flash-lite",
}  # fmt: skip
RETIRED: Final[Mapping[str, dict[str, tuple[str | None, str, str]]]] = {
    "groq": {
        "mixtral-8x7b-32768": ("2025-03-20", "openai/gpt-oss-20b", "groq-notice"),
        "llama-3.1-70b-versatile": ("2025-01-24", "openai/gpt-oss-120b", "groq-notice"),
        "llama-3.3-70b-versatile": ("2026-08-16", "openai/gpt-oss-120b", "groq-notice"),
        "llama-3.1-8b-instant": ("2026-08-16", "openai/gpt-oss-20b", "groq-notice"),
        "meta-llama/llama-4-scout-17b-16e-instruct": ("2026-07-17", "qwen/qwen3.8-27b", "groq-notice"),
        "meta-llama/llama-4-maverick-17b-128e-instruct": (None, "qwen/qwen3.8-27b", "groq-notice"),
        "qwen/qwen3-32b": ("2026-07-17", "qwen/qwen3.8-27b", "groq-notice"),
        "qwen/qwen3.6-27b": (None, "qwen/qwen3.8-27b", "rule"),
    },
    "together": {
        "meta-llama/Llama-3.3-70B-Instruct-Turbo": ("2026-10-22", "openai/gpt-oss-120b", "litellm"),
        "deepseek-ai/DeepSeek-V3.1": ("2026-05-14", "openai/gpt-oss-120b", "litellm"),
        "Qwen/Qwen2.5-72B-Instruct-Turbo": ("2026-02-06", "openai/gpt-oss-120b", "litellm"),
        "Qwen/Qwen2.5-Coder-32B-Instruct": ("2025-11-13", "deepseek-ai/DeepSeek-V4.1-Flash-1017", "litellm"),
        "meta-llama/Llama-4-Scout-17B-16E-Instruct": ("2026-02-06", "nvidia/NVIDIA-Nemotron-3.5-Super-VL", "litellm"),
        "Qwen/Qwen2.5-VL-72B-Instruct": ("2026-01-05", "nvidia/NVIDIA-Nemotron-3.5-Super-VL", "litellm"),
    },
}

_FIREWORKS: Final = "accounts/fireworks/models/"
EXTRA: Final[Mapping[str, Mapping[str, str]]] = {
    "deepseek": {"deepseek-flash": "large", "deepseek-v4-flash": "large", "deepseek-v4-pro": "reasoning"},
    "xai": {"grok-4.7": "reasoning", "grok-4.5": "reasoning", "grok-4.3": "large", "grok-build-0.1": "large"},
    "anthropic": {"claude-haiku-5-5": "small", "claude-sonnet-5-5": "large", "claude-opus-5-5": "reasoning", "claude-haiku-4-5": "small"},
    "fireworks": {
        f"{_FIREWORKS}gpt-oss-20b": "small", f"{_FIREWORKS}glm-5p3-flash": "small", f"{_FIREWORKS}glm-5p3": "reasoning",
        f"{_FIREWORKS}kimi-k3": "reasoning", f"{_FIREWORKS}deepseek-v4p1-flash-1017": "large", f"{_FIREWORKS}minimax-m3": "large",
    },
    "sambanova": {"gpt-oss-120b": "large", "MiniMax-M2.7": "large", "DeepSeek-V3.2": "large", "gemma-4-31B-it": "small"},
}  # fmt: skip
"""Models of litellm's file that the survey does not have, with their categories."""

UNPRICED: Final = {
    "huggingface": {
        "openai/gpt-oss-120b": "large",
        "openai/gpt-oss-20b": "small",
        "zai-org/GLM-5.3": "reasoning",
        "moonshotai/Kimi-K3": "reasoning",
    }
}


def catalogs(facts: Mapping[str, Any], prices: Prices) -> dict[str, tuple[str, dict[str, Any]]]:
    """By provider: the comment at its catalog's head, and the catalog."""
    from catalog_models import extra_models, surveyed_models  # noqa: PLC0415  it reads the tables above

    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for provider, head in HEADS.items():
        models = surveyed_models(provider, facts) | extra_models(provider, prices)
        retired = {
            name: {**({"on": _D(on)} if on else {}), "use": use, "source": source}
            for name, (on, use, source) in RETIRED.get(provider, {}).items()
        }
        catalog = {**head, "sources": {}, "models": models, **({"retired": retired} if retired else {})}
        catalog["sources"] = {name: SOURCES[name] for name in SOURCES if name in _cited(catalog)}
        lines = "\n".join(f"# {line}".replace("# # ", "# ") for line in COMMENTS[provider].split("\n"))
        found[provider] = (
            f"# What {provider} has and allows; docs/catalog.md describes the format.\n{lines}\n",
            catalog,
        )
    return found


def _cited(value: object, key: str = "") -> set[str]:
    """Every name of a source in a catalog."""
    if isinstance(value, Mapping):
        inner = [_cited(v, "source" if key == "from" else str(k)) for k, v in value.items()]
        return set[str]().union(*inner)
    if isinstance(value, list):
        return set[str]().union(*(_cited(item) for item in value))
    return {value} if key == "source" and isinstance(value, str) else set()
