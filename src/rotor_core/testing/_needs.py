"""Says what is missing, before anything else of this package is imported: it needs what Rotor itself does not."""

from __future__ import annotations

from importlib.util import find_spec

for _name in ("pytest", "hypothesis"):
    if find_spec(_name) is None:
        raise ImportError(
            f"rotor_core.testing needs {_name}, which is not installed: pip install pytest hypothesis", name=_name
        )
