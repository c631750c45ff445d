"""Everything here speaks to LiteLLM's proxy in a process of its own, over a sandbox in this one."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

_NEEDED = ("fastapi", "mcp", "uvloop")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    here = Path(__file__).parent
    for item in items:
        if missing and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"LiteLLM's proxy needs {', '.join(missing)}"))
