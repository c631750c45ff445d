"""ChatRotor."""
