"""Calls through a `litellm.Router` that are cancelled and streams that are left, at random points: what they leave behind.

usage: litellm_cancelling.py [CALLS] [SEED]      prints one JSON line; status 1 if a reservation outlived its lease

Half of the calls on an event loop, cut off at an instant of their own (while they wait for a seat, are sent, hang, fail
over, stream), half blocking in threads (timed out, streams left). `at once`: what is still held when LiteLLM has told of
the ends that it tells of, and what nobody holds any more was collected; its parts are reservations, calls in
flight by health, calls whose end is looked for. `expired`: the same when the ledger's clock has passed every lease.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
sys.path.insert(0, str(Path(__file__).parent.parent))

import litellm
from tests.litellm.leaving import SPEC, aleft_soon, cancelled, expire, left, left_blocking, left_soon, made

from rotor_core.sandbox import Sandbox


async def on_a_loop(box: Sandbox, calls: int, seed: int) -> dict[str, Any]:
    router, strategy = made(box)
    how = await cancelled(router, calls, 40, seed)
    held = left(strategy)
    once = await aleft_soon(strategy)
    return {"calls": calls, "how": dict(how), "when done": held, "at once": once, "expired": expire(strategy)}


def blocking(box: Sandbox, calls: int, seed: int) -> dict[str, Any]:
    router, strategy = made(box)
    how = left_blocking(router, calls, 8, seed)
    held = left(strategy)
    once = left_soon(strategy)
    return {"calls": calls, "how": dict(how), "when done": held, "at once": once, "expired": expire(strategy)}


def main() -> int:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    litellm.suppress_debug_info = True
    warnings.simplefilter("ignore")
    for name in ("LiteLLM", "LiteLLM Router", "asyncio", "rotor"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    began = time.monotonic()
    with Sandbox(SPEC) as box:
        found: dict[str, Any] = {"loop": asyncio.run(on_a_loop(box, calls // 2, seed))}
        box.reset()
        os.environ["ROTOR_STORE"] = "memory://blocking"
        found["blocking"] = blocking(box, calls - calls // 2, seed)
    found["s"] = round(time.monotonic() - began, 1)
    print(json.dumps(found))
    return int(any(part["expired"] for part in (found["loop"], found["blocking"])))


if __name__ == "__main__":
    sys.exit(main())
