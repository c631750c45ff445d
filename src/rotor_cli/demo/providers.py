"""Who takes part in the demo: free seats under each kind of window, small enough to fill while one looks, and a paid one.

Written as a sandbox is described; the policy goes to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

PAID_MODEL: Final = "lab-openai/large"

PROVIDERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "lab-groq": {
            "dialect": "groq",
            "latency": [0.1, 0.4],
            "keys": ["lab-key-1", "lab-key-2"],
            "models": {
                "quick": {
                    "context": 8192,
                    "price": {"input": 0, "output": 0},
                    "limits": [
                        {"requests": 20, "per": "minute", "window": "bucket"},
                        {"tokens": 5000, "per": "minute", "window": "bucket"},
                    ],
                }
            },
        },
        "lab-gemini": {
            "latency": [0.3, 0.7],
            "keys": ["lab-key-3"],
            "models": {
                "thorough": {
                    "context": 32768,
                    "price": {"input": 0, "output": 0},
                    "limits": [{"requests": 5, "per": 15, "window": "calendar"}],
                }
            },
        },
        "lab-cohere": {
            "latency": [0.3, 0.9],
            "keys": ["lab-key-4"],
            "models": {
                "plain": {
                    "context": 32768,
                    "price": {"input": 0, "output": 0},
                    "limits": [{"requests": 6, "per": 15, "window": "rolling"}],
                }
            },
        },
        "lab-openai": {
            "latency": [0.3, 0.6],
            "keys": ["lab-key-5"],
            "models": {
                "large": {
                    "context": 131072,
                    "price": {"input": 0.25, "output": 1.0},
                    "limits": [
                        {"requests": 1000, "per": "minute", "window": "bucket"},
                        {"concurrent": 6},
                    ],
                }
            },
        },
    }
)

SPEC: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "providers": PROVIDERS,
        "pools": {"demo": ["lab-groq/quick", "lab-gemini/thorough", "lab-cohere/plain", PAID_MODEL]},
        "default_pool": "demo",
        # A free seat is worth two seconds; nobody is refused for want of patience.
        "policy": {"ranking": "free-first", "max_wait": "60s", "max_wait_for_free": "2s"},
    }
)
