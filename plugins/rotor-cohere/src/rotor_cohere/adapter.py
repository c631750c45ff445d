"""The adapter: HTTP is the core's, the format is `wire`'s."""

from __future__ import annotations

from typing import ClassVar

from rotor_cohere.wire import CohereWire
from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.wire import Wire


class Cohere(HttpAdapter):
    """Cohere's chat API v2."""

    wire: ClassVar[Wire] = CohereWire()
