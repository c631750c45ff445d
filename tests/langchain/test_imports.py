"""What importing the package costs and brings along."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import rotor_langchain

HEAVY = ("langchain", "langgraph", "litellm", "aiohttp", "tiktoken", "yaml", "rotor_core.rotor", "rotor_core.catalog")


def test_importing_it_brings_neither_a_host_nor_the_engine():
    code = f"import rotor_langchain, sys; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_of_the_langchain_family_only_core_is_imported_anywhere_but_where_a_host_is_asked_for():
    found: set[tuple[str, str]] = set()
    for file in Path(rotor_langchain.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []  # fmt: skip
            found |= {
                (file.stem, n.split(".")[0]) for n in names if n.startswith(("langchain", "langgraph", "litellm"))
            }

    assert {pair for pair in found if pair[1] != "langchain_core"} == {
        ("register", "langchain"),
        ("events", "langgraph"),
    }


def test_the_public_names_are_these():
    assert sorted(rotor_langchain.__all__) == ["ChatRotor", "register"]
