"""Advice at install time, once for each router: settings of LiteLLM's that undo part of what Rotor does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

logger: Final = logging.getLogger("rotor")


def advise(router: Any) -> None:
    """Say in the log what had better be set otherwise."""
    for line in advice_for(router):
        logger.warning("LiteLLM's settings and Rotor: %s", line)


def advice_for(router: Any) -> Iterator[str]:
    """Each line names a setting, what it does to Rotor, and what to set it to."""
    groups: dict[str, int] = {}
    entries: list[dict[str, Any]] = router.model_list
    for entry in entries:
        groups[entry["model_name"]] = groups.get(entry["model_name"], 0) + 1
    largest, name = max(((count, name) for name, count in groups.items()), default=(0, ""))
    retries = router.num_retries if isinstance(router.num_retries, int) else 0
    if largest > 1 and retries < min(largest - 1, 3):
        yield (
            f"num_retries={retries} ends a request after {retries + 1} of the {largest} deployments of {name!r}; "
            f"set it to {min(largest - 1, 4)} or more"
        )
    if getattr(router, "retry_after", 0):
        yield f"retry_after={router.retry_after} delays retries that could go elsewhere at once; set it to 0"
    params: list[tuple[str, dict[str, Any]]] = [(str(e["model_info"]["id"]), e["litellm_params"]) for e in entries]
    parallel = [name for name, said in params if said.get("max_parallel_requests")]
    if parallel or getattr(router, "default_max_parallel_requests", None):
        yield (
            f"max_parallel_requests refuses instead of waiting ({', '.join(parallel[:3]) or 'all deployments'}); "
            "say `limits: [{concurrent: n}]` in model_info.rotor instead"
        )
    checks = getattr(router, "optional_pre_call_checks", None) or ()
    if "enforce_model_rate_limits" in checks:
        yield "enforce_model_rate_limits counts by the clock's minute and refuses; Rotor holds the same limits, so leave it out"
