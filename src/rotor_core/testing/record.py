"""Records the cassettes of suites anew: `python -m rotor_core.testing.record tests/test_cassettes.py ...`

Where a provider's key stands in the environment (under the names that its plugin gives), the provider is asked, for
what little the scenarios cost; elsewhere the sandbox, with a clock that stands still, so that the same code records the
same bytes. What has not changed is not written. A scenario that wants to be refused (`rate_limit`) asks a provider only
with `--provoke`; without it the sandbox stands in, and its cassette says so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Final

import click

from rotor_core._version import __version__
from rotor_core.sandbox import Sandbox
from rotor_core.testing.cassette_scenarios import Scenario
from rotor_core.testing.cassette_suite import NOBODYS_KEY, CassetteSuite
from rotor_core.testing.cassettes import CassetteError, Recording

_NOON: Final = 1_789_041_600.0
"""The sandbox's time: noon of a day in 2026, far from the edge of any window."""
_KEY: Final = "a-sandbox-key"
_CAPABILITIES: Final = ("tools", "parallel_tools", "json_schema", "json_mode")


def suites_in(path: Path) -> list[type[CassetteSuite]]:
    """The suites that a test file defines. Raises ImportError for one that cannot be imported."""
    name = f"rotor_cassettes_{abs(hash(path.resolve()))}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, CassetteSuite)]
    return [suite for suite in found if suite.__module__ == name]


def record(suite: type[CassetteSuite], scenario: Scenario, *, secret: str | None, provoke: bool = False) -> Recording:
    """Record one scenario: at its provider with a `secret`, at the sandbox without. The answer says how it was done.

    Raises CassetteError where nothing may be written, and whatever the scenario raises where its provider answers
    otherwise than it must: the old cassette stays in both cases.
    """
    if secret is not None and (provoke or not scenario.costly):
        return _record(suite, scenario, secret, "", "the provider's API")
    if suite.dialect is None:
        raise CassetteError(
            f"{suite.provider}: {scenario.name} needs a key in the environment, or a dialect of the sandbox"
        )
    with Sandbox(_imitation(suite, scenario), clock=lambda: _NOON) as box:
        return _record(suite, scenario, _KEY, box.url(suite.provider), f"sandbox {__version__}")


def _record(suite: type[CassetteSuite], scenario: Scenario, secret: str, place: str, against: str) -> Recording:
    recording = Recording(
        against,
        datetime.now(UTC).date().isoformat(),  # noqa: TID251  the day of the recording, no time of the kernel's
        place,
        suite.base_url(),
        (secret, NOBODYS_KEY),
        scenario.last,
    )
    suite.cassettes().record(
        scenario.name, recording, lambda base_url, heard: suite.run(scenario, base_url, secret, heard)
    )
    return recording


def _imitation(suite: type[CassetteSuite], scenario: Scenario) -> dict[str, Any]:
    model = {"capabilities": list(_CAPABILITIES), "limits": list(scenario.limits)}
    return {"providers": {suite.provider: {"dialect": suite.dialect, "keys": [_KEY], "models": {suite.model: model}}}}


def secret_of(suite: type[CassetteSuite]) -> str | None:
    """The provider's key from the environment, None where there is none."""
    return next((value for name in suite.spec().env if (value := os.environ.get(name, "").strip())), None)


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--provoke", is_flag=True, help="Ask real providers until they refuse, for the rate-limit scenario.")
@click.option("--sandbox", is_flag=True, help="Record against the sandbox, whatever keys there are.")
def main(files: Sequence[Path], *, provoke: bool, sandbox: bool) -> None:
    """Record, say what came of it line by line, and fail if anything failed."""
    failed = 0
    for suite in (suite for file in files for suite in suites_in(file)):
        for scenario in suite.scenarios:
            what = f"{suite.provider}/{scenario.name}"
            before = _content(suite, scenario)
            try:
                secret = None if sandbox else secret_of(suite)
                recording = record(suite, scenario, secret=secret, provoke=provoke)
            except Exception as error:  # noqa: BLE001  one provider's trouble is not the others'
                failed += 1
                click.echo(f"{what}: FAILED: {type(error).__name__}: {error}")
            else:
                changed = "changed" if _content(suite, scenario) != before else "unchanged"
                click.echo(f"{what}: {changed} ({recording.against})")
    if failed:
        raise SystemExit(f"{failed} cassettes were not recorded; what was there before stays")


def _content(suite: type[CassetteSuite], scenario: Scenario) -> bytes | None:
    path = suite.cassettes().path(scenario.name)
    return path.read_bytes() if path.exists() else None


if __name__ == "__main__":
    main()
