"""`docs/catalog.md`: the format that it shows is read, and the keys that it lists are those there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from rotor_core.catalog.catalog_schema import CatalogModelSection, CatalogSection, Figure
from rotor_core.catalog.packaged import validated
from rotor_core.catalog.schema import ModelSection, ProviderSection

PAGE = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_is_a_catalog() -> None:
    section = validated("acme", tomllib.loads(EXAMPLE))
    assert list(section.models) == ["acme-1", "acme-2", "acme-hear"]


@pytest.mark.parametrize(("ours", "users"), [(CatalogSection, ProviderSection), (CatalogModelSection, ModelSection)])
def test_every_key_that_only_a_catalog_has_is_shown(ours, users) -> None:
    own = {field.alias or name for name, field in ours.model_fields.items() if name not in users.model_fields}
    assert [key for key in own if not re.search(rf"^\[*{key}\b|\.{key}\]|^\[{key}[\].]", EXAMPLE, re.MULTILINE)] == []


def test_every_figure_that_may_have_a_source_is_named() -> None:
    assert all(f"`{figure}`" in PAGE for figure in get_args(Figure))
