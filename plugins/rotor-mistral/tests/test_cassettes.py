"""What the provider's answers were when they were recorded, and what Rotor makes of them without a network."""

from pathlib import Path

from rotor_core.testing import CassetteSuite


class TestMistralCassettes(CassetteSuite):
    provider = "mistral"
    folder = Path(__file__).parents[3] / "cassettes" / "rotor-mistral"
    model = "mistral-small-2603"
    dialect = "mistral"
