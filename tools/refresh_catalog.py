"""Writes and judges the packaged catalogs: `plugins/rotor-*/src/rotor_*/catalog.toml` and `src/rotor_core/catalog/data/*.toml`.

    python tools/refresh_catalog.py compare          # what the installed price data says differently, and what has ended
    python tools/refresh_catalog.py write FACTS.json # write the catalogs anew from a file of collected facts

The catalogs are committed and may be edited by hand: `write` is for a new survey, `compare` for every day. What a
survey has to hold stands in `catalog_rules.py`, beside what no survey says: windows, plans, scopes, replacements.
Prices are those of genai-prices where it has the model, and litellm's file (read, never imported) is the second opinion.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog_rules import LITELLM_PREFIXES, catalogs

from rotor_core.catalog.prices import PriceBook

ROOT = Path(__file__).parents[1]
_PLUGINS = ("groq", "openai", "gemini", "cohere", "mistral", "together")


def main() -> int:
    """Status 1 where something differs or has ended."""
    if sys.argv[1:2] == ["write"] and len(sys.argv) == 3:
        return _write(Path(sys.argv[2]))
    if sys.argv[1:] == ["compare"]:
        return _compare()
    print(__doc__)
    return 2


def path_of(provider: str) -> Path:
    """Where a provider's catalog is."""
    if provider in _PLUGINS:
        return ROOT / "plugins" / f"rotor-{provider}" / "src" / f"rotor_{provider}" / "catalog.toml"
    return ROOT / "src" / "rotor_core" / "catalog" / "data" / f"{provider}.toml"


def _write(facts: Path) -> int:
    for provider, (head, catalog) in catalogs(json.loads(facts.read_text()), Prices()).items():
        path = path_of(provider)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + "\n" + "\n".join(toml(catalog)).strip() + "\n", encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(catalog.get('models', {}))} models")
    return 0


def _compare() -> int:
    prices, found = Prices(), 0
    for path in sorted([*ROOT.glob("plugins/*/src/*/catalog.toml"), *ROOT.glob("src/rotor_core/catalog/data/*.toml")]):
        provider = path.parent.name.removeprefix("rotor_") if path.stem == "catalog" else path.stem
        for name, model in tomllib.loads(path.read_text()).get("models", {}).items():
            for line in _differences(provider, name, model, prices):
                print(f"{provider}/{name}: {line}")
                found += 1
    print(f"{found} differences")
    return 1 if found else 0


def _differences(provider: str, name: str, model: Mapping[str, Any], prices: Prices) -> Iterator[str]:
    ends = model.get("shutdown")
    if ends is not None and ends <= dt.datetime.now(dt.UTC).date():
        yield f"was shut down on {ends}: move it to `retired`"
    ours = model.get("price")
    for source, theirs in (("genai-prices", prices.genai(provider, name)), ("litellm", prices.litellm(provider, name))):
        if theirs is None or "transcription" in model.get("capabilities", ()):
            continue
        if ours is None:
            yield f"no price here, {source} has {theirs['input']}/{theirs['output']}"
            continue
        for part in ("input", "output", "cached"):
            if part in theirs and part in ours and abs(theirs[part] - ours[part]) > 1e-9 + 0.001 * ours[part]:
                yield f"{part} {ours[part]} here, {theirs[part]} by {source}"


class Prices:
    """What the two packages say a model costs now, USD per million tokens; None where one does not know it."""

    def __init__(self) -> None:
        self._book, self._day = PriceBook(), dt.datetime.now(dt.UTC).date()
        spec = importlib.util.find_spec("litellm")
        folder = Path((spec.submodule_search_locations or [""])[0]) if spec else Path()
        file = folder / "model_prices_and_context_window_backup.json"
        self.table: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else {}

    def genai(self, provider: str, model: str) -> dict[str, float] | None:
        return self._book.price(provider, model, self._day)

    def litellm(self, provider: str, model: str) -> dict[str, float] | None:
        prefix = LITELLM_PREFIXES.get(provider, f"{provider}/")
        entry = self.table.get(f"{prefix}{model}")
        if entry is None or "input_cost_per_token" not in entry or "output_cost_per_token" not in entry:
            return None
        keys = {
            "input": "input_cost_per_token",
            "output": "output_cost_per_token",
            "cached": "cache_read_input_token_cost",
        }
        return {part: round(entry[key] * 1e6, 6) for part, key in keys.items() if entry.get(key) is not None}


def toml(table: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[str]:
    """A mapping as TOML: what is plain first, then the tables in it; a table with no table in it and few keys inline."""
    later: list[tuple[str, Mapping[str, Any]]] = []
    for key, value in table.items():
        if isinstance(value, Mapping) and not _inline(key, place):
            later.append((key, value))
        else:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in later:
        here = (*place, key)
        if not value or any(not isinstance(v, Mapping) or _inline(k, here) for k, v in value.items()):
            yield ""
            yield f"[{'.'.join(_key(part) for part in here)}]"
        yield from toml(value, here)


def _inline(key: str, place: tuple[str, ...]) -> bool:
    return key in {"price", "from", "images", "audio"} or place[-1:] in {("retired",), ("sources",)}


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        if value and all(isinstance(item, Mapping) for item in value) and len(value) > 1:
            return "[\n" + "".join(f"  {_value(item)},\n" for item in value) + "]"
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    return f"{value:.10g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
