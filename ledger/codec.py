"""Stored bytes: from events and records to one line of JSON, and strictly back.

The topics are a closed table; nothing in a row is ever imported. Bytes that do not decode and
encode again to themselves are refused, so there is one way only to write a thing down.
"""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar, get_type_hints

import msgspec
from eventsourcing.persistence import StoredEvent

from domain.events import EVENTS, Event

__all__ = [
    "RECORD_TOPIC",
    "CodecError",
    "DecodedEvent",
    "StoredEvent",
    "decode_event",
    "decode_record",
    "encode_event",
    "encode_record",
]

RECORD_TOPIC = "keytrail.Record.v1"

E = TypeVar("E", bound=Event)


class CodecError(Exception):
    """What was given cannot be written down, or what is written down is not what we write."""


class DecodedEvent(NamedTuple):
    """An event, its version in its stream, and the `eventID` of the record of its cause."""

    event: Event
    version: int
    event_id: str


class _Envelope(msgspec.Struct, Generic[E], frozen=True, forbid_unknown_fields=True):
    """The stored form of an event: it repeats its row's columns, since only bytes are hashed."""

    topic: str
    originator_id: str
    originator_version: int
    event_id: str
    event: E


class _Known(NamedTuple):
    decode: Any
    instants: tuple[str, ...]


def _known(event_class: type[Event]) -> _Known:
    hints = get_type_hints(event_class)
    return _Known(
        msgspec.json.Decoder(_Envelope[event_class]).decode,  # type: ignore[valid-type]
        tuple(field.name for field in fields(event_class) if hints[field.name] is datetime),
    )


_KNOWN = {event_class.TOPIC: _known(event_class) for event_class in EVENTS}
_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ZERO = timedelta(0)


def encode_event(event: Event, version: int, event_id: str) -> StoredEvent:
    """Write an event down as version `version` of its stream, caused by record `event_id`.

    Raises CodecError: an unknown class, an instant that is not UTC, a value that JSON cannot hold.
    """
    _check_instants(event)
    stream = event.stream
    envelope = _Envelope(event.TOPIC, stream, version, event_id, event)
    return StoredEvent(stream, version, event.TOPIC, _encoded(envelope))


def encode_record(record: Mapping[str, object]) -> StoredEvent:
    """Write a record down in a stream of its own. Raises CodecError."""
    try:
        event_id = record["eventID"]
    except KeyError:
        raise CodecError("a record without eventID") from None
    if not isinstance(event_id, str):
        raise CodecError("a record whose eventID is not text")
    return StoredEvent(event_id, 1, RECORD_TOPIC, _encoded(record))


def decode_event(stored: StoredEvent) -> DecodedEvent:
    """Read an event back. Raises CodecError unless every byte and column is as we write it."""
    known = _KNOWN.get(stored.topic)
    if known is None:
        raise CodecError(f"unknown topic {stored.topic!r}")
    try:
        envelope: _Envelope[Event] = known.decode(stored.state)
    except _UNREADABLE as error:
        raise CodecError(f"{stored.topic}: {error}") from None
    decoded = DecodedEvent(envelope.event, envelope.originator_version, envelope.event_id)
    # The dataclass itself is decoded leniently: unknown members are skipped, the last of two
    # wins. Encoding again and comparing is what makes it strict, and compares the columns too.
    if encode_event(*decoded) != stored:
        raise CodecError(f"{stored.topic}: not the bytes or columns that this event is stored as")
    return decoded


def decode_record(stored: StoredEvent) -> dict[str, object]:
    """Read a record back. Raises CodecError unless every byte and column is as we write it."""
    if stored.topic != RECORD_TOPIC:
        raise CodecError(f"{stored.topic!r} is not the topic of a record")
    try:
        record = _decode_object(stored.state)
    except _UNREADABLE as error:
        raise CodecError(f"{stored.topic}: {error}") from None
    if encode_record(record) != stored:
        raise CodecError(f"{stored.topic}: not the bytes or columns that this record is stored as")
    return record


def _encoded(value: object) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise CodecError(f"{type(value).__name__} cannot be stored: {error}") from error


def _check_instants(event: Event) -> None:
    known = _KNOWN.get(event.TOPIC)
    if known is None:
        raise CodecError(f"{type(event).__name__} is not an event that the ledger holds")
    for name in known.instants:
        if getattr(event, name).utcoffset() != _ZERO:
            raise CodecError(f"{event.TOPIC}: {name} is not in UTC")
