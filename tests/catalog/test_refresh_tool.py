"""The tool that writes the packaged catalogs: what it writes reads back as it was."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location("refresh_catalog", TOOLS / "refresh_catalog.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(TOOLS))


FILES = [
    *sorted(TOOLS.parent.glob("plugins/*/src/*/catalog.toml")),
    *sorted(TOOLS.parent.glob("src/rotor_core/catalog/data/*.toml")),
]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.parent.name + "-" + p.stem)
def test_a_catalog_is_written_as_it_was_read(path, tool) -> None:
    data = tomllib.loads(path.read_text())
    text = "\n".join(tool.toml(data))
    assert tomllib.loads(text) == data
    assert text.strip() == "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#")).strip()


def test_a_model_that_has_ended_or_costs_something_else_is_told(tool) -> None:
    class Prices:
        def genai(self, provider, model):
            return {"input": 1.0, "output": 3.0}

        def litellm(self, provider, model):
            return {"input": 1.0005, "output": 2.0} if model == "m" else None

    import datetime as dt

    model = {"price": {"input": 1, "output": 2}, "shutdown": dt.date(2020, 1, 1)}
    assert list(tool._differences("acme", "m", model, Prices())) == [
        "was shut down on 2020-01-01: move it to `retired`",
        "output 2 here, 3.0 by genai-prices",
    ]
    assert list(tool._differences("acme", "n", {}, Prices())) == ["no price here, genai-prices has 1.0/3.0"]
