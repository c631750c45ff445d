"""Rotor inside LiteLLM."""
