"""The `rotor demo` command: its options, what it needs before it can begin, how it ends."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, Any, Final

import click

from rotor_cli.engine import json_option
from rotor_cli.failures import FAILED, INTERRUPTED, CommandFailed

if TYPE_CHECKING:
    from rotor_cli.demo.account import Summary

SECONDS: Final = 30.0


@click.command(short_help="Watch a chain rotate over limited providers.")
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=SECONDS, metavar="N", help="How long to ask. [default: 30]"
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), metavar="PER_MINUTE",
    help="Questions a minute. [default: about twice what the free seats allow]",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Another seed, another load.")
@json_option
def demo(*, seconds: float, rate: float | None, seed: int, as_json: bool) -> int:
    """Rotate a LangChain chain over limited providers on this machine; no key, no network, no cost.

    Ends in a summary. Status 0 only where every question was answered and no provider had to refuse one.
    """
    if importlib.util.find_spec("langchain_core") is None:
        raise CommandFailed("the demo asks through LangChain, which is not installed: pip install 'llm-rotor[langchain]'")
    summary = _played(seconds, rate, seed, as_json=as_json)
    if as_json:
        from rotor_cli.terminal import print_json

        print_json(summary.to_dict())
    if summary.interrupted:
        return INTERRUPTED
    return 0 if summary.all_well else FAILED


def _played(seconds: float, rate: float | None, seed: int, *, as_json: bool) -> Summary:
    """Set the scene, play it, sum it up (and show that where nobody asked for JSON)."""
    from rotor_cli.demo.load import default_rate, questions
    from rotor_cli.demo.run import Scene, engine, play
    from rotor_cli.demo.show import summary_view, watcher
    from rotor_cli.terminal import out
    from rotor_core.sandbox import Sandbox

    console = None if as_json else out()
    with Sandbox(process=True) as box:
        rotor = engine(box.config(), seed)
        per_minute = rate or default_rate(rotor.catalog.deployments.values(), seconds)
        scene = Scene(rotor, seconds, per_minute)
        interrupted = False
        with watcher(console) as (watch, every):
            try:
                asyncio.run(play(scene, questions(seed, seconds, per_minute), box.refusals, watch, every))
            except KeyboardInterrupt:
                interrupted = True
        summary = scene.account.summary(box.refusals(), interrupted=interrupted)
    if console:
        console.print(summary_view(summary))
    return summary
