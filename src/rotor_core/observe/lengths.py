"""What answers took, learned from events, and what is to be expected of the next ones, kept ready for requests alike."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from rotor_core._demand import LEAST, Expected, least_of
from rotor_core._events import Answered, Event
from rotor_core._model import Deployment
from rotor_core._policy.charge import expected
from rotor_core._state.lengths import Lengths

Models = Mapping[str, int | None]
"""The longest answers of models, by name; None: not known."""

_KEPT: Final = 256
_STALE: Final = 32
"""Answers after which what was worked out before is worked out again; fewer while few were seen."""


class Calibration:
    """A listener, and the one to ask; safe from any thread. `deployments`: by id, whose models answer."""

    def __init__(self, deployments: Mapping[str, Deployment]) -> None:
        self._deployments = deployments
        self._lengths = Lengths()
        self._seen = 0
        self._ready: dict[tuple[Any, ...], tuple[int, Models, dict[str, Expected]]] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """An answer to several (`n`) is taken as so many of equal length."""
        if not isinstance(event, Answered) or event.usage is None or event.demand is None:
            return
        deployment = self._deployments.get(event.deployment)
        if deployment is None or event.usage.charged_output <= 0:
            return
        demand, usage, model = event.demand, event.usage, deployment.model.name
        cut = demand.max_tokens is not None and usage.charged_output >= demand.max_tokens
        with self._lock:
            self._seen += 1
            self._lengths.answered(model, demand.task, -(-usage.charged_output // demand.answers), cut=cut)
            self._lengths.read(model, demand.input_tokens, usage.charged_input)

    def expect(
        self, models: Models, task: str, *, estimated: int, asked: int | None = None, answers: int = 1
    ) -> dict[str, Expected]:
        """What to expect of each of `models`, and of the least of them; see `expected`.

        The same mapping for requests alike: not to be changed.
        """
        key = (id(models), task, estimated.bit_length(), asked, answers)
        with self._lock:
            ready = self._ready.get(key)
            if ready is not None and ready[1] is models and self._seen - ready[0] <= min(_STALE, self._seen // _STALE):
                return ready[2]
            found = {
                model: expected(
                    self._lengths,
                    model,
                    task,
                    estimated=estimated,
                    asked=asked,
                    max_output=max_output,
                    answers=answers,
                )
                for model, max_output in models.items()
            }
            if found:
                found[LEAST] = least_of(found.values())
            if len(self._ready) >= _KEPT:
                self._ready.clear()
            self._ready[key] = (self._seen, models, found)
            return found

    def dump(self) -> dict[str, Any]:
        """What is known, as values that JSON can carry."""
        with self._lock:
            return self._lengths.dump()

    def load(self, data: Mapping[str, Any]) -> None:
        """What `dump` wrote, instead of what is known here."""
        with self._lock:
            self._lengths.load(data)
            self._ready.clear()

    def follow(self, deployments: Mapping[str, Deployment]) -> None:
        """These are the deployments from now on; lengths are known by model, and stay."""
        self._deployments = deployments

    def renew(self) -> None:
        """After a fork: another lock, the same knowledge."""
        self._lock = threading.Lock()
