"""What the provider's answers were when they were recorded, and what Rotor makes of them without a network."""

from pathlib import Path

from rotor_core.testing import CassetteSuite


class TestCohereCassettes(CassetteSuite):
    provider = "cohere"
    folder = Path(__file__).parents[3] / "cassettes" / "rotor-cohere"
    model = "command-a-03-2025"
    dialect = "cohere"
