"""What the provider's answers were when they were recorded, and what Rotor makes of them without a network."""

from pathlib import Path

from rotor_core.testing import CassetteSuite


class TestOpenAICassettes(CassetteSuite):
    provider = "openai"
    folder = Path(__file__).parents[3] / "cassettes" / "rotor-openai"
    model = "gpt-5.6-luna"
    dialect = "openai"
