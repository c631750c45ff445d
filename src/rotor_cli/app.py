"""The `rotor` command: a table of commands, each in a module of its own, and one way to fail.

A command's module is imported when that command is run; so `rotor --help` costs what Python and click cost.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, cast

import click

from rotor_cli.failures import told

COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "demo": ("rotor_cli.demo.command", "Watch a chain rotate over limited providers."),
        "chat": ("rotor_cli.chat", "Answer one prompt."),
        "check": ("rotor_cli.check", "Look at plugins, configuration, keys and the store."),
        "status": ("rotor_cli.status", "Show every deployment as it stands."),
        "limits": ("rotor_cli.limits", "Show every limit, what is taken of it, and whence it is known."),
        "reset": ("rotor_cli.reset", "Forget rests and learned limits."),
        "explain": ("rotor_cli.explain", "Say who would answer, and why not the others."),
        "catalog": ("rotor_cli.catalog", "Show what is known of providers and models, and since when."),
        "sandbox": ("rotor_cli.sandbox", "Run imitations of providers on this machine."),
        "config": ("rotor_cli.config", "Write, check and describe rotor.yaml."),
    }
)
"""Name to module (which has the command under that name) and a line about it, in the order a newcomer wants them."""


class Commands(click.Group):
    """A group that reads `COMMANDS`, and whose every failure is one line: click's, the engine's, and the unforeseen."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the base class's signature
        return [*COMMANDS, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return cast("click.Command", getattr(import_module(COMMANDS[cmd_name][0]), cmd_name))
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  likewise
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  the base class's signature
        **extra: Any,
    ) -> Any:
        """Run and exit with the command's status; with `standalone_mode` off, return it."""
        try:
            status: int = super().main(args, prog_name or "rotor", complete_var, standalone_mode=False, **extra) or 0
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last place where anything can be said
            status = told(error)
        if standalone_mode:
            sys.exit(status)
        return status


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click calls it so
    if wanted:
        from rotor_core import __version__  # noqa: PLC0415  only who asks pays for it

        click.echo(f"rotor {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show the version."
)
def rotor() -> None:
    """One chat model that keeps answering: requests spread over every provider, model and key you have.

    `rotor demo` needs no key and no file: begin there.
    """


def main() -> None:
    """The console script. Exits with the command's status."""
    rotor.main()
