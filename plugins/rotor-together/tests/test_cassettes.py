"""What the provider's answers were when they were recorded, and what Rotor makes of them without a network."""

from pathlib import Path

from rotor_core.testing import CassetteSuite


class TestTogetherCassettes(CassetteSuite):
    provider = "together"
    folder = Path(__file__).parents[3] / "cassettes" / "rotor-together"
    model = "openai/gpt-oss-120b"
    dialect = "together"
