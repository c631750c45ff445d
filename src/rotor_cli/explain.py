"""`rotor explain`: who would answer a request now, and why not the others. Takes nothing and sends nothing."""

from __future__ import annotations

from pathlib import Path

import click

from rotor_cli.engine import json_option, opened, prompt_text, request_of, request_options
from rotor_cli.tables import explanation_table
from rotor_cli.terminal import out, print_json


@click.command()
@click.argument("prompt", required=False)
@request_options
@json_option
def explain(
    prompt: str | None,
    *,
    pool: str | None,
    task: str | None,
    max_tokens: int | None,
    system: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Say who would answer PROMPT now, and why not the others. Nothing is sent."""
    text = prompt_text(prompt)
    with opened(config) as rotor:
        explanation = rotor.explain(request_of(text, system, max_tokens), model=pool, task=task)
    if as_json:
        print_json(explanation.to_dict())
    else:
        out().print(explanation_table(explanation.to_dict()))
