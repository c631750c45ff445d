"""`rotor status`: every deployment as it stands, once or until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rotor_cli.engine import config_option, json_option, opened

if TYPE_CHECKING:
    from rotor_core import Rotor

EVERY: Final = 1.0
"""Seconds between two looks."""


@click.command(short_help="Show every deployment as it stands.")
@json_option
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@config_option
def status(*, as_json: bool, watch: bool, config: Path | None) -> None:
    """Show each deployment's state, limits, latency and cost.

    Where limits are counted in memory (`store: memory://`), this process has only its own view: nothing used yet.
    """
    from rotor_cli.terminal import is_live, out

    with opened(config) as rotor:
        console = out()
        if as_json or not watch or not is_live(console):
            _print(rotor, as_json=as_json)
            while watch:
                time.sleep(EVERY)
                _print(rotor, as_json=as_json)
            return
        from rich.live import Live

        from rotor_cli.tables import status_table

        with Live(console=console, auto_refresh=False, screen=False) as live:
            while True:
                live.update(status_table(rotor.status(), width=console.width), refresh=True)
                time.sleep(EVERY)


def _print(rotor: Rotor, *, as_json: bool) -> None:
    from rotor_cli.tables import status_table
    from rotor_cli.terminal import out, print_json

    if as_json:
        print_json(rotor.status())
    else:
        console = out()
        console.print(status_table(rotor.status(), width=console.width))
