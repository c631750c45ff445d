"""The adapter is held to what every adapter is held to."""

from rotor_core.testing import AdapterSuite


class TestOpenAI(AdapterSuite):
    provider = "openai"
    dialect = "openai"
