"""What the provider's answers were when they were recorded, and what Rotor makes of them without a network."""

from pathlib import Path

from rotor_core.testing import CassetteSuite


class TestGroqCassettes(CassetteSuite):
    provider = "groq"
    folder = Path(__file__).parents[3] / "cassettes" / "rotor-groq"
    model = "openai/gpt-oss-20b"
    dialect = "groq"
