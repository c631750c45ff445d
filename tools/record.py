"""`make record`: records the cassettes of the plugins in this tree anew. See `rotor_core.testing.record`."""

from __future__ import annotations

import sys
from pathlib import Path

from rotor_core.testing.record import main

TREE = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    main([*map(str, sorted(TREE.glob("plugins/*/tests/test_cassettes.py"))), *sys.argv[1:]])
