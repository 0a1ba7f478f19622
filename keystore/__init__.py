"""The only room that sees key material."""
