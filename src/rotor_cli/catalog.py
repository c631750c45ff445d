"""`rotor catalog`: what is known of providers, models, plans, limits and prices, and since when; `refresh` finds what changed.

No key is needed to look. With keys in the environment (or a configuration) it says which plan each of them is on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from rotor_cli.catalog_table import catalog_table, why_table
from rotor_cli.engine import config_option, json_option
from rotor_cli.failures import FAILED
from rotor_cli.terminal import out, print_json
from rotor_core.catalog.sources import found_config, found_refreshed, today
from rotor_core.catalog.view import provider_catalog
from rotor_core.plugins import installed


class _Catalog(click.Group):
    """A group whose `show` need not be named: `rotor catalog groq` is `rotor catalog show groq`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Catalog)
def catalog() -> None:
    """Show what is known of providers and models, or refresh it. `rotor catalog` alone is `rotor catalog show`."""


@catalog.command()
@click.argument("name", required=False)
@click.option("--why", is_flag=True, help="Every figure with its source, date and confidence.")
@json_option
@config_option
def show(name: str | None, *, why: bool, as_json: bool, config: Path | None) -> None:
    """Show providers, models, plans, limits and prices of all providers, or of NAME: a provider, or `provider/model`."""
    told = looked_up(name, config)
    if as_json:
        print_json(told)
        return
    console = out()
    for warning in told["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    console.print(why_table(told) if why else catalog_table(told, width=console.width))


def looked_up(name: str | None, config: Path | None) -> dict[str, Any]:
    """The catalog, narrowed to a provider or a model. Raises ConfigError for a name that is neither."""
    plugins = installed()
    provider, _, model = (name or "").partition("/")
    told = provider_catalog(
        found_config(os.environ) if config is None else config,
        environ=os.environ,
        specs=plugins.providers,
        rankings=plugins.rankings,
        schemes=plugins.stores,
        refreshed=found_refreshed(os.environ),
        today=today(),
        only=provider or None,
    )
    if model:
        section = told["PROVIDER_CATALOG"].get(provider)
        if section is None:
            raise click.UsageError(
                f"of {provider}'s models nothing is known: write them under `providers.{provider}.models`"
            )
        known, gone = section["models"], section["retired"]
        if model in gone:
            use = f"; use {gone[model]['use']}" if gone[model]["use"] else ""
            day = f" on {gone[model]['on']}" if gone[model]["on"] else ""
            raise click.ClickException(f"{name} was shut down{day}{use}")
        if model not in known:
            raise click.UsageError(f"no catalog knows {name}; {provider} has {', '.join(known)}")
        section["models"] = {model: known[model]}
    return told


@catalog.command()
@click.option("--offline", is_flag=True, help="Prices alone: ask no provider.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="Seconds for one provider."
)
@json_option
@config_option
def refresh(*, offline: bool, timeout: float, as_json: bool, config: Path | None) -> int:
    """Take prices from genai-prices and models from the providers whose keys are there; write both beside the user's rotor.yaml.

    What fails is a line. Status 1 where nothing at all could be had.
    """
    from rotor_cli.catalog_refresh import refreshed_now  # noqa: PLC0415  who only looks need not import adapters

    result = refreshed_now(config, offline=offline, timeout=timeout)
    if as_json:
        print_json(result)
    else:
        for line in result["lines"]:
            click.echo(f"{line['name']}: {line['text']}", err=not line["good"])
        click.echo(f"wrote {result['path']}" if result["written"] else "nothing was written", err=not result["written"])
    return 0 if result["written"] else FAILED
