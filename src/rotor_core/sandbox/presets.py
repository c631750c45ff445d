"""Ready descriptions of sandboxes. All names begin with `lab-`: these are imitations, with limits of their own."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, Final

from rotor_core._errors import ConfigError
from rotor_core.sandbox.spec import SandboxSpec, read_spec

_REALISTIC: Final = [0.05, 0.3]

DEMO: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "providers": {
            "lab-groq": {
                "dialect": "groq",
                "latency": _REALISTIC,
                "output": [40, 120],
                "keys": ["lab-groq-key"],
                "models": {
                    "oss-small": {
                        "context": 131072,
                        "capabilities": ["tools", "parallel_tools", "json_schema", "json_mode"],
                        "category": "small",
                        "price": {"input": 0, "output": 0},
                        "limits": [
                            {"requests": 30, "per": "minute", "window": "bucket"},
                            {"tokens": 12000, "per": "minute", "window": "bucket"},
                            {"requests": 1000, "per": "day", "window": "bucket"},
                        ],
                    }
                },
            },
            "lab-gemini": {
                "latency": _REALISTIC,
                "output": [40, 120],
                "keys": ["lab-gemini-key"],
                "models": {
                    "flash-mini": {
                        "context": 131072,
                        "capabilities": ["tools", "parallel_tools", "json_schema", "json_mode", "vision"],
                        "category": "small",
                        "price": {"input": 0, "output": 0},
                        "limits": [
                            {"requests": 15, "per": "minute", "window": "calendar"},
                            {"requests": 500, "per": "day", "window": "calendar", "tz": "America/Los_Angeles"},
                        ],
                    }
                },
            },
            "lab-cohere": {
                "latency": _REALISTIC,
                "output": [40, 120],
                "keys": ["lab-cohere-key"],
                "models": {
                    "command-mini": {
                        "context": 131072,
                        "capabilities": ["tools", "json_schema", "json_mode"],
                        "category": "large",
                        "price": {"input": 0, "output": 0},
                        "limits": [{"requests": 20, "per": "minute", "window": "rolling"}],
                    }
                },
            },
            "lab-mistral": {
                "latency": _REALISTIC,
                "output": [40, 120],
                "keys": ["lab-mistral-key"],
                "models": {
                    "ministral-mini": {
                        "context": 131072,
                        "capabilities": ["tools", "parallel_tools", "json_schema", "json_mode"],
                        "category": "small",
                        "price": {"input": 0, "output": 0},
                        "limits": [
                            {"requests": 1, "per": "second", "window": "bucket"},
                            {"tokens": 500000, "per": "minute", "window": "calendar"},
                        ],
                    }
                },
            },
            "lab-openai": {
                "latency": _REALISTIC,
                "output": [40, 120],
                "keys": ["lab-openai-key"],
                "models": {
                    "luna-mini": {
                        "context": 131072,
                        "max_output": 16384,
                        "capabilities": ["tools", "parallel_tools", "json_schema", "json_mode", "vision"],
                        "category": "large",
                        "price": {"input": 0.15, "output": 0.6},
                        "limits": [
                            {"requests": 5000, "per": "minute", "window": "bucket"},
                            {"tokens": 2000000, "per": "minute", "window": "bucket", "counts": "requested"},
                        ],
                    }
                },
            },
        },
        "pools": {
            "demo": [
                "lab-groq/oss-small",
                "lab-gemini/flash-mini",
                "lab-cohere/command-mini",
                "lab-mistral/ministral-mini",
                "lab-openai/luna-mini",
            ]
        },
    }
)
"""Four free deployments, one for each way of counting, and a paid one for what they cannot take."""

PLAIN: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "providers": {
            "lab": {
                "keys": ["lab-key"],
                "models": {
                    "m-1": {"limits": [], "price": {"input": 0, "output": 0}},
                    "m-2": {"limits": [], "price": {"input": 0, "output": 0}},
                },
            }
        }
    }
)
"""One provider that answers at once and without limits: for tests of what stands above."""

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({"demo": DEMO, "plain": PLAIN})


def spec_of(given: SandboxSpec | Mapping[str, Any] | str | None) -> SandboxSpec:
    """A sandbox from a description or a preset's name, `demo` where nothing is given. Raises `ConfigError`."""
    if isinstance(given, SandboxSpec):
        return given
    if isinstance(given, Mapping):
        return read_spec(given)
    name = given or "demo"
    if name not in PRESETS:
        raise ConfigError("there is no such sandbox", value=name, expected=" or ".join(PRESETS))
    return read_spec(deepcopy(dict(PRESETS[name])))
