"""Rotor for LangChain: `ChatRotor`, a chat model that keeps answering, and `register`, which lets LangChain find it by name."""

from rotor_langchain.chat_model import ChatRotor
from rotor_langchain.register import register

__all__ = ["ChatRotor", "register"]
