"""Bytes to calls and outcomes to bytes, one module per dialect."""
