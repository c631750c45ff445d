"""Rotor inside LiteLLM. Its doors (Router strategy, proxy, provider) are not in this version; nothing is exported yet."""
