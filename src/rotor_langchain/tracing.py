"""What a trace and a cache see of a call: plain, the same for equal calls, and without secrets.

Who answers is not known when a run begins; `answers` says it afterwards. Until then the pool stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.language_models.base import LangSmithParams

from rotor_langchain.answers import PROVIDER
from rotor_langchain.call import HOW, RUN

if TYPE_CHECKING:
    from rotor_langchain.chat_model import ChatRotor


def identifying_params(chat: ChatRotor) -> dict[str, Any]:
    """What tells one ChatRotor's answers from another's. `catalog` is a hash over the configuration."""
    params: dict[str, Any] = {"model": pool_name(chat), "catalog": _catalog(chat)}
    if chat.task is not None:
        params["task"] = chat.task
    params.update(chat.default_params())
    return params


def _catalog(chat: ChatRotor) -> str:
    catalog = chat.engine.catalog
    return catalog.digest[:16] or ",".join(catalog.deployments)


def pool_name(chat: ChatRotor) -> str:
    """Where the model's requests go, unless a call says otherwise."""
    return chat.model or chat.engine.catalog.default_pool


def invocation_params(chat: ChatRotor, llm_type: str, stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a trace shows."""
    params = identifying_params(chat)
    params["_type"] = llm_type
    params["stop"] = chat.stop if stop is None else stop
    params.update(kwargs)
    params.pop(RUN, None)
    return params


def cache_key(chat: ChatRotor, llm_type: str, stop: list[str] | None, kwargs: dict[str, Any]) -> str:
    """Equal for calls whose answers are interchangeable."""
    params = invocation_params(chat, llm_type, stop, kwargs)
    for name in HOW:
        params.pop(name, None)
    return str(sorted(params.items()))


def langsmith_params(chat: ChatRotor, stop: list[str] | None, kwargs: dict[str, Any]) -> LangSmithParams:
    """LangChain's standard parameters; a call's own `model` comes before the instance's."""
    model = kwargs.get("model")
    params = LangSmithParams(
        ls_provider=PROVIDER,
        ls_model_name=model if isinstance(model, str) else pool_name(chat),
        ls_model_type="chat",
    )
    temperature = kwargs.get("temperature", chat.temperature)
    if isinstance(temperature, (int, float)):
        params["ls_temperature"] = temperature
    max_tokens = kwargs.get("max_tokens", chat.max_tokens)
    if isinstance(max_tokens, int):
        params["ls_max_tokens"] = max_tokens
    stop = chat.stop if stop is None else stop
    if stop:
        params["ls_stop"] = stop
    return params


def combined(outputs: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """The tokens of several prompts, added up."""
    totals: dict[str, int] = {}
    names: list[str] = []
    for output in outputs:
        if not output:
            continue
        for name, count in output["token_usage"].items():
            totals[name] = totals.get(name, 0) + count
        names.append(output["model_name"])
    if not names:
        return {}
    return {"token_usage": totals, "model_name": ", ".join(dict.fromkeys(names))}


def llm_output(message: Any) -> dict[str, Any] | None:
    """What one answer adds to `combined`; None for an answer from a cache, which cost nothing."""
    usage = message.usage_metadata
    if usage is None or "total_cost" in usage:
        return None
    return {
        "token_usage": {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
        },
        "model_name": message.response_metadata.get("model_name", ""),
    }
