"""An upstream inside LiteLLM that answers at once and counts what each key was asked: no network, any number of keys."""

from __future__ import annotations

from collections import Counter
from typing import Any

import litellm
from litellm.types.utils import Choices, Message, Usage

ALLOWED = 2
"""Requests a minute that each key is said to take."""


class Counting(litellm.CustomLLM):
    """`asked`: how often each key was."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def completion(self, *_: Any, **kwargs: Any) -> Any:
        self.asked[str(kwargs["api_key"])] += 1
        response = kwargs["model_response"]
        response.choices = [Choices(message=Message(content="yes", role="assistant"), finish_reason="stop")]
        response.usage = Usage(prompt_tokens=9, completion_tokens=1, total_tokens=10)
        return response

    async def acompletion(self, *_: Any, **kwargs: Any) -> Any:
        return self.completion(**kwargs)

    @property
    def beyond(self) -> int:
        """Requests that a provider which keeps to its word would have refused."""
        return sum(max(0, n - ALLOWED) for n in self.asked.values())


def counted() -> Counting:
    """One that LiteLLM knows as the provider `counting`."""
    upstream = Counting()
    litellm.custom_provider_map = [{"provider": "counting", "custom_handler": upstream}]
    return upstream


def deployments(count: int, *, rotor: bool) -> list[dict[str, Any]]:
    """So many, each with a key of its own and its limit, in LiteLLM's words or in Rotor's."""
    limit = {
        "limits": [{"requests": ALLOWED, "per": "minute", "window": "rolling"}],
        "price": {"input": 0, "output": 0},
    }
    return [
        {
            "model_name": "many",
            "litellm_params": {"model": "counting/m", "api_key": f"key-{n}", **({} if rotor else {"rpm": ALLOWED})},
            "model_info": {"id": f"d{n}", **({"rotor": limit} if rotor else {})},
        }
        for n in range(count)
    ]
