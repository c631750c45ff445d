"""The adapter is held to what every adapter is held to."""

from rotor_core.testing import AdapterSuite


class TestMistral(AdapterSuite):
    provider = "mistral"
    dialect = "mistral"
    capabilities = AdapterSuite.capabilities - {"stream_limit_headers", "retry_after"}  # told by whole answers alone
    reasoning_params = {"prompt_mode": "reasoning"}
