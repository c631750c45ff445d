"""The `rotor` command."""
