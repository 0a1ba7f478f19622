"""A claim becomes a principal."""
