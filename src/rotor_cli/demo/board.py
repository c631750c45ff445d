"""What goes on at this moment, told by events: who is answering whom, who waits, what happened last."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from rotor_cli.words import duration
from rotor_core import Answered, Event, Exhausted, Failed, Rotated, Selected

REMEMBERED = 5
"""Lines of news that are kept."""

WORTH_TELLING = 0.3
"""Seconds. Shorter waits are not news."""


@dataclass(slots=True)
class Board:
    """A listener. `calls`: how many calls each deployment has under way; `waiting`: requests that wait for capacity."""

    calls: Counter[str] = field(default_factory=Counter[str])
    waiting: set[str] = field(default_factory=set[str])
    news: deque[str] = field(default_factory=lambda: deque[str](maxlen=REMEMBERED))

    def hear(self, event: Event) -> None:
        match event:
            case Selected():
                self.waiting.discard(event.request)
                self.calls[event.deployment] += 1
            case Answered():
                self.calls[event.deployment] -= 1
                self._tell(event, _answer(event))
            case Failed():
                self.calls[event.deployment] -= 1
                self._tell(event, f"{event.deployment} failed: {event.failure.kind}")
            case Rotated():
                self._tell(event, f"{event.previous}: {event.reason}; on to {event.deployment}")
            case Exhausted():
                self._note_wait(event)
            case _:
                pass

    def _note_wait(self, event: Exhausted) -> None:
        if event.refused:
            self.waiting.discard(event.request)
            self._tell(event, event.reason)
            return
        self.waiting.add(event.request)
        if event.retry_at is not None and event.retry_at - event.at >= WORTH_TELLING:
            self._tell(event, f"free seats are full; a seat is reserved in {duration(event.retry_at - event.at)}")

    def _tell(self, event: Event, text: str) -> None:
        self.news.append(f"#{event.request.rpartition('-')[2]:<4} {text}")


def _answer(event: Answered) -> str:
    money = "" if event.free else ", paid"
    waited = f" after waiting {duration(event.waited)}" if event.waited >= WORTH_TELLING else ""
    return f"{event.deployment} answered in {event.seconds * 1000:.0f} ms{waited}{money}"
