"""Stored bytes, held against files that never change."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from domain.events import EVENTS, Event, KeyEnabled
from ledger.codec import (
    RECORD_TOPIC,
    CodecError,
    StoredEvent,
    decode_event,
    decode_record,
    encode_event,
    encode_record,
)
from tests.ledger.samples import AT, EXAMPLES, event_id, record

GOLDEN = Path(__file__).parent / "golden"
BY_NAME = {type(event).__name__: event for event in EXAMPLES}
RECORD = encode_record(record(1))
ENABLED = encode_event(BY_NAME["KeyEnabled"], 4, event_id(1))


def golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


def altered(stored: StoredEvent, old: bytes, new: bytes) -> StoredEvent:
    assert old in stored.state
    return replace(stored, state=stored.state.replace(old, new, 1))


def test_every_event_class_has_its_golden_bytes() -> None:
    names = {event_class.__name__ for event_class in EVENTS}
    assert set(BY_NAME) == names
    assert {path.stem for path in GOLDEN.glob("*.json")} == names | {"Record"}


@pytest.mark.parametrize("event", EXAMPLES, ids=BY_NAME)
def test_an_event_is_stored_as_its_golden_bytes(event: Event) -> None:
    stored = encode_event(event, 7, event_id(1))
    assert stored.state == golden(type(event).__name__)


@pytest.mark.parametrize("event", EXAMPLES, ids=BY_NAME)
def test_golden_bytes_are_read_as_their_event(event: Event) -> None:
    state = golden(type(event).__name__)
    decoded = decode_event(StoredEvent(event.stream, 7, event.TOPIC, state))
    assert decoded == (event, 7, event_id(1))


def test_a_record_is_stored_as_its_golden_bytes() -> None:
    assert (RECORD.originator_id, RECORD.originator_version) == (event_id(1), 1)
    assert (RECORD.topic, RECORD.state) == (RECORD_TOPIC, golden("Record"))


def test_golden_bytes_are_read_as_their_record() -> None:
    assert decode_record(StoredEvent(event_id(1), 1, RECORD_TOPIC, golden("Record"))) == record(1)


def test_a_map_that_looks_like_a_typed_value_passes_unchanged() -> None:
    parameters = {"encryptionContext": {"_type_": "datetime_iso", "_data_": "2026-11-21"}}
    made = record(1) | {"requestParameters": parameters}
    assert decode_record(encode_record(made))["requestParameters"] == parameters


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"topic"', b'{"more":1,"topic"'),
        (b'{"at"', b'{"more":1,"at"'),
        (b'"account":"123456789012"', b'"account":"1","account":"123456789012"'),
        (b'"event_id":"', b'"event_id":"","event_id":"'),
        (b'"region":"us-east-1",', b""),
        (b'"account":"123456789012"', b'"account":123456789012'),
        (b'"event":{', b'"event": {'),
        (b".123456Z", b".123456+00:00"),
        (b".123456Z", b".123456"),
        (b"us-east-1", b"us-east\\u002d1"),
        (b"us-east-1", b"us-east-\xff"),
        (b"}}", b"}"),
    ],
)
def test_bytes_that_an_event_is_not_stored_as_are_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(CodecError):
        decode_event(altered(ENABLED, old, new))


@pytest.mark.parametrize(
    "column",
    [
        {"originator_id": "key:123456789012:us-east-1:another"},
        {"originator_version": 5},
        {"topic": "keytrail.KeyDisabled.v1"},
        {"topic": "keytrail.Unknown.v1"},
        {"topic": "domain.events:KeyEnabled"},
        {"topic": RECORD_TOPIC},
    ],
)
def test_an_event_whose_columns_are_not_in_its_bytes_is_refused(column: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        decode_event(replace(ENABLED, **column))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"eventVersion"', b'{ "eventVersion"'),
        (b'"readOnly":true', b'"readOnly":false,"readOnly":true'),
        (b'"eventID"', b'"eventid"'),
        (b'"eventID":"', b'"eventID":"0'),
        (b"{", b"["),
    ],
)
def test_bytes_that_a_record_is_not_stored_as_are_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(CodecError):
        decode_record(altered(RECORD, old, new))


@pytest.mark.parametrize(
    "column",
    [{"originator_id": event_id(2)}, {"originator_version": 2}, {"topic": ENABLED.topic}],
)
def test_a_record_whose_columns_are_not_its_own_is_refused(column: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        decode_record(replace(RECORD, **column))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "at", [AT.replace(tzinfo=None), AT.astimezone(timezone(timedelta(hours=1)))]
)
def test_an_instant_that_is_not_in_utc_is_refused(at: datetime) -> None:
    event = BY_NAME["KeyEnabled"]
    assert isinstance(event, KeyEnabled)
    with pytest.raises(CodecError, match="effective_at is not in UTC"):
        encode_event(replace(event, effective_at=at), 1, event_id(1))


def test_an_event_of_no_known_class_is_refused() -> None:
    with pytest.raises(CodecError, match="not an event that the ledger holds"):
        encode_event(Event(at=AT), 1, event_id(1))


@pytest.mark.parametrize("event_id", [None, 7, ["a"]])
def test_a_record_without_a_textual_event_id_is_refused(event_id: object) -> None:
    with pytest.raises(CodecError):
        encode_record(record(1) | {"eventID": event_id})
    with pytest.raises(CodecError):
        encode_record({})


@pytest.mark.parametrize("value", [object(), "\ud800", {1j: 2}])
def test_a_value_that_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(CodecError):
        encode_record(record(1) | {"requestParameters": value})
