"""What LiteLLM is told of `rotor/...` models: prices, sizes and capabilities, in its own list.

So `completion_cost`, spend tracking of streams, `supports_function_calling` and `get_model_info` know them. A model has
its own figures; a pool the best of its members', for Rotor passes over those that cannot serve a request; a pool has no
price, as its members differ.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rotor_core._model import Catalog, Model
from rotor_core._prepare import AUTO
from rotor_litellm.errors import PROVIDER
from rotor_litellm.host import litellm

logger: Final = logging.getLogger("rotor")
_SUPPORTS: Final[Mapping[str, str]] = {
    "tools": "supports_function_calling",
    "parallel_tools": "supports_parallel_function_calling",
    "json_schema": "supports_response_schema",
    "vision": "supports_vision",
    "reasoning": "supports_reasoning",
}

_told: Final[dict[str, dict[str, Any]]] = {}
"""What we wrote into LiteLLM's list, by name."""


def make_known(catalog: Catalog) -> None:
    """Tell LiteLLM of a catalog's models and pools. What somebody else says under the same name stays.

    A Router has entries there for its deployments, which may be empty, or None for all that was not known when it was
    made: so figures are laid under what there is.
    """
    models = {d.name: d.model for d in catalog.deployments.values()}
    told = {name: {**_sizes([model]), **_price(model)} for name, model in models.items()}
    for name, pool in catalog.pools.items():
        told[name] = _sizes([seat.deployment.model for seat in pool.seats])
    told[AUTO] = _sizes(models.values())
    listed: dict[str, dict[str, Any]] = litellm.model_cost
    fresh: dict[str, dict[str, Any]] = {}
    for name, figures in told.items():
        full = f"{PROVIDER}/{name}"
        before, ours = _told.get(full, {}), {**figures, "litellm_provider": PROVIDER, "mode": "chat"}
        theirs = {k: v for k, v in listed.pop(full, {}).items() if v is not None and before.get(k) != v}
        fresh[full] = {**ours, **theirs}
        _told[full] = ours
    try:
        litellm.register_model(fresh)
    except Exception as error:  # noqa: BLE001  whatever it is: prices are lacking then, and answers are not
        logger.warning("LiteLLM would not be told of Rotor's models, so it knows no prices of theirs: %s", error)


def _sizes(models: Iterable[Model]) -> dict[str, Any]:
    several = list(models)
    figures: dict[str, Any] = {
        theirs: True for ours, theirs in _SUPPORTS.items() if any(ours in (m.capabilities or ()) for m in several)
    }
    for theirs, sizes in (
        ("max_input_tokens", [m.context for m in several]),
        ("max_output_tokens", [m.max_output for m in several]),
    ):
        largest = max((size for size in sizes if size), default=None)
        if largest:
            figures[theirs] = largest
    return figures


def _price(model: Model) -> dict[str, float]:
    """USD per token, of what is known per million."""
    price = model.price
    if price is None:
        return {}
    cached = price.input if price.cached is None else price.cached
    return {
        "input_cost_per_token": price.input / 1e6,
        "output_cost_per_token": price.output / 1e6,
        "cache_read_input_token_cost": cached / 1e6,
        "cache_creation_input_token_cost": price.input / 1e6,
    }
