"""The adapter is held to what every adapter is held to."""

from rotor_core.testing import AdapterSuite


class TestGemini(AdapterSuite):
    provider = "gemini"
    dialect = "gemini"
    capabilities = AdapterSuite.capabilities - {"limit_headers", "stream_limit_headers"}  # Google sends none
