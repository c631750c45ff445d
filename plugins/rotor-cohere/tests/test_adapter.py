"""The adapter is held to what every adapter is held to."""

from rotor_core.testing import AdapterSuite


class TestCohere(AdapterSuite):
    provider = "cohere"
    dialect = "cohere"
    capabilities = AdapterSuite.capabilities - {"retry_after"}  # its refusals do not say how long to wait
    reasoning_params = {"thinking": {"type": "enabled"}}
