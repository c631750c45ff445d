"""_policy."""
