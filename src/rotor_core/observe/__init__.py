"""Observers: what listens to events and keeps account or writes them down. Nothing in the kernel depends on one."""
