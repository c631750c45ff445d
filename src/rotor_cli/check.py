"""`rotor check`: plugins, configuration, keys and the store, each looked at, one line each; status 1 where something is broken."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from rotor_cli.check_keys import KeyState, Verdict, keys_of, validated
from rotor_cli.check_report import BROKEN, Line, Report, State, shown
from rotor_cli.config import store_findings
from rotor_cli.engine import config_option, json_option
from rotor_cli.failures import FAILED, masked
from rotor_cli.terminal import print_json
from rotor_core._engine import without_password
from rotor_core._errors import ConfigError
from rotor_core._model import Catalog
from rotor_core.catalog.check import check as judge
from rotor_core.catalog.packaged import section_of
from rotor_core.catalog.sources import catalog_from, found_config, found_refreshed, today
from rotor_core.plugins import Finding, Plugins, installed, unreachable

_SILENCE: Final = logging.NullHandler()
"""What plugins are warned of stands in the report: Python's handler of last resort need not say it once more."""


@click.command()
@click.option("--offline", is_flag=True, help="Ask no provider and no store.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 120.0),
    default=8.0,
    show_default=True,
    help="Seconds for all keys together.",
)
@json_option
@config_option
def check(*, offline: bool, timeout: float, as_json: bool, config: Path | None) -> int:
    """Look at plugins, configuration, keys (by a light live call) and the store. Status 1 where something is broken."""
    logging.getLogger("rotor").addHandler(_SILENCE)
    plugins = installed()
    report = Report()
    for line in _plugin_lines(plugins):
        report.add("plugins", line)
    catalog = _configuration(config, plugins, report)
    if catalog is not None:
        _keys(catalog, plugins, report, timeout=None if offline else timeout)
        _store(config, catalog, plugins, report, offline=offline)
    if as_json:
        print_json(report.to_dict())
    else:
        click.echo(masked(shown(report), os.environ))
    return FAILED if report.broken else 0


def _plugin_lines(plugins: Plugins) -> list[Line]:
    """Each plugin with what it offers, then everything that is wrong with any."""
    lines: list[Line] = []
    for plugin in plugins.loaded:
        offers = {
            "providers": list(plugin.providers),
            "stores": list(plugin.stores),
            "rankings": list(plugin.rankings),
        }
        said = [f"{what} {', '.join(names)}" for what, names in offers.items() if names]
        said += [f"{plugin.rules} rule{'s' if plugin.rules > 1 else ''}"] if plugin.rules else []
        about = f"{plugin.version or 'no version'}, {plugin.origin}"
        text = f"({about}): {'; '.join(said) or 'nothing'}"
        facts = {"version": plugin.version, "origin": plugin.origin, **offers, "rules": plugin.rules}
        lines.append(Line("ok", plugin.name, text, facts))
    findings: Sequence[Finding] = (*plugins.findings, *unreachable(plugins), *_broken_catalogs(plugins))
    # A plugin is a stranger's: what its own words hold, an address with a key in it perhaps, is for nobody's terminal.
    lines += [Line(BROKEN, f.plugin, masked(f.problem, os.environ)) for f in findings]
    return lines


def _broken_catalogs(plugins: Plugins) -> Iterator[Finding]:
    """Catalogs that cannot be read: whoever has no key for such a provider yet would hear of it too late."""
    owner = {provider: plugin.name for plugin in plugins.loaded for provider in plugin.providers}
    for name, spec in plugins.providers.items():
        try:
            section_of(name, spec.catalog)
        except ConfigError as error:
            yield Finding(owner.get(name, name), f"its catalog is left out: {error}")


def _configuration(config: Path | None, plugins: Plugins, report: Report) -> Catalog | None:
    """What `rotor config check` says, without the store; the catalog, where there is one to use."""
    source = found_config(os.environ) if config is None else config
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
    for finding in findings:
        state: State = BROKEN if finding.level == "error" else "warning"
        place = {"file": finding.file, "line": finding.line, "key": finding.key}
        report.add("configuration", Line(state, name, finding.message, place))
    if any(finding.level == "error" for finding in findings):
        return None
    catalog = catalog_from(source, os.environ, plugins.providers, plugins.rankings, plugins.stores, plugins.rules)
    pools = ", ".join(f"{pool.name} {len(pool.seats)}" for pool in catalog.pools.values())
    facts = {"deployments": len(catalog.deployments), "pools": {p.name: len(p.seats) for p in catalog.pools.values()}}
    report.add("configuration", Line("ok", name, f"{len(catalog.deployments)} deployments; pools: {pools}", facts))
    return catalog


_MARKS: Final[Mapping[Verdict, State]] = {"good": "ok", "bad": BROKEN, "unknown": "warning", "not asked": "ok"}


def _keys(catalog: Catalog, plugins: Plugins, report: Report, timeout: float | None) -> None:
    for key in validated(keys_of(catalog), plugins, timeout):
        state = _MARKS[key.state]
        if key.same_as and state == "ok":
            state = "warning"
        report.add("keys", Line(state, f"{key.id} {key.shown}", _key_text(key), key.to_dict()))


def _key_text(key: KeyState) -> str:
    quota = f"quota {key.quota}" + (f" with {', '.join(key.shares_with)}" if key.shares_with else "")
    parts = [f"plan {key.plan or 'not stated'}", quota, f"{key.state}{f': {key.reason}' if key.reason else ''}"]
    parts += [f"the same key as {', '.join(key.same_as)}"] if key.same_as else []
    return "; ".join(parts)


def _store(config: Path | None, catalog: Catalog, plugins: Plugins, report: Report, *, offline: bool) -> None:
    """Whether the ledger's place is there and takes a write."""
    name = without_password(catalog.store)
    if offline:
        report.add("store", Line("ok", name, "not asked", {"reachable": None}))
        return
    findings = list(store_findings(config, plugins))
    for finding in findings:
        state: State = BROKEN if finding.level == "error" else "warning"
        report.add("store", Line(state, name, finding.message, {"reachable": False}))
    if not findings:
        report.add("store", Line("ok", name, "reachable and writable", {"reachable": True}))
