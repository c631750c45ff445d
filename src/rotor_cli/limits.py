"""`rotor limits`: what each deployment is held to, how much of it is taken, and why that is believed."""

from __future__ import annotations

from pathlib import Path

import click

from rotor_cli.engine import config_option, json_option, opened
from rotor_cli.limits_table import limits_table
from rotor_cli.terminal import out, print_json


@click.command()
@click.argument("deployment", required=False)
@click.option("--pool", metavar="POOL", help="Only the deployments of this pool.")
@json_option
@config_option
def limits(deployment: str | None, *, pool: str | None, as_json: bool, config: Path | None) -> None:
    """Show each limit of DEPLOYMENT (an id, or `provider/model`), or of all: its figure, what is taken, whence it is known.

    Where limits are counted in memory (`store: memory://`), this process has only its own view: nothing used or learned yet.
    """
    if deployment is not None and pool is not None:
        raise click.UsageError("DEPLOYMENT and --pool exclude each other")
    with opened(config) as rotor:
        told = rotor.limits(deployment if pool is None else pool)
    if as_json:
        print_json(told)
    else:
        console = out()
        console.print(limits_table(told, width=console.width, ascii_only=console.options.ascii_only))
