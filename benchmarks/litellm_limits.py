"""Many deployments with a small limit each, and twice as many requests as they allow: who keeps to the limits, in one process.

usage: litellm_limits.py [DEPLOYMENTS]      prints one JSON line; status 1 if Rotor sent more or fewer than was allowed

Each deployment says that it takes 2 requests a minute; twice as many as they all take are offered at once, 20 at a time,
to a `litellm.Router` without Redis. The upstream answers whatever comes and counts. `sent`: what reached it, `beyond`: what
a provider would have refused of that, `refused`: what the Router refused by itself. `rotor`: `rotor_litellm.install`, no
waiting. `enforce`: LiteLLM's `enforce_model_rate_limits`. `v2`: its `usage-based-routing-v2`. Both as its
documentation sets them, one try for each request; each contestant in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
sys.path.insert(0, str(Path(__file__).parent.parent))

CONTESTANTS: dict[str, dict[str, Any]] = {
    "rotor": {},
    "enforce": {"optional_pre_call_checks": ["enforce_model_rate_limits"]},
    "v2": {"routing_strategy": "usage-based-routing-v2"},
}
AT_ONCE = 20


async def contest(name: str, count: int) -> dict[str, Any]:
    import litellm
    from tests.litellm.counting import ALLOWED, counted, deployments

    import rotor_litellm

    litellm.suppress_debug_info = True
    for logger in ("LiteLLM", "LiteLLM Router"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    upstream, rotor = counted(), name == "rotor"
    router = litellm.Router(
        model_list=deployments(count, rotor=rotor), num_retries=0, disable_cooldowns=True, **CONTESTANTS[name]
    )
    if rotor:
        rotor_litellm.install(router, {"version": 1, "store": "memory://", "policy": {"max_wait": "0s"}})
    gate, refused, offered = asyncio.Semaphore(AT_ONCE), 0, 2 * ALLOWED * count

    async def one() -> None:
        nonlocal refused
        async with gate:
            try:
                await router.acompletion(model="many", messages=[{"role": "user", "content": "hello"}], max_tokens=5)
            except litellm.RateLimitError:
                refused += 1

    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(offered)))
    return {
        "offered": offered, "allowed": ALLOWED * count, "sent": upstream.asked.total(), "beyond": upstream.beyond,
        "refused": refused, "s": round(time.monotonic() - began, 1),
    }  # fmt: skip


def apart(name: str, count: int) -> dict[str, Any]:
    command = [sys.executable, __file__, str(count), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    if len(sys.argv) > 2:
        print(json.dumps(asyncio.run(contest(sys.argv[2], count))))
        return 0
    found = {name: apart(name, count) for name in CONTESTANTS}
    print(json.dumps({"deployments": count, **found}))
    return int(found["rotor"]["sent"] != found["rotor"]["allowed"] or found["rotor"]["beyond"] > 0)


if __name__ == "__main__":
    sys.exit(main())
