"""`rotor reset`: let the ledger forget why deployments rest and what it learned of their limits."""

from __future__ import annotations

from pathlib import Path

import click

from rotor_cli.engine import config_option, json_option, opened
from rotor_cli.tables import in_memory
from rotor_cli.terminal import print_json, remark
from rotor_cli.words import count


@click.command()
@click.argument("deployment", required=False)
@click.option("--all", "everything", is_flag=True, help="All deployments.")
@click.option("--windows", is_flag=True, help="Also forget what was counted in their limits: providers do not.")
@json_option
@config_option
def reset(deployment: str | None, *, everything: bool, windows: bool, as_json: bool, config: Path | None) -> None:
    """Forget rests and learned limits of DEPLOYMENT: an id, `provider/model`, or a pool."""
    if (deployment is None) is not everything:
        raise click.UsageError(
            "name a DEPLOYMENT, or use --all" if deployment is None else "DEPLOYMENT and --all exclude each other"
        )
    with opened(config) as rotor:
        done = rotor.reset(deployment, windows=windows)
        memory = in_memory(rotor.catalog.store)
    if as_json:
        print_json({"reset": list(done), "windows": windows})
        return
    what = "rests, learned limits and counts" if windows else "rests and learned limits"
    click.echo(f"forgot the {what} of {done[0] if len(done) == 1 else count(len(done), 'deployment')}")
    if memory:
        remark("limits are counted in each process by itself (memory store): other processes have forgotten nothing")
