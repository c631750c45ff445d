"""`rotor sandbox`: imitations of providers on this machine, for testing one's own program against limits and faults."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Group, RenderableType
from rich.text import Text

from rotor_cli.engine import json_option
from rotor_cli.failures import UNUSABLE, CommandFailed
from rotor_cli.files import write
from rotor_cli.tables import plain_table
from rotor_cli.terminal import out, print_json
from rotor_cli.words import count
from rotor_core import ConfigError
from rotor_core.catalog.document import read
from rotor_core.sandbox import PRESETS, Sandbox, SandboxSpec, read_spec


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Its port. [default: a free one]")
@click.option(
    "--spec",
    "described",
    metavar="FILE",
    help=f"Its providers: a YAML file, or {' or '.join(PRESETS)}. [default: demo]",
)
@click.option("--write", "written", type=click.Path(path_type=Path), metavar="FILE", help="Write its rotor.yaml there.")
@click.option("--force", is_flag=True, help="With --write: replace a file that is there already.")
@json_option
def sandbox(*, port: int, described: str | None, written: Path | None, force: bool, as_json: bool) -> None:
    """Run imitations of providers on this machine until Ctrl-C: wire formats, limits, error texts, faults on demand.

    Prints where they are, their keys, and a rotor.yaml for them.
    """
    with Sandbox(_spec(described), port=port) as box:
        text = config_text(box.config())
        if written is not None:
            write(written, text, force=force)
        if as_json:
            print_json(to_dict(box))
        else:
            out().print(view(box, text, written), soft_wrap=True)
        try:
            while True:
                time.sleep(1)  # not for ever at once: Windows hears no Ctrl-C in a wait without an end
        except KeyboardInterrupt:
            return  # how it is meant to end


def _spec(described: str | None) -> SandboxSpec | str | None:
    """What `--spec` means. Raises CommandFailed, with the file's name, for a description that is none."""
    if described is None or described in PRESETS:
        return described
    try:
        return read_spec(read(Path(described)).data)
    except ConfigError as error:
        said = str(error) if error.file else f"{described}: {error}"
        raise CommandFailed(said, UNUSABLE) from error


class _Plain(yaml.SafeDumper):
    """YAML without anchors: every limit is written where it holds."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the base class's signature
        return True


def config_text(config: Mapping[str, Any]) -> str:
    """A configuration as YAML, in its own order, the innermost of it on one line each."""
    return yaml.dump(dict(config), Dumper=_Plain, sort_keys=False, default_flow_style=None, width=120)


def to_dict(box: Sandbox) -> dict[str, Any]:
    """Where everything is, as `--json` prints it."""
    return {"address": box.address, "providers": _providers(box), "config": box.config()}


def _providers(box: Sandbox) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "base_url": box.url(name),
            "keys": [box.key(name, number) for number in range(1, len(imitation.keys) + 1)],
            "models": list(imitation.models),
        }
        for name, imitation in box.spec.providers.items()
    }


def view(box: Sandbox, text: str, written: Path | None) -> RenderableType:
    """What a person is shown: the configuration first, for it is long, and last what to do with all that."""
    table = plain_table("provider", "base URL", "key", "models")
    for name, about in _providers(box).items():
        keys = "\n".join(about["keys"]) or "none needed"
        table.add_row(Text(name, style="bold"), about["base_url"], keys, "\n".join(about["models"]))
    head = Text(f"{count(len(box.spec.providers), 'provider')} on {box.address}; Ctrl-C ends it", style="bold")
    if written is None:
        top = Text("# rotor.yaml for it; `--write rotor.yaml` writes it\n", style="dim").append(text, style="not dim")
    else:
        top = Text(f"wrote {written}; now, elsewhere: rotor chat 'Why is the sky blue?' --config {written}\n")
    return Group(top, *_hints(box), table, head)


def _hints(box: Sandbox) -> list[Text]:
    """Lines to copy: two faults, how to lift them, and what came of it all."""
    first = next(iter(box.spec.providers))
    control = f"curl -s {box.address}/_control -d"
    lines = (
        ("the next 3 fail", f"""{control} '{{"fault": {{"kind": "status", "status": 503, "provider": "{first}", "times": 3}}}}'"""),
        ("one hangs", f"""{control} '{{"fault": {{"kind": "hang", "seconds": 20, "times": 1}}}}'"""),
        ("lift all faults", f"""{control} '{{"lift": true}}'"""),
        ("what came of it", f"curl -s {box.address}/_stats/summary"),
    )  # fmt: skip
    return [Text.assemble((f"{name:<18}", "dim"), line) for name, line in lines]
