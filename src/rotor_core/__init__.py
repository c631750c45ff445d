"""Rotor (the public names are listed here once all parts stand)."""
