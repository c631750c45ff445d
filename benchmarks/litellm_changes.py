"""LiteLLM's proxy, changed under load: no request is lost, and Rotor goes on choosing.

usage: litellm_changes.py [REQUESTS] [SECONDS] [CHANGES]      prints one JSON line a kind; status 1 if a request was lost

`changes` were made while `offered` requests came in: strategies switched, routers made anew, configurations reloaded,
models added and taken away. `taken_away`: after how many of them LiteLLM had removed Rotor's strategy. `before`, `after`:
answers of Rotor's choice around them. `upstream_429`: requests that a provider refused by a limit that Rotor knew.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.litellm.proxy.changing import changes_in, laboratory, under_load


async def main(requests: int, seconds: float, changes: int) -> int:
    """Each kind of change in turn, on one proxy."""
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        async with laboratory(Path(folder)) as (proxy, box):
            for what in changes_in(proxy, box):
                figures = await under_load(proxy, box, what, requests=requests, seconds=seconds, changes=changes)
                lost += figures.refused + figures.answered - figures.by_rotor + figures.upstream_429
                print(json.dumps(figures.to_dict()), flush=True)
    return int(lost > 0)


if __name__ == "__main__":
    given = [float(value) for value in sys.argv[1:4]] + [300, 10, 20][len(sys.argv[1:4]) :]
    sys.exit(asyncio.run(main(int(given[0]), given[1], int(given[2]))))
