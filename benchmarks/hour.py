"""An hour of traffic in virtual time: 20 requests a second over 8 deployments of all window kinds, seed by seed.

usage: hour.py [SEEDS] [SECONDS]     prints a line a seed, then how often providers refused in all
"""

from __future__ import annotations

import sys
import time

from rotor_core.simulate.scenarios import EVERY_WINDOW, poisson, world


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 3600.0
    refusals, longest = 0, 0.0
    for seed in range(1, seeds + 1):
        began = time.perf_counter()
        report = world(EVERY_WINDOW, seed).run(poisson(seed, seconds, 20))
        took = time.perf_counter() - began
        refusals, longest = refusals + report.refusals, max(longest, took)
        free = report.answered - report.by["paid/m#1"]
        print(
            f"seed {seed}: {report.answered} of {report.offered} answered, {free} free, {report.refusals} refused by "
            f"providers, {took:.1f} s, checksum {report.checksum}"
        )
    print(f"{seeds} seeds of {seconds:.0f} s: {refusals} refusals; the slowest took {longest:.1f} s")


if __name__ == "__main__":
    main()
