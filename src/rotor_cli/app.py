"""The `rotor` command: a table of commands and one way to fail.

A command's module imports click and the standard library at its top; rich and the engine where they are used. So
`rotor --version` and `rotor --help` cost what Python costs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from rotor_cli.chat import chat
from rotor_cli.config import config
from rotor_cli.demo.command import demo
from rotor_cli.explain import explain
from rotor_cli.failures import told
from rotor_cli.sandbox import sandbox
from rotor_cli.status import status


class Commands(click.Group):
    """A group whose every failure is one line: click's own, the engine's, and whatever nobody expected."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  the base class's signature
        """In the order in which they were added: what a newcomer wants first."""
        return list(self.commands)

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
        from rotor_core import __version__

        click.echo(f"rotor {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show the version."
)
def rotor() -> None:
    """One chat model that keeps answering: requests spread over every provider, model and key you have.

    `rotor demo` needs no key and no file: begin there.
    """


for command in (demo, chat, status, explain, sandbox, config):
    rotor.add_command(command)


def main() -> NoReturn:
    """The console script."""
    rotor.main()
    raise AssertionError("click exits")
