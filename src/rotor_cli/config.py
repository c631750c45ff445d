"""`rotor config`: write a first rotor.yaml, judge one, print its JSON Schema."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from rotor_cli.engine import json_option
from rotor_cli.failures import FAILED
from rotor_cli.files import write
from rotor_cli.terminal import print_json
from rotor_core import ConfigError, StoreError
from rotor_core._engine import reach_store, without_password
from rotor_core.catalog.check import check as judge
from rotor_core.catalog.problems import Finding
from rotor_core.catalog.schema import json_schema
from rotor_core.catalog.sources import catalog_from, found_config, found_refreshed, today
from rotor_core.catalog.starter import starter
from rotor_core.plugins import Plugins, installed
from rotor_core.stores.sqlite import SqliteStore


@click.group()
def config() -> None:
    """Write, check and describe rotor.yaml."""


@config.command()
@click.option(
    "--path", type=click.Path(path_type=Path, dir_okay=False), default="rotor.yaml", show_default=True, help="Where."
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def init(*, path: Path, force: bool) -> None:
    """Write a commented rotor.yaml to begin with."""
    write(path, starter(), force=force)
    click.echo(f"wrote {path}; next: `rotor config check {path}`")


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
def check(*, file: Path | None, as_json: bool) -> int:
    """Judge FILE, or the rotor.yaml that would be used. Status 1 where it cannot be used."""
    found, findings = _findings(file)
    errors = sum(f.level == "error" for f in findings)
    if as_json:
        _print_json(found, findings)
    else:
        _print_findings(found, findings, errors)
    return FAILED if errors else 0


def _findings(file: Path | None) -> tuple[str, Sequence[Finding]]:
    """What was judged, and what was found."""
    plugins = installed()
    source = found_config(os.environ) if file is None else file
    name = "the environment (no rotor.yaml was found)" if source is None else str(source)
    findings = judge(
        source,
        environ=os.environ,
        specs=plugins.providers,
        rankings=plugins.rankings,
        schemes=plugins.stores,
        offered=plugins.rules,
        refreshed=found_refreshed(os.environ),
        today=today(),
    )
    if all(f.level != "error" for f in findings):
        findings = (*findings, *store_findings(file, plugins))
    return name, findings


def store_findings(file: Path | None, plugins: Plugins) -> Iterator[Finding]:
    """Whether the store is there. A ledger in a file that is not there yet is made when it is first used."""
    catalog = catalog_from(file, os.environ, plugins.providers, plugins.rankings, plugins.stores)
    try:
        if catalog.store.startswith("sqlite:"):
            place = SqliteStore.named(catalog.store).path
            if not place.exists() and place.parent.is_dir():
                return
        reach_store(catalog, plugins)
    except ConfigError as error:
        yield Finding.of(error)
    except StoreError as error:
        refused = catalog.policy.on_store_error == "refuse"
        meant = "every request will be refused" if refused else "each process would go on with its share of the limits"
        named = without_password(catalog.store)
        words = " ".join(str(error).split())
        which = "" if named in words else f"the store {named} is out of reach: "
        text = f"{which}{words}; {meant} (policy.on_store_error)"
        problem = ConfigError(text, file=catalog.source, key="store")
        yield Finding.of(problem, "error" if refused else "warning")


def _print_findings(found: str, findings: Sequence[Finding], errors: int) -> None:
    for finding in findings:
        colour = "red" if finding.level == "error" else "yellow"
        click.echo(f"{_styled(finding.level, colour)}: {finding.message}")
    warnings = len(findings) - errors
    verdict = "cannot be used" if errors else "is good" if not warnings else "can be used"
    said = f", {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
    click.echo(f"{found}: {verdict}{said}")


def _styled(text: str, colour: str) -> str:
    """`text` in a colour where standard output is a terminal that wants one; click strips it elsewhere."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def _print_json(found: str, findings: Sequence[Finding]) -> None:
    rows: list[dict[str, Any]] = [
        {"level": f.level, "message": f.message, "file": f.file, "line": f.line, "key": f.key} for f in findings
    ]
    print_json({"source": found, "findings": rows})


@config.command()
def schema() -> None:
    """Print the JSON Schema of rotor.yaml, for editors and for checks elsewhere."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
