"""Holds coverage to two gates: every branch of flow, policy and state; 95 % of everything else, together.

Reads the data that the last test run left. Prints each file that falls short of its gate and exits with 1.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

WHOLE = (
    "src/rotor_core/_flow.py",
    "src/rotor_core/_acquire.py",
    "src/rotor_core/_work.py",
    "src/rotor_core/_attempts.py",
    "src/rotor_core/_hedge.py",
    "src/rotor_core/_settle.py",
    "src/rotor_core/_policy/",
    "src/rotor_core/_state/",
)
REST = 95.0


def report() -> dict[str, Any]:
    """Coverage by file, as coverage.py writes it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", out.name], check=True)  # noqa: S603  our own tool
        return dict(json.loads(Path(out.name).read_text())["files"])


def main() -> int:
    """Print what falls short; 1 if anything does."""
    files = report()
    whole = {name: f["summary"] for name, f in files.items() if name.startswith(WHOLE)}
    rest = [f["summary"] for name, f in files.items() if not name.startswith(WHOLE)]
    short = {name: s for name, s in whole.items() if s["missing_lines"] or s["missing_branches"]}
    for name, summary in short.items():
        missing = files[name]["missing_lines"], files[name]["missing_branches"]
        print(f"{name}: {summary['percent_covered']:.1f} %, not 100: lines {missing[0]}, branches {missing[1]}")
    covered = sum(s["covered_lines"] + s["covered_branches"] for s in rest)
    total = sum(s["num_statements"] + s["num_branches"] for s in rest)
    percent = 100 * covered / total if total else 100.0
    print(f"flow, policy and state: {len(whole) - len(short)} of {len(whole)} files whole; the rest: {percent:.1f} %")
    return int(bool(short) or not whole or percent < REST)


if __name__ == "__main__":
    sys.exit(main())
