"""How a command comes by its engine, and the options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from rotor_cli.failures import UNUSABLE, CommandFailed
from rotor_core import ConfigError, Request, Rotor

F = TypeVar("F", bound=Callable[..., Any])

HINT: Final = "`rotor config init` writes a rotor.yaml; `rotor demo` and `rotor sandbox` work without keys"

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A rotor.yaml. [default: $ROTOR_CONFIG, ./rotor.yaml, the user's own, else the keys in the environment]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on one line.")


def request_options(command: F) -> F:
    """What `chat` and `explain` ask of a request."""
    options = (
        click.option("--pool", metavar="POOL", help="A pool, `auto`, or `provider/model`. [default: the default pool]"),
        click.option("--task", metavar="TASK", help="What it is for, such as research or code; chooses the pool."),
        click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Longest answer, in tokens."),
        click.option("--system", metavar="TEXT", help="A system message that goes before the prompt."),
        config_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def opened(config: Path | None) -> Generator[Rotor]:
    """The engine of a configuration, closed afterwards. Where there is nothing to configure it from, says what helps."""
    try:
        rotor = Rotor.from_config(config)
    except ConfigError as error:
        if error.file is None and error.key is None:
            raise CommandFailed(f"{error}; {HINT}", UNUSABLE) from error
        raise
    with rotor:
        yield rotor


def prompt_text(prompt: str | None) -> str:
    """The prompt as given, or read from standard input where it is `-`, or absent and something is piped in."""
    if prompt == "-" or (prompt is None and not sys.stdin.isatty()):
        prompt = sys.stdin.read().strip()
    if not prompt:
        raise click.UsageError("there is no prompt: give it in quotes, or pipe it in")
    return prompt


def request_of(prompt: str, system: str | None, max_tokens: int | None) -> Request:
    """The request for the engine, in OpenAI's shapes."""
    messages = [{"role": "system", "content": system}] if system else []
    params = {} if max_tokens is None else {"max_tokens": max_tokens}
    return Request([*messages, {"role": "user", "content": prompt}], params=params)
