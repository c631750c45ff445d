"""What the provider's answers were when they were recorded, and what Rotor makes of them without a network."""

from pathlib import Path

from rotor_core.testing import CassetteSuite


class TestGeminiCassettes(CassetteSuite):
    provider = "gemini"
    folder = Path(__file__).parents[3] / "cassettes" / "rotor-gemini"
    model = "gemini-3.1-flash-lite"
    dialect = "gemini"
