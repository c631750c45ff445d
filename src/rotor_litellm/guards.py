"""How long LiteLLM is to wait for one call: as long as such calls are known to take, never longer than it would by itself.

LiteLLM waits for whole calls by one `timeout`. A provider that hangs costs a caller all of it, each time. Health knows how
long answers of this length take here; a call that is waited for so long has failed, and the retry goes elsewhere.

Of a stream the same `timeout` bounds the wait for the first chunk and for every later one. A first chunk that is late
could be given up early; a pause in the middle of a healthy answer must not be, so the longer of the two waits is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx

from rotor_core._attempts import patience
from rotor_core._policy.patience import BETWEEN, call_timeout, stream_timeouts
from rotor_litellm.trail import Held

STEPS: Final = (1.5, 3.0, 6.0, 12.0, 24.0, BETWEEN, 48.0, 96.0, 192.0, 384.0)
"""Seconds. LiteLLM makes a client, with connections of its own, for every timeout that it is given; so there are few."""


def timeout_of(held: Held, kwargs: Mapping[str, Any]) -> Any:
    """Seconds for this call, or None where LiteLLM's own timeout is as good.

    A user's `httpx.Timeout` is answered with another one, of which no part is longer.
    """
    given: Any = kwargs.get("timeout")
    read: Any = getattr(given, "read", given)
    longest = read if isinstance(read, int | float) and read > 0 else None
    guards, entry, left, attempt, _ = patience(held.work, held.progress, held.reservation, held.engine.store.now())
    most = float(longest or held.work.timeout or entry)
    # How many retries are left is not told; that there is one is the usual case, and the last one has what is learned, widened.
    if held.streamed:
        waits = stream_timeouts(guards, most, left, attempt, 1)
        seconds = max(waits.first, waits.between) if guards.first is not None else most
    else:
        seconds = call_timeout(guards, most, left, attempt, 1) if guards.whole is not None else most
    seconds = next((step for step in STEPS if step >= seconds), seconds)
    if seconds >= most:
        return None
    return _shortened(given, seconds) if isinstance(given, httpx.Timeout) else seconds


def _shortened(given: httpx.Timeout, seconds: float) -> httpx.Timeout:
    parts = {name: seconds if part is None else min(part, seconds) for name, part in given.as_dict().items()}
    return httpx.Timeout(**parts)
