"""What models cost now by genai-prices, a package of dated prices. It is large: imported here, when asked, nowhere else.

A price that depends on the hour is taken at its dearest, one that depends on the prompt's length at its base: what is
reserved for a call must not be less than what short calls cost at any time of the day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

NAMES: Final[Mapping[str, str]] = {"gemini": "google", "xai": "x-ai"}
"""Providers that the package knows by another name than Rotor."""

URL: Final = "https://github.com/pydantic/genai-prices"
_PARTS: Final = {"input": "input_mtok", "output": "output_mtok", "cached": "cache_read_mtok"}
_HOURS: Final = range(24)


class PriceBook:
    """The package's prices. Raises ImportError where it is not installed: `pip install llm-rotor[prices]` does that."""

    def __init__(self) -> None:
        from genai_prices import data_snapshot  # noqa: PLC0415  0.4 s and 100 MB, for who asked for it

        self.url = URL
        self.source = f"genai-prices {version('genai-prices')}"
        self._providers = {provider.id: provider for provider in data_snapshot.get_snapshot().providers}

    def price(self, provider: str, model: str, day: dt.date) -> dict[str, float] | None:
        """`input`, `output` and where known `cached`, USD per million tokens; None for a model that it does not know."""
        known = self._providers.get(NAMES.get(provider, provider))
        # A provider may put a path before its models' names, which the package leaves out.
        found = known and (known.find_model(model.lower()) or known.find_model(model.rpartition("/")[2].lower()))
        if not found:
            return None
        hours = [dt.datetime(day.year, day.month, day.day, hour, 30, tzinfo=dt.UTC) for hour in _HOURS]
        prices = [found.get_prices(hour) for hour in hours]
        dearest: dict[str, float] = {}
        for part, name in _PARTS.items():
            told = [_base(value) for price in prices if (value := getattr(price, name)) is not None]
            if told:
                dearest[part] = max(told)
        return dearest if {"input", "output"} <= dearest.keys() else None


def _base(value: Any) -> float:
    return float(getattr(value, "base", value))
