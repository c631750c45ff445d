"""What an engine has seen beside its ledger: how deployments fare, how long answers are, what was done, and who listens.

A catalog is frozen; where a host changes its deployments while it runs, another engine takes over with the ledger and the
experience of the one before. Calls that the former began are settled through either, and both tell the same listeners.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from rotor_core._events import Answered, Event, Failed
from rotor_core._model import Deployment
from rotor_core.observe.health import Health
from rotor_core.observe.hub import Hub
from rotor_core.observe.lengths import Calibration
from rotor_core.observe.stats import Stats


class Experience:
    """`random`: the source of jitter, for as long as this lasts."""

    def __init__(self, deployments: Mapping[str, Deployment], random: Random) -> None:
        self.random = random
        self.hub, self.stats = Hub(), Stats()
        self.calibration = Calibration(deployments)
        self.health = Health(deployments, random)

    def emit(self, event: Event) -> None:
        kind = type(event)
        if kind is Answered or kind is Failed:  # of nothing else is anything counted
            self.stats(event)
        if kind is Answered:
            self.calibration(event)
        self.hub.emit(event)

    def follow(self, deployments: Mapping[str, Deployment]) -> None:
        """These are the deployments from now on; what is known of those that stay is kept."""
        self.calibration.follow(deployments)
        self.health.follow(deployments)

    def renew(self) -> None:
        """After a fork: nothing in flight and nothing counted; the same listeners, the same lengths."""
        self.stats.renew()
        self.calibration.renew()
        self.health.renew()
        self.hub.renew()
