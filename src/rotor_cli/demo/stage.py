"""The performance from raising the curtain to the applause: providers, engine, load, audience, summary."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from rotor_cli.demo.account import Summary
from rotor_cli.demo.load import default_rate, questions
from rotor_cli.demo.run import Scene, engine, play
from rotor_cli.demo.show import audience, summary_view
from rotor_core.sandbox import Sandbox

POLICY: Final = {"ranking": "free-first", "max_wait": "60s", "max_wait_for_free": "2s"}
"""A free seat is worth two seconds; nobody is refused for want of patience."""

NEXT: Final = "next: `rotor config init` for your own providers, `rotor sandbox` to test against"


def perform(seconds: float, rate: float | None, seed: int, console: Console | None) -> Summary:
    """Play the demo, shown on `console` (None: to nobody), and sum it up. Ctrl-C ends it early."""
    with _no_proxies(), Sandbox("demo", process=True) as box:
        rotor = engine(box.config(policy=dict(POLICY)), seed)
        per_minute = rate or default_rate(rotor.catalog.deployments.values(), seconds)
        scene = Scene(rotor, seconds, per_minute)
        interrupted = False
        with audience(console) as lookers:
            try:
                asyncio.run(play(scene, questions(seed, seconds, per_minute), box.refusals, lookers))
            except KeyboardInterrupt:
                interrupted = True
        summary = scene.account.summary(box.refusals(), interrupted=interrupted)
    if console:
        console.print(summary_view(summary))
        console.print(NEXT, style="dim", soft_wrap=True)
    return summary


@contextmanager
def _no_proxies() -> Generator[None]:
    """The environment without its proxies, which could not reach a loopback that is ours."""
    hidden = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)
