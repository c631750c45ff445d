"""The adapter is held to what every adapter is held to."""

from rotor_core.testing import AdapterSuite


class TestTogether(AdapterSuite):
    provider = "together"
    dialect = "together"
    capabilities = AdapterSuite.capabilities - {"retry_after"}  # its refusals do not say how long to wait
