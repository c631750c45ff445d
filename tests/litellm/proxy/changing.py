"""A proxy that is changed while it is asked: strategies switched, routers made anew, configurations reloaded, models added
and taken away, each several times in the middle of a steady load. What came of the requests, in figures.

The free provider admits 150 requests, and more are offered. So whoever chooses without looking at
that limit is refused by it, which the provider counts: `upstream_429`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.litellm.made import FREE, HELLO, PAID, entry
from tests.litellm.proxy.inside import HOOK
from tests.litellm.proxy.running import KEY, Proxy, config_of, started

from rotor_core.sandbox import Sandbox

LIMIT = {"requests": 150, "per": "day", "window": "rolling"}
LAB: dict[str, Any] = {
    "providers": {
        "one": {"dialect": "openai", "latency": [0.05, 0.3], "keys": ["one-key"], "models": {"m": {"limits": [LIMIT]}}},
        "two": {"dialect": "openai", "latency": [0.05, 0.3], "keys": ["two-key", "two-other-key"], "models": {"m": {}}},
    }
}
STRATEGIES = ("least-busy", "latency-based-routing", "usage-based-routing-v2", "cost-based-routing", "simple-shuffle")


@dataclass(frozen=True, slots=True)
class Figures:
    """`changes`: how many were made. `taken_away`: after how many of them Rotor's strategy was gone from the router, until the
    next request. `by_rotor`: answers that say whom Rotor chose, beside those `answered`."""

    what: str
    offered: int
    answered: int
    refused: int
    by_rotor: int
    before: str
    after: str
    changes: int
    taken_away: int
    upstream_429: int
    errors: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


Change = tuple[str, Mapping[str, Any]]
"""A route of `inside`, and what it is told."""


def changes_in(proxy: Proxy, box: Sandbox) -> dict[str, Callable[[int], Change]]:
    """Each kind by name: its nth change."""
    more = [entry(box, "two", key=2, id=f"two-more-{n}", rotor={"price": PAID}) for n in (1, 2)]
    path = str(proxy.folder / "config.yaml")
    return {
        "routing strategy switched": lambda n: ("settings", {"routing_strategy": STRATEGIES[n % len(STRATEGIES)]}),
        "router settings changed": lambda n: ("settings", {"num_retries": 3 + n % 2, "timeout": 60 + n}),
        "router made anew": lambda n: ("anew", {"num_retries": 3, "retry_after": 0, "disable_cooldowns": True}),
        "configuration reloaded": lambda n: ("reload", {"path": path}),
        "models added and taken away": lambda n: ("models", {"entries": more[: n % 3]}),
    }


@asynccontextmanager
async def laboratory(folder: Path, **environ: str) -> AsyncIterator[tuple[Proxy, Sandbox]]:
    """A proxy over two providers, one of them free."""
    with Sandbox(LAB) as box:
        entries = [
            entry(box, "one", rotor={"price": FREE, "limits": [LIMIT]}),
            entry(box, "two", rotor={"price": PAID}),
        ]
        with started(folder, config_of(*entries), LITELLM_WORKER_STARTUP_HOOKS=HOOK, **environ) as proxy:
            yield proxy, box


async def under_load(
    proxy: Proxy, box: Sandbox, what: str, *, requests: int = 60, seconds: float = 2.0, changes: int = 10
) -> Figures:
    """Offer `requests` within `seconds`, every third as a stream, and change the proxy `changes` times meanwhile."""
    change, refusals = changes_in(proxy, box)[what], box.refusals()
    async with httpx.AsyncClient(
        base_url=proxy.url, headers={"authorization": f"Bearer {KEY}"}, timeout=60,
        limits=httpx.Limits(max_connections=200),
    ) as client:  # fmt: skip
        before = await asyncio.gather(*(_ask(client, n) for n in range(6)))
        gone = 0

        async def disturb() -> None:
            nonlocal gone
            for n in range(changes):
                path, told = change(n)
                (await client.post(f"/inside/{path}", json=told)).raise_for_status()
                gone += not (await client.post("/inside/chooses", json={})).json()["installed"]
                await asyncio.sleep(seconds / changes)

        async def offered(n: int) -> httpx.Response | None:
            # At a pace of its own, and not by what the proxy has answered: so every change meets requests under way.
            await asyncio.sleep(n * seconds / requests)
            return await _ask(client, n)

        *during, _ = await asyncio.gather(*(offered(n) for n in range(requests)), disturb())
        after = await asyncio.gather(*(_ask(client, n) for n in range(6)))
    answers = [a for a in during if a is not None and a.status_code == httpx.codes.OK]
    errors = [a.text[:300] if a is not None else "no answer" for a in during if a not in answers]
    return Figures(
        what, requests, len(answers), requests - len(answers), _by_rotor(answers),
        f"{_by_rotor(before)} of {len(before)}", f"{_by_rotor(after)} of {len(after)}",
        changes, gone, box.refusals() - refusals, tuple(itertools.islice(dict.fromkeys(errors), 3)),
    )  # fmt: skip


async def _ask(client: httpx.AsyncClient, n: int) -> httpx.Response | None:
    body = {"model": "lab", "messages": HELLO, "max_tokens": 5, "stream": n % 3 == 0}
    try:
        return await client.post("/v1/chat/completions", json=body)
    except httpx.HTTPError:
        return None


def _by_rotor(answers: list[httpx.Response | None] | list[httpx.Response]) -> int:
    return sum(a is not None and a.status_code == httpx.codes.OK and "x-rotor-deployment" in a.headers for a in answers)
