"""How a command ends badly: one line on standard error, a status, no traceback, no secret.

Status 2: what was written (a command, a configuration) cannot be used. 1: it could, and failed. 130: interrupted.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from typing import Final

import click

FAILED: Final = 1
UNUSABLE: Final = 2
INTERRUPTED: Final = 130

_MASK: Final = "**********"
_SHORTEST_SECRET: Final = 8
_SECRET_NAMES: Final = ("KEY", "TOKEN", "SECRET", "PASSWORD")


class CommandFailed(Exception):
    """A command's own failure: its line, its status."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def told(error: BaseException) -> int:
    """Say `error` on standard error and return the status it stands for. What the user did (Ctrl-C) needs no words."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return UNUSABLE
    if os.environ.get("ROTOR_DEBUG"):
        traceback.print_exception(error)
    text, status = _line(error)
    click.echo(f"rotor: {masked(text, os.environ)}", err=True)
    return status


def _line(error: BaseException) -> tuple[str, int]:
    if isinstance(error, CommandFailed):
        return _one_line(str(error)), error.status
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "rotor"
        message = _one_line(error.format_message()).rstrip(".")
        see = " See" if message.endswith("?") else "; see"
        return f"{message[:1].lower()}{message[1:]}{see} `{command} --help`", UNUSABLE
    if isinstance(error, click.ClickException):
        return _one_line(error.format_message()), error.exit_code
    from rotor_core import ConfigError, RotorError  # noqa: PLC0415  who misspelt a command need not wait for it

    if isinstance(error, RotorError):
        return _one_line(str(error)), UNUSABLE if isinstance(error, ConfigError) else FAILED
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"unexpected {_one_line(what)} (run with ROTOR_DEBUG=1 for the traceback)", FAILED


def _one_line(text: str) -> str:
    return " ".join(text.split())


def masked(text: str, environ: Mapping[str, str]) -> str:
    """`text` without the secrets that the environment holds. Rotor's own errors have none; a stranger's may."""
    for name, value in environ.items():
        if len(value) >= _SHORTEST_SECRET and any(part in name.upper() for part in _SECRET_NAMES):
            text = text.replace(value, _MASK)
    return text
