"""A sandbox in a process of its own, as `Sandbox(process=True)` starts it: told by a line on standard input what to be.

It answers with one line, its address or what is wrong, and ends with its standard input, so that it never outlives
whoever started it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading

from rotor_core._errors import RotorError
from rotor_core.sandbox.server import run
from rotor_core.sandbox.spec import read_spec


def main() -> int:
    """Read the order, serve until standard input ends; 1 where it cannot be carried out."""
    # Control-C reaches every process of a terminal: this one is ended by whoever started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = json.loads(sys.stdin.readline())
    try:
        asyncio.run(
            run(
                read_spec(order["spec"]), _until_input_ends, lambda address: _tell({"address": address}),
                host=order["host"], port=order["port"], seed=order["seed"],
            )
        )  # fmt: skip
    except RotorError as error:
        _tell({"error": str(error)})
        return 1
    return 0


def _until_input_ends(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, name="rotor-sandbox-input", daemon=True).start()


def _tell(line: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
