"""What `rotor check` found, as lines for people and as one mapping for programs. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import click

State = Literal["ok", "warning", "broken"]
BROKEN: Final[State] = "broken"
SECTIONS: Final = ("plugins", "configuration", "keys", "store")
_COLOURS: Final[Mapping[str, str]] = {"ok": "green", "warning": "yellow", "broken": "red"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. `facts`: what a program wants to know of it."""

    state: State
    name: str
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_dict(self) -> dict[str, Any]:
        return {"state": self.state, "name": self.name, "message": self.text, **self.facts}


@dataclass(slots=True)
class Report:
    """Lines by section, in the order in which they were found."""

    sections: dict[str, list[Line]] = field(default_factory=lambda: {name: [] for name in SECTIONS})

    def add(self, section: str, line: Line) -> None:
        self.sections[section].append(line)

    def count(self, state: State) -> int:
        return sum(line.state == state for lines in self.sections.values() for line in lines)

    @property
    def broken(self) -> int:
        return self.count(BROKEN)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the four sections, always there, and `summary`."""
        states: tuple[State, ...] = ("ok", "warning", "broken")
        found = {name: [line.to_dict() for line in lines] for name, lines in self.sections.items()}
        return {**found, "summary": {state: self.count(state) for state in states}}


def shown(report: Report) -> str:
    """A heading for each section, a line for each thing, a summary."""
    text: list[str] = []
    for name, lines in report.sections.items():
        if lines:
            text.append(_styled(name, bold=True))
            text += [
                f"  {_styled(f'{line.state:8}', fg=_COLOURS[line.state])} {line.name} {line.text}" for line in lines
            ]
    broken, warnings = report.broken, report.count("warning")
    said = [
        f"{n} {word}" for n, word in ((broken, "broken"), (warnings, f"warning{'s' if warnings != 1 else ''}")) if n
    ]
    text.append(", ".join(said) if said else "all is well")
    return "\n".join(text)


def _styled(text: str, **style: Any) -> str:
    return text if os.environ.get("NO_COLOR") else click.style(text, **style)
