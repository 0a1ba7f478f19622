"""From a request to a recorded outcome."""
