"""Timestamps on the AWS JSON wire: numbers, seconds since 1970 with milliseconds."""

from datetime import datetime


def epoch_seconds(at: datetime) -> float:
    """Seconds since 1970, rounded to milliseconds as AWS does."""
    return round(at.timestamp(), 3)
