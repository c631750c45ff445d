"""Judges all cassettes of this tree: each is played by a test, is whole, and holds nothing that must not be in it.

Each suite judges its own folder when it runs; this finds the folders that no suite knows of, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rotor_core.testing.cassette_suite import CassetteSuite
from rotor_core.testing.cassettes import Cassettes
from rotor_core.testing.record import suites_in

TREE = Path(__file__).resolve().parents[1]


def problems(folder: Path, suites: Iterable[type[CassetteSuite]]) -> list[str]:
    """Sentences, none when all is well."""
    known = {suite.folder.resolve(): suite for suite in suites}
    found: list[str] = []
    for suite in known.values():
        found += [*suite.orphans(), *suite.cassettes().problems()]
    for path in sorted(folder.rglob("*.y*ml")):
        if path.parent.resolve() not in known:
            found.append(f"{path}: no test plays it: there is no suite for its folder")
        elif path.suffix != ".yaml":
            found.append(f"{path}: no test plays it: a cassette's name ends in .yaml")
    for stray in {path.parent for path in folder.rglob("*.yaml")} - set(known):
        found += Cassettes(stray).problems()
    return found


def suites() -> list[type[CassetteSuite]]:
    """Those of the plugins in this tree."""
    files = sorted(TREE.glob("plugins/*/tests/test_cassettes.py"))
    return [suite for file in files for suite in suites_in(file)]


if __name__ == "__main__":
    found = problems(TREE / "cassettes", suites())
    print(*found, sep="\n")
    raise SystemExit(f"{len(found)} problems" if found else 0)
