"""Rotor beside LiteLLM's own routing: a rush on free tiers, and an outage. The same trace for each, by LiteLLM's Router.

usage: litellm_table.py [SECONDS] [SEED]      90 and 1; prints two tables in Markdown and one line of JSON

Providers are the sandbox's, on loopback, with limits that are enforced as real ones are. Each contestant has a process and
a sandbox of its own. Those of a scenario run side by side and begin at the same instant, which matters to limits by the
wall clock's minute; the scenarios come one after the other.

rush      four free deployments and one paid, offered about twice what is free
outage    the free one of three answers 500, then is well, then hangs, then is well again; limits are wide

LiteLLM has the settings that did best here of those that its documentation names: limits declared; one group whose `order` is
by price, the free ones first (in the outage much better than a fallback to a paid group, in the rush alike); three
retries, at once; `enable_pre_call_checks`; a deployment rests for 15 seconds after its second failure within a minute
(`allowed_fails` 1, `cooldown_time` 15), and a call has 5 seconds, without which a hang costs a caller all of its patience.
  simple-shuffle             its default, which takes the declared limits as weights
  usage-based-routing-v2     the one that counts requests and tokens
  enforce_model_rate_limits  shuffle with the limits enforced, tokens as itpm and otpm, the only ones that are reserved
  rotor_litellm.install      Rotor's strategy in the same Router: the same group, limits, retries and seconds; no `order`

answered   of all requests, within 30 seconds
429s       refusals by the providers, retried or not
failing    requests spent on a provider while it failed or hung
free       answers that cost nothing
cost       USD by the providers' count, answers that nobody waited for included
p50, p95   seconds until the answer or the error, of all requests
CPU        milliseconds a request, of the contestant's process

A busy machine delays everything and says nothing of routers. So how late requests were begun is measured, and where one
in twenty was more than `LATE` seconds late with every contestant of a scenario, the run is said to be void.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import statistics
import subprocess
import sys
import time
from random import Random
from typing import Any

PATIENCE = 30.0
TIMEOUT = 5
LATE = 0.1
FREE: dict[str, Any] = {"input": 0, "output": 0}
RUSH: dict[str, Any] = {
    "bucket": ({"requests": 30, "tokens": 12000}, "bucket", 0.2, FREE),
    "minute": ({"requests": 10, "tokens": 250_000}, "calendar", 0.5, FREE),
    "second": ({"requests": 60, "tokens": 500_000}, "bucket", 0.4, FREE),
    "rolling": ({"requests": 20, "tokens": 100_000}, "rolling", 0.6, FREE),
    "paid": ({"requests": 500, "tokens": 200_000}, "bucket", 0.45, {"input": 0.15, "output": 0.6}),
}
OUTAGE: dict[str, Any] = {
    "free": ({"requests": 300, "tokens": 600_000}, "bucket", 0.2, FREE),
    "dear": ({"requests": 600, "tokens": 600_000}, "bucket", 0.35, {"input": 0.88, "output": 0.88}),
    "cheap": ({"requests": 500, "tokens": 600_000}, "bucket", 0.45, {"input": 0.15, "output": 0.6}),
}
"""By provider: limits a minute, how they are counted, latency in seconds, price in USD per million tokens."""
FAULTS = ((0.15, 0.4, {"kind": "status", "status": 500}), (0.55, 0.8, {"kind": "hang", "seconds": 60.0}))
"""Of the outage: from and until (parts of the whole), and what happens to the free one then."""
SCENARIOS: dict[str, tuple[dict[str, Any], float]] = {"rush": (RUSH, 160.0), "outage": (OUTAGE, 120.0)}
"""Providers, and requests a minute."""
CONTESTANTS = ("simple-shuffle", "usage-based-routing-v2", "enforce_model_rate_limits", "rotor_litellm.install")


def spec(providers: dict[str, Any]) -> dict[str, Any]:
    return {
        "providers": {
            name: {
                "latency": [latency, latency], "output": [40, 120], "keys": [f"key-of-{name}"],
                "models": {"m": {"context": 131_072, "price": price, "limits": limits_of(amounts, window)}},
            }
            for name, (amounts, window, latency, price) in providers.items()
        }
    }  # fmt: skip


def limits_of(amounts: dict[str, int], window: str) -> list[dict[str, Any]]:
    if amounts["requests"] == 60:  # one a second, and no more at once
        return [{"requests": 1, "per": "second", "window": window}, {"tokens": amounts["tokens"], "per": "minute"}]
    return [{unit: amount, "per": "minute", "window": window} for unit, amount in amounts.items()]


def trace(seconds: float, a_minute: float, seed: int) -> list[tuple[float, str, int]]:
    """Arrivals at random, prompts of about 300 tokens, answers of at most so many."""
    random, at, found = Random(seed), 0.0, []
    while (at := at + random.expovariate(a_minute / 60)) < seconds:
        length = int(min(40_000, max(40, random.lognormvariate(math.log(1200), 0.9))))
        found.append(
            (at, ("say which seats are free and why " * (length // 30 + 1))[:length], random.choice([60, 120, 400]))
        )
    return found


# ---- one contestant, in a process of its own ----------------------------------------------------------------------


def router_of(contestant: str, providers: dict[str, Any], box: Any) -> Any:
    import litellm

    ours = contestant.startswith("rotor")
    prices, entries = sorted({price["output"] for _, _, _, price in providers.values()}), []
    for name, (amounts, window, _, price) in providers.items():
        params: dict[str, Any] = {"model": "openai/m", "api_base": box.url(name), "api_key": box.key(name)}
        params |= {f"{kind}_cost_per_token": price[kind] / 1e6 for kind in ("input", "output")}
        info: dict[str, Any] = {"id": name}
        if ours:
            info["rotor"] = {"limits": limits_of(amounts, window), "price": price}
        else:
            params["rpm"] = amounts["requests"]
            tokens = amounts["tokens"]
            reserved = contestant.startswith("enforce")
            params |= {"itpm": tokens * 3 // 4, "otpm": tokens // 4} if reserved else {"tpm": tokens}
            params["order"] = prices.index(price["output"]) + 1
        entries.append({"model_name": "all", "litellm_params": params, "model_info": info})
    given: dict[str, Any] = {"model_list": entries, "num_retries": 3, "retry_after": 0, "timeout": TIMEOUT}
    if ours:
        import rotor_litellm

        router = litellm.Router(**given)
        rotor_litellm.install(router)
        return router
    return litellm.Router(
        **given,
        routing_strategy=contestant if contestant.startswith("usage") else "simple-shuffle",
        optional_pre_call_checks=["enforce_model_rate_limits"] if contestant.startswith("enforce") else None,
        enable_pre_call_checks=True,
        allowed_fails=1,
        cooldown_time=15,
    )


async def run(contestant: str, scenario: str, seconds: float, seed: int, box: Any) -> dict[str, Any]:
    providers, a_minute = SCENARIOS[scenario]
    router = router_of(contestant, providers, box)
    requests = trace(seconds, a_minute, seed)
    print("ready", flush=True)
    begin = float(await asyncio.to_thread(sys.stdin.readline))
    took: list[tuple[bool, float]] = []
    late: list[float] = []
    spent = time.process_time()

    async def one(at: float, text: str, most: int) -> None:
        await asyncio.sleep(begin + at - time.time())
        late.append(time.time() - begin - at)
        asked = time.perf_counter()
        messages = [{"role": "user", "content": text}]
        try:
            answer = await asyncio.wait_for(
                router.acompletion(model="all", messages=messages, max_tokens=most), PATIENCE
            )
            well = bool(answer.choices[0].message.content)
        except Exception:
            well = False
        took.append((well, time.perf_counter() - asked))

    async def fail(since: float, until: float, fault: dict[str, Any]) -> None:
        await asyncio.sleep(begin + since * seconds - time.time())
        number = await asyncio.to_thread(lambda: box.fault(provider="free", **fault))
        await asyncio.sleep(begin + until * seconds - time.time())
        await asyncio.to_thread(box.lift, number)

    faults = [fail(*fault) for fault in FAULTS] if scenario == "outage" else []
    await asyncio.gather(*(one(*request) for request in requests), *faults)
    cpu = (time.process_time() - spent) / len(requests)
    found = figures(took, await asyncio.to_thread(box.stats), providers)
    late_s = sorted(late)[int(len(late) * 0.95)]
    return {
        "scenario": scenario,
        "contestant": contestant,
        **found,
        "cpu_ms": round(cpu * 1000, 1),
        "late_s": round(late_s, 3),
    }


def figures(took: list[tuple[bool, float]], records: list[dict[str, Any]], providers: dict[str, Any]) -> dict[str, Any]:
    times = sorted(seconds for _, seconds in took)
    answered = sum(well for well, _ in took)
    cost = sum(r["cost_usd"] for r in records)
    good = [r for r in records if r["status"] == 200 and r["ended"] == "whole"]
    return {
        "offered": len(took),
        "answered_percent": round(100 * answered / len(took), 1),
        "refusals": sum(r["dimension"] is not None for r in records),
        "failing": sum(r["fault"] is not None for r in records),
        "free": sum(providers[r["provider"]][3] is FREE for r in good),
        "cost_usd": round(cost, 4),
        "p50_s": round(statistics.median(times), 2),
        "p95_s": round(times[int(len(times) * 0.95)], 2),
    }


def child(contestant: str, scenario: str, seconds: float, seed: int) -> None:
    import litellm

    from rotor_core.sandbox import Sandbox

    litellm.suppress_debug_info = True
    for name in ("LiteLLM", "LiteLLM Router", "rotor"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with Sandbox(spec(SCENARIOS[scenario][0]), process=True, seed=seed) as box:
        print(json.dumps(asyncio.run(run(contestant, scenario, seconds, seed, box))), flush=True)


# ---- all of them --------------------------------------------------------------------------------------------------

COLUMNS = {
    "rush": (("answered", "answered_percent"), ("429s", "refusals"), ("free", "free"), ("cost", "cost_usd")),
    "outage": (("answered", "answered_percent"), ("failing", "failing"), ("free", "free"), ("cost", "cost_usd")),
}
UNITS = {
    "answered_percent": "{:g} %", "cost_usd": "${:.4f}", "p50_s": "{:.2f} s", "p95_s": "{:.2f} s", "cpu_ms": "{:.1f} ms",
}  # fmt: skip


def table(scenario: str, rows: list[dict[str, Any]]) -> str:
    columns = (*COLUMNS[scenario], ("p50", "p50_s"), ("p95", "p95_s"), ("CPU", "cpu_ms"))
    lines = [
        f"| {scenario}, {rows[0]['offered']} offered | " + " | ".join(title for title, _ in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    lines += [
        f"| {row['contestant']} | " + " | ".join(UNITS.get(key, "{}").format(row[key]) for _, key in columns) + " |"
        for row in rows
    ]
    return "\n".join(lines)


def measured(scenario: str, seconds: float, seed: int) -> list[dict[str, Any]]:
    """All contestants of a scenario, side by side."""
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1", "ROTOR_PLUGINS": ""}
    running = [
        subprocess.Popen(
            [sys.executable, __file__, "--one", contestant, scenario, str(seconds), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **quiet},
        )
        for contestant in CONTESTANTS
    ]  # fmt: skip
    try:
        for process in running:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise SystemExit("a contestant did not start; its error stands above")
        begin = time.time() + 1
        for process in running:
            assert process.stdin is not None
            process.stdin.write(f"{begin}\n")
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=seconds + 120)[0]) for process in running]
    finally:
        for process in running:
            process.kill()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 90.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    rows: list[dict[str, Any]] = []
    for scenario in SCENARIOS:
        found = measured(scenario, seconds, seed)
        print(table(scenario, found), end="\n\n", flush=True)
        late = min(row["late_s"] for row in found)
        if late > LATE:
            print(f"void: the machine was busy, and requests were begun {late:.2f} s late", file=sys.stderr)
        rows += found
    print(json.dumps({"seconds": seconds, "seed": seed, "rows": rows}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        child(sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
