"""Writes the hook reference of docs/plugins.md between its two marks, from the hookspecs and the values that they return.

python tools/hook_reference.py            write it
python tools/hook_reference.py --check    say whether it is as it should be: status 1 where it is not
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rotor_core import ErrorRule, ProviderSpec, Ranking, Rule, StoreSpec, hookspecs

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
BEGIN, END = "<!-- hook reference: written by tools/hook_reference.py -->", "<!-- end of the hook reference -->"
VALUES: tuple[type[Any], ...] = (ProviderSpec, StoreSpec, Ranking, Rule, ErrorRule)


def hooks() -> Iterator[Any]:
    """The specifications, in the order in which they are written."""
    for name, value in vars(hookspecs).items():
        if name.startswith("rotor_"):
            yield value


def _prose(docstring: str | None) -> Iterator[str]:
    """A docstring as Markdown: a paragraph that begins with a decorator is an example."""
    for part in inspect.cleandoc(docstring or "").split("\n\n"):
        example = textwrap.dedent(part)
        yield f"```python\n{example}\n```" if example.startswith("@") else " ".join(part.split())


def _hook(hook: Any) -> Iterator[str]:
    yield f"### `{hook.__name__}() -> {inspect.signature(hook).return_annotation}`"
    yield from _prose(hook.__doc__)


def _value(kind: type[Any]) -> Iterator[str]:
    name = "ErrorRule" if kind is ErrorRule else kind.__name__
    yield f"### `{name}`"
    yield from _prose(kind.__doc__)
    rows = [
        f"| `{f.name}` | `{str(f.type).replace('|', chr(92) + '|')}` | {_default(f)} |"
        for f in dataclasses.fields(kind)
    ]
    yield "\n".join(["| field | type | when left out |", "| --- | --- | --- |", *rows])


def _default(given: dataclasses.Field[Any]) -> str:
    if given.default is not dataclasses.MISSING:
        return f"`{given.default!r}`"
    return "required" if given.default_factory is dataclasses.MISSING else "empty"


def reference() -> str:
    """The whole text that belongs between the marks."""
    parts = [part for hook in hooks() for part in _hook(hook)]
    parts += [part for kind in VALUES for part in _value(kind)]
    return "\n\n".join(parts)


def written(page: str) -> str:
    """A page with the reference as it should be. Raises ValueError where the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it would change."""
    page = PAGE.read_text(encoding="utf-8")
    fresh = written(page)
    if "--check" in arguments:
        if page != fresh:
            print(f"{PAGE.name} is not what the hookspecs say: run `python tools/hook_reference.py`")
        return int(page != fresh)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
