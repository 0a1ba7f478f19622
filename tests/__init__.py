"""Tests: the vendor's own clients against the real server on the real ledger."""
