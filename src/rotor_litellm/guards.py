"""How long LiteLLM is to wait for one call: as long as such calls are known to take, never longer than it would by itself.

LiteLLM waits for whole calls by one `timeout`. A provider that hangs costs a caller all of it, each time. Health knows how
long answers of this length take here; a call that is waited for so long has failed, and the retry goes elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rotor_core._attempts import patience
from rotor_core._policy.patience import call_timeout, stream_timeouts
from rotor_litellm.trail import Held

STEPS: Final = (1.5, 3.0, 6.0, 12.0, 24.0, 48.0, 96.0, 192.0, 384.0)
"""Seconds. LiteLLM makes a client, with connections of its own, for every timeout that it is given; so there are few."""


def timeout_of(held: Held, kwargs: Mapping[str, Any]) -> float | None:
    """Seconds for this call, or None where LiteLLM's own timeout is as good."""
    given: Any = kwargs.get("timeout")
    longest = given if isinstance(given, int | float) and given > 0 else None
    guards, entry, left, attempt, _ = patience(held.work, held.progress, held.reservation, held.engine.store.now())
    most = float(longest or held.work.timeout or entry)
    # How many retries are left is not told; that there is one is the usual case, and the last one has what is learned, widened.
    if held.streamed:
        seconds = stream_timeouts(guards, most, left, attempt, 1).first if guards.first is not None else most
    else:
        seconds = call_timeout(guards, most, left, attempt, 1) if guards.whole is not None else most
    seconds = next((step for step in STEPS if step >= seconds), seconds)
    return seconds if seconds < most else None
