"""Counting without a tokenizer: Rotor's models have many, so all of LangChain's counting goes by the engine's estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from rotor_core._policy.estimate import estimate_tokens, text_tokens
from rotor_langchain.messages import to_wire
from rotor_langchain.tools import to_tools


def count_in_text(text: str) -> int:
    """What a text will be counted as."""
    return text_tokens(text)


def count_in_messages(messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
    """What the messages, and the tools beside them, will be counted as."""
    return estimate_tokens(to_wire(messages), to_tools(tools) if tools else None).input_tokens
