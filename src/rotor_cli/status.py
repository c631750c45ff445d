"""`rotor status`: every deployment as it stands, once or until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.live import Live

from rotor_cli.engine import config_option, json_option, opened
from rotor_cli.tables import status_table
from rotor_cli.terminal import is_live, out, print_json
from rotor_core import Rotor

EVERY: Final = 1.0
"""Seconds between two looks."""


@click.command()
@json_option
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@config_option
def status(*, as_json: bool, watch: bool, config: Path | None) -> None:
    """Show each deployment's state, limits, latency and cost.

    Where limits are counted in memory (`store: memory://`), this process has only its own view: nothing used yet.
    """
    with opened(config) as rotor:
        console = out()
        if watch and not as_json and is_live(console):
            _draw_over(rotor, console)
        _print(rotor, console, as_json=as_json)
        while watch:
            time.sleep(EVERY)
            _print(rotor, console, as_json=as_json)


def _draw_over(rotor: Rotor, console: Console) -> None:
    """Until Ctrl-C."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_table(rotor, console), refresh=True)
            time.sleep(EVERY)


def _print(rotor: Rotor, console: Console, *, as_json: bool) -> None:
    if as_json:
        print_json(rotor.status())
    else:
        console.print(_table(rotor, console))


def _table(rotor: Rotor, console: Console) -> RenderableType:
    return status_table(rotor.status(), width=console.width, ascii_only=console.options.ascii_only)
