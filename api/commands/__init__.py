"""Handlers that change something or use a key."""
