"""Where output goes: answers and tables to standard output, what is said beside them to standard error, dimmed.

rich looks at the terminal itself (width, encoding, NO_COLOR, TERM=dumb); nothing else here asks about colours.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import click
from rich.console import Console
from rich.text import Text

_PIPE_WIDTH = 120


def out() -> Console:
    """Standard output. Not a terminal: wide enough that a table's rows keep to their lines."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if known else _PIPE_WIDTH)


def is_live(console: Console) -> bool:
    """Whether what was drawn can be drawn over."""
    return console.is_terminal and not console.is_dumb_terminal


def remark(text: str) -> None:
    """One dim line on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style="dim"))


def print_json(value: Any) -> None:
    """One JSON object on one line."""
    click.echo(json.dumps(value, ensure_ascii=False))
