"""The `rotor demo` command: its options, what it needs before it can begin, the status with which it ends."""

from __future__ import annotations

import importlib.util
from typing import Final

import click

from rotor_cli.engine import json_option
from rotor_cli.failures import FAILED, INTERRUPTED, CommandFailed
from rotor_cli.terminal import out, print_json

SECONDS: Final = 30.0


@click.command()
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
        raise CommandFailed(
            "the demo asks through LangChain, which is not installed: pip install 'llm-rotor[langchain]'"
        )
    from rotor_cli.demo.stage import perform  # noqa: PLC0415  imports LangChain

    summary = perform(seconds, rate, seed, None if as_json else out())
    if as_json:
        print_json(summary.to_dict())
    if summary.interrupted:
        return INTERRUPTED
    return 0 if summary.all_well else FAILED
