"""Makes the file of `refreshed`: prices as a package has them, models as their providers list them. Asks through its arguments.

What fails is told and left out: a provider that is away must not cost what the others said. What was not asked for
keeps what the last refresh wrote of it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from rotor_core.adapters.wire import LiveModel
from rotor_core.catalog.layers import Layers
from rotor_core.catalog.refreshed import LIVE, PRICES, VERSION, Refreshed

_SOURCE: Final = "refresh"


class Book(Protocol):
    """Prices by a package, as `prices.PriceBook` has them. `source`: the package and its version; `url`: its home."""

    source: str
    url: str

    def price(self, provider: str, model: str, day: dt.date) -> dict[str, float] | None: ...


def priced(provider: str, layers: Layers, book: Book, day: dt.date) -> dict[str, Any]:
    """A section with the prices of a provider's models that the package knows."""
    models = {
        name: {"price": price} for name in layers.models if (price := book.price(provider, name, day)) is not None
    }
    return _section(models, {"what": book.source, "url": book.url, "date": day.isoformat(), "confidence": "package"})


def listed(layers: Layers, models: Iterable[LiveModel], url: str, day: dt.date) -> dict[str, Any]:
    """A section with what a provider's own list says.

    A list names few of the things that a model can do: what it does not name is not thereby denied.
    """
    found = {model.name: _live(model, layers) for model in models}
    return _section(
        found, {"what": "the provider's list of models", "url": url, "date": day.isoformat(), "confidence": "official"}
    )


def _live(model: LiveModel, layers: Layers) -> dict[str, Any]:
    sizes = {"context": model.context, "max_output": model.max_output}
    told: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None and size > 0}
    if model.capabilities is not None:
        known = layers.model(model.name, None).capabilities if model.name in layers.models else frozenset[str]()
        told["capabilities"] = sorted(model.capabilities | (known or frozenset()))
    if (
        model.input_price is not None
        and model.output_price is not None
        and min(model.input_price, model.output_price) >= 0
    ):
        told["price"] = {"input": model.input_price, "output": model.output_price}
    if model.retired is not None:
        told["shutdown"] = model.retired[:10]
        if model.replacement is not None:
            told["replacement"] = model.replacement
    return told


def _section(models: Mapping[str, Mapping[str, Any]], source: Mapping[str, Any]) -> dict[str, Any]:
    return {"source": _SOURCE, "sources": {_SOURCE: dict(source)}, "models": dict(models)}


def file_of(
    prices: Mapping[str, Mapping[str, Any]], live: Mapping[str, Mapping[str, Any]], before: Refreshed, at: dt.datetime
) -> dict[str, Any]:
    """The file's data. Of providers that neither mapping names, what was there `before` stays."""
    layers = {PRICES: dict(before.layer(PRICES)), LIVE: dict(before.layer(LIVE))}
    layers[PRICES].update({name: dict(section) for name, section in prices.items()})
    layers[LIVE].update({name: dict(section) for name, section in live.items()})
    told = [{"layer": layer, "providers": providers} for layer, providers in layers.items()]
    return {"version": VERSION, "at": at.isoformat(timespec="seconds"), "layers": told}


def write_refreshed(path: Path, data: Mapping[str, Any]) -> None:
    """Write the file, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, ensure_ascii=False)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
