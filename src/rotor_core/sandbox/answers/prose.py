"""Sentences about a topic, as many as are wanted; the same request gets the same ones. Pure.

They say openly that no model wrote them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rotor_core.sandbox.tokens import pieces

_OPENING: Final = "This is the sandbox speaking about {topic}: no model was asked."
_SENTENCES: Final = (
    "There is more to {topic} than one line can hold.",
    "Whoever looks at {topic} closely finds a cause and an effect, and seldom only one of each.",
    "A first look at {topic} asks what it is made of, a second one what it is good for.",
    "Most of what is said of {topic} is true somewhere and wrong elsewhere.",
    "It helps to measure before one speaks of {topic}.",
    "An example makes it plain: take the smallest case, change one thing, and see what follows.",
    "Those who know it well disagree on the details, not on the whole.",
    "Numbers alone do not settle it, but they shorten the argument.",
    "In practice the simple answer is right nine times out of ten.",
    "What remains is a question of taste, and of how much time there is.",
    "So much for the outline; the rest follows from it step by step.",
    "One might go on, yet little would be added.",
)


def about(topic: str, tokens: int, seed: int) -> str:
    """Prose of `tokens` tokens or a few more: the sentence that reaches the figure is finished."""
    topic = topic or "your message"
    parts = [_OPENING.format(topic=topic)]
    count = len(pieces(parts[0]))
    n = seed % len(_SENTENCES)
    while count < tokens:
        sentence = " " + _SENTENCES[n % len(_SENTENCES)].format(topic=topic)
        parts.append(sentence)
        count += len(pieces(sentence))
        n += 1
    return "".join(parts)


def from_results(results: Sequence[tuple[str, str]]) -> str:
    """What tools have said, each with its name, in words."""
    return " ".join(f"{name} says: {_whole(text)}" for name, text in results)


def thoughts(topic: str, tokens: int) -> str:
    """Reasoning before an answer, of about `tokens` tokens."""
    topic = topic or "the message"
    parts = [f"The question is about {topic}."]
    count = len(pieces(parts[0]))
    step = 0
    while count < tokens:
        step += 1
        sentence = f" Step {step}: what is known of {topic}, and what follows from it?"
        parts.append(sentence)
        count += len(pieces(sentence))
    return "".join(parts)


def _whole(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
