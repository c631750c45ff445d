"""Rotor."""
