"""Routers over the sandbox, as a user makes them."""

from __future__ import annotations

from typing import Any

import litellm

from rotor_core.sandbox import Sandbox

FREE = {"input": 0, "output": 0}
PAID = {"input": 1, "output": 2}
HELLO = [{"role": "user", "content": "Say hello to the town of Ulm."}]


def entry(
    box: Sandbox,
    provider: str,
    *,
    group: str = "lab",
    key: int = 1,
    id: str | None = None,  # noqa: A002  LiteLLM's word
    rotor: Any = None,
    **params: Any,
) -> dict[str, Any]:
    """One deployment of `model_list`. `rotor`: its `model_info.rotor`."""
    info: dict[str, Any] = {"id": id or f"{provider}-{key}"}
    if rotor is not None:
        info["rotor"] = rotor
    return {
        "model_name": group,
        "litellm_params": {
            "model": "openai/m",
            "api_base": box.url(provider),
            "api_key": box.key(provider, key),
            **params,
        },
        "model_info": info,
    }


def router(*entries: dict[str, Any], **settings: Any) -> Any:
    return litellm.Router(model_list=list(entries), **{"num_retries": 3, "retry_after": 0, **settings})


def by(answer: Any) -> str:
    """Whose deployment answered."""
    return str(answer._hidden_params["model_id"])


def free(**limits: Any) -> dict[str, Any]:
    return {"price": FREE, **limits}
