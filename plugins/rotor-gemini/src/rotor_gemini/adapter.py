"""The adapter: HTTP as everybody's, the format Google's own."""

from __future__ import annotations

from typing import ClassVar

from rotor_core.adapters.http_adapter import HttpAdapter
from rotor_core.adapters.wire import Wire
from rotor_gemini.wire import GeminiWire


class Gemini(HttpAdapter):
    """For `generativelanguage.googleapis.com` and whoever imitates it."""

    wire: ClassVar[Wire] = GeminiWire()
