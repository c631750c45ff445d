"""Chaos in virtual time: six deployments that fail in every way, one of them well at any time. What of it reaches the callers.

usage: chaos.py [SEEDS] [REQUESTS] [raise|continue] [FIRST_SEED]
    prints one JSON line a seed and a summary; progress goes to stderr. 100,000 requests a seed unless it is said otherwise.

`answered`: in time, and whole; under `raise` a stream that was cut after its first chunk is not, and is counted beside as
`broken`, for no one can answer it. `per_minute`: requests that went to a deployment for each minute of its outage, by the
kind of outage (`flaky`: it failed a part of them only); `most_in_one`: the most in any one outage of it, with its length in seconds.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from rotor_core.simulate.chaos import Chaos


def main() -> None:
    given = sys.argv[1:]
    seeds = int(given[0]) if given else 10
    requests = int(given[1]) if len(given) > 1 else 100_000
    mode = given[2] if len(given) > 2 else "continue"
    first = int(given[3]) if len(given) > 3 else 1
    rows: list[dict[str, Any]] = []
    for seed in range(first, first + seeds):
        print(f"seed {seed} of {first}..{first + seeds - 1} ...", file=sys.stderr, flush=True)
        rows.append(one(seed, requests, mode))
        print(json.dumps(rows[-1]), flush=True)
    offered, answered = (sum(row[key] for row in rows) for key in ("offered", "answered"))
    broken = sum(row["broken"] for row in rows)
    clean = sum(row["nothing_left"] for row in rows)
    print(
        f"{seeds} seeds, streams under `{mode}`: {answered} of {offered} answered in time ({100 * answered / offered:.4f} %), "
        f"the worst seed {min(row['percent'] for row in rows):.4f} %; {broken} streams broken after their first chunk; "
        f"nothing left over in {clean} of {seeds}"
    )


def one(seed: int, requests: int, mode: str) -> dict[str, Any]:
    chaos, began = Chaos(seed, requests, stream_break=mode), time.perf_counter()
    report = chaos.run()
    took = time.perf_counter() - began
    left, upstream = chaos.left(), chaos.upstream
    outages = upstream.outages(chaos.seconds)
    answered = report.answered - report.late - len(report.garbled)
    broken = report.unserved_by["stream broken"]
    return {
        "seed": seed,
        "mode": mode,
        "offered": report.offered,
        "answered": answered,
        "percent": round(100 * answered / report.offered, 4),
        "percent_but_for_broken": round(100 * (answered + broken) / report.offered, 4),
        "unanswered": dict(report.unserved_by.most_common()),
        "broken": broken,
        "late": report.late,
        "garbled": len(report.garbled),
        "continued": report.continued,
        "seconds": {f"p{q}": round(report.quantile(q / 100), 2) for q in (50, 95, 99)}
        | {"p99.9": round(report.quantile(0.999), 2), "max": round(report.quantile(1.0), 2)},
        "by": dict(report.by),
        "refusals": report.refusals,
        "to_the_failing": dict(upstream.sent),
        "outage_minutes": {fault: round(lasted / 60, 1) for fault, lasted in outages.items()},
        "per_minute": {
            fault: round(60 * upstream.sent[fault] / lasted, 2) for fault, lasted in outages.items() if lasted
        },
        "most_in_one": most_in_one(chaos),
        "breakers_opened": report.events["breaker_opened"],
        "breakers_closed": report.events["breaker_closed"],
        "limits_learned": report.events["limit_learned"],
        "panics": report.panics,
        "left": asdict(left),
        "nothing_left": left.nothing,
        "checksum": report.checksum,
        "took": round(took, 1),
        "lost": report.lost[:20],
    }


def most_in_one(chaos: Chaos) -> dict[str, tuple[int, float]]:
    most: dict[str, tuple[int, float]] = {}
    for name, own in chaos.upstream.phases.items():
        for phase, following in pairwise(own):
            sent = chaos.upstream.sent_to[name, phase.start]
            if phase.fault is not None and sent > most.get(phase.name, (0, 0.0))[0]:
                most[phase.name] = sent, round(following.start - phase.start, 1)
    return most


if __name__ == "__main__":
    main()
