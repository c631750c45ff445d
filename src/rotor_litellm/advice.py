"""Advice at install time, each line once in a process: settings of LiteLLM's that undo part of what Rotor does.

A proxy makes its router anew, and has it in several workers: what has been said is not said again, and of several
workers the first one speaks.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Mapping
from typing import Any, Final

logger: Final = logging.getLogger("rotor")

_SHOWN: Final = 3
"""Of several deployments as many are named."""


def advise(router: Any, said: set[str] | None = None) -> None:
    """Say in the log what had better be set otherwise. `said`: the lines that have been; those of now are added to it."""
    for line in advice_for(router):
        if said is None or line not in said:
            logger.warning("LiteLLM's settings and Rotor: %s", line)
            if said is not None:
                said.add(line)


def worker() -> int | None:
    """Which of a server's workers this process is, from 1 in the order in which they were started; None where it is alone."""
    # A worker is called `SpawnProcess-2`; a server itself has no number.
    _, dash, number = multiprocessing.current_process().name.rpartition("-")
    return int(number) if dash and number.isdigit() else None


def speaks() -> bool:
    """Whether this process is the one that speaks: of several workers, the first."""
    return worker() in {None, 1}


def advise_of_store(store: str, said: set[str]) -> None:
    """Say once that workers without a common store exceed every limit, as each counts for itself. `store`: its URL."""
    line = (
        "several workers, and each counts for itself, so that together they exceed limits: "
        "set ROTOR_STORE to a store that they share (redis://host:port/db, on one machine sqlite:///file)"
    )
    if worker() is not None and speaks() and store.startswith("memory:") and line not in said:
        said.add(line)
        logger.warning("LiteLLM's proxy and Rotor: %s", line)


def advice_for(router: Any) -> Iterator[str]:
    """Each line names a setting, what it does to Rotor, and what to set it to."""
    entries: list[dict[str, Any]] = router.model_list
    yield from _about_retries(router, entries)
    yield from _about_cooldowns(router)
    yield from _about_calls_at_a_time(router, entries)
    yield from _about_other_counting(router)


def _about_retries(router: Any, entries: list[dict[str, Any]]) -> Iterator[str]:
    groups: dict[str, int] = {}
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


def _about_cooldowns(router: Any) -> Iterator[str]:
    seconds: Any = getattr(router, "cooldown_time", None)
    if not getattr(router, "disable_cooldowns", None) and isinstance(seconds, int | float) and seconds > 0:
        yield (
            f"cooldowns take a deployment that failed away for {seconds:g} s, whatever its provider said of when to come "
            "back, which Rotor keeps to; set disable_cooldowns to true"
        )


def _about_calls_at_a_time(router: Any, entries: list[dict[str, Any]]) -> Iterator[str]:
    """LiteLLM refuses, and does not wait, beyond `max_parallel_requests`; where that is not set, `rpm` or `tpm` stand for it."""
    set_by: dict[str, list[str]] = {}
    for entry in entries:
        params: Mapping[str, Any] = entry["litellm_params"]
        info: Mapping[str, Any] = entry["model_info"]
        own: Any = info.get("rotor")
        if params.get("max_parallel_requests") is not None:
            name = "max_parallel_requests"
        elif params.get("rpm") is not None:
            # Where this is the limit itself, as many at a time are never let go at once.
            if not isinstance(own, Mapping) or "limits" not in own:
                continue
            name = "rpm"
        elif params.get("tpm") is not None:
            name = "tpm"
        else:
            continue
        set_by.setdefault(name, []).append(f"{entry['model_info']['id']}: {params[name]}")
    if getattr(router, "default_max_parallel_requests", None):
        set_by.setdefault("max_parallel_requests", []).append(f"default: {router.default_max_parallel_requests}")
    for name, which in set_by.items():
        places = ", ".join(which[:_SHOWN]) + (f" and {len(which) - _SHOWN} more" if len(which) > _SHOWN else "")
        if name == "max_parallel_requests":
            yield (
                f"max_parallel_requests refuses instead of waiting ({places}); "
                "say `limits: [{concurrent: n}]` in model_info.rotor instead"
            )
        else:
            counted = "as many" if name == "rpm" else "six calls for each 1,000"
            yield (
                f"LiteLLM takes {name} of litellm_params for a number of calls at a time, {counted}, and refuses more "
                f"({places}); say it among the limits of model_info.rotor alone"
            )


def _about_other_counting(router: Any) -> Iterator[str]:
    checks: Any = getattr(router, "optional_callbacks", None) or ()  # the router keeps no list of their names
    if any(type(check).__name__ == "ModelRateLimitingCheck" for check in checks):
        yield "enforce_model_rate_limits counts by the clock's minute and refuses; Rotor holds the same limits, so leave it out"
    strategy: Any = getattr(router, "routing_strategy", None)
    if getattr(strategy, "value", strategy) == "usage-based-routing-v2":
        yield (
            "routing_strategy=usage-based-routing-v2 refuses beyond rpm by the clock's minute, though it no longer chooses; "
            "set it to simple-shuffle"
        )
