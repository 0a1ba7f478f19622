"""Handlers that only read."""
