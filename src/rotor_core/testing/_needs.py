"""Imported before anything else of this package: says what is missing, and has pytest explain the suites' assertions."""

from __future__ import annotations

from importlib.util import find_spec

for _name in ("pytest", "hypothesis"):
    if find_spec(_name) is None:
        raise ImportError(
            f"rotor_core.testing needs {_name}, which is not installed: pip install pytest hypothesis", name=_name
        )

import pytest  # noqa: E402  once it is known to be there

for _name in ("answers", "tools", "failures", "care", "made"):
    pytest.register_assert_rewrite(f"rotor_core.testing._adapter_{_name}")
