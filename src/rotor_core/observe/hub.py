"""Who is told of events. A listener that raises is logged and never disturbs a request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from rotor_core._errors import ConfigError
from rotor_core._events import EVENTS, Event

Listener = Callable[[Event], None]
logger = logging.getLogger("rotor")


class Hub:
    """Listeners by event name; `*` hears all. They are called in the thread or loop that drives the request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, tuple[Listener, ...]] = {}

    def on(self, event: str | type[Event], listener: Listener) -> Callable[[], None]:
        """Listen to one kind of event, or to all (`*`). Returns a function that stops listening.

        Raises ConfigError for an event that does not exist.
        """
        name = event if isinstance(event, str) else event.name
        if name != "*" and name not in EVENTS:
            raise ConfigError("there is no such event", key="event", value=name, expected=", ".join(["*", *EVENTS]))
        with self._lock:
            self._listeners[name] = (*self._listeners.get(name, ()), listener)

        def off() -> None:
            with self._lock:
                left = list(self._listeners.get(name, ()))
                if listener in left:
                    left.remove(listener)
                if left:
                    self._listeners[name] = tuple(left)
                else:
                    self._listeners.pop(name, None)

        return off

    def heard(self) -> bool:
        """Whether anybody listens to anything."""
        return bool(self._listeners)

    def renew(self) -> None:
        """After a fork: another lock, the same listeners."""
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        if not self._listeners:
            return
        for name in (event.name, "*"):
            for listener in self._listeners.get(name, ()):
                tell(listener, event)


def tell(listener: Listener, event: Event) -> None:
    """Call one listener; its error is logged."""
    try:
        listener(event)
    except Exception:
        logger.exception("a listener to %r raised", event.name)
