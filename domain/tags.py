"""Tags of keys. Source: KMS API Reference, TagResource; KMS Developer Guide, "Tagging keys"."""

from collections.abc import Iterable, Sequence

from domain.errors import Tag as TagRefused
from domain.events import Tag

MOST_TAGS = 50


def check_new(tags: Sequence[Tag]) -> None:
    """Raises Tag for duplicates and for keys under `aws:` (in any case)."""
    if len({tag.key for tag in tags}) != len(tags):
        raise TagRefused("Duplicate tag keys")
    if len(tags) > MOST_TAGS:
        raise TagRefused("Too many tags")
    check_keys(tag.key for tag in tags)


def check_keys(keys: Iterable[str]) -> None:
    """Raises Tag for a reserved tag key."""
    if any(key[:4].lower() == "aws:" for key in keys):
        raise TagRefused("Tags beginning with aws: are reserved")


def check_number(existing: Iterable[str], tags: Sequence[Tag]) -> None:
    """Raises Tag when the key would have more than 50 tags."""
    if len(set(existing) | {tag.key for tag in tags}) > MOST_TAGS:
        raise TagRefused("Too many tags")
