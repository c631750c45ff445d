"""Prices by the package that keeps them: the dearest hour, the base of tiers, names as providers write them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import SimpleNamespace

import pytest

pytest.importorskip("genai_prices", reason="genai-prices is not installed")

from genai_prices import data_snapshot

from rotor_core.catalog.prices import PriceBook

DAY = dt.date(2026, 11, 21)


class Model:
    """As the package's: dear from 1 to 4 in the morning (UTC), and by the length of the prompt."""

    def __init__(self, **more: object) -> None:
        self.more = more

    def get_prices(self, at: dt.datetime) -> SimpleNamespace:
        dear = 2 if 1 <= at.hour < 4 else 1
        tiers = SimpleNamespace(base=Decimal("0.5") * dear, tiers=[])
        return SimpleNamespace(
            **{"input_mtok": tiers, "output_mtok": Decimal(3) * dear, "cache_read_mtok": None, **self.more}
        )


@pytest.fixture
def book(monkeypatch):
    models = {"m": Model(), "silent": Model(output_mtok=None), "cached": Model(cache_read_mtok=Decimal("0.1"))}
    google = SimpleNamespace(id="google", find_model=models.get)
    monkeypatch.setattr(data_snapshot, "get_snapshot", lambda: SimpleNamespace(providers=[google]))
    return PriceBook()


def test_a_price_is_its_dearest_hours_and_the_base_of_its_tiers(book) -> None:
    assert book.price("gemini", "m", DAY) == {"input": 1.0, "output": 6.0}
    assert book.price("gemini", "cached", DAY)["cached"] == 0.1


def test_a_path_before_the_name_and_capitals_do_not_matter(book) -> None:
    assert book.price("gemini", "accounts/x/models/M", DAY) == {"input": 1.0, "output": 6.0}


def test_what_is_not_known_or_has_no_price_is_none(book) -> None:
    assert book.price("gemini", "other", DAY) is None
    assert book.price("gemini", "silent", DAY) is None
    assert book.price("nobody", "m", DAY) is None


def test_the_installed_package_knows_a_model_that_has_long_been_there(monkeypatch) -> None:
    monkeypatch.undo()
    book = PriceBook()
    assert book.price("openai", "gpt-4o", DAY) == {"input": 2.5, "output": 10.0, "cached": 1.25}
    assert book.source.startswith("genai-prices ")
