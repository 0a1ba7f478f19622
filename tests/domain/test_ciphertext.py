"""The ciphertext blob: read strictly, written exactly, never a surprise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ciphertext
from domain.errors import InvalidCiphertext, InvariantBroken

KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
MULTI_REGION_KEY_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"
MATERIAL_ID = "0123456789abcdef" * 4
NONCE = bytes(range(16))
COMMITMENT = bytes(range(32, 64))
BODY = b"body" + b"t" * 16


def made(key_id: str = KEY_ID, body: bytes = BODY) -> bytes:
    return ciphertext.header_start(key_id, MATERIAL_ID) + NONCE + COMMITMENT + body


@pytest.mark.parametrize("key_id", [KEY_ID, MULTI_REGION_KEY_ID])
def test_a_blob_gives_back_what_its_header_was_made_of(key_id: str) -> None:
    blob = ciphertext.parse(made(key_id))
    assert blob.suite == 1
    assert blob.key_id == key_id
    assert blob.material_prefix == MATERIAL_ID[:32]
    assert (blob.nonce, blob.commitment, blob.body) == (NONCE, COMMITMENT, BODY)
    assert blob.header == made(key_id)[:84]


def test_the_header_has_the_published_layout() -> None:
    assert made()[:4] == b"KT\x01\x01"
    assert made(MULTI_REGION_KEY_ID)[:4] == b"KT\x01\x81"
    assert made()[4:20].hex() == KEY_ID.replace("-", "")
    assert made()[20:36].hex() == MATERIAL_ID[:32]


@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_another_magic_version_or_suite_is_refused(position: int) -> None:
    for value in set(range(256)) - {made()[position], made(MULTI_REGION_KEY_ID)[position]}:
        blob = bytearray(made())
        blob[position] = value
        with pytest.raises(InvalidCiphertext):
            ciphertext.parse(bytes(blob))


def test_a_blob_has_at_least_100_and_at_most_6144_bytes() -> None:
    for tag_and_more in (16, 6144 - 84):
        ciphertext.parse(made(body=bytes(tag_and_more)))
    for wrong in (15, 6144 - 83):
        with pytest.raises(InvalidCiphertext):
            ciphertext.parse(made(body=bytes(wrong)))


def test_the_refusal_never_says_why() -> None:
    with pytest.raises(InvalidCiphertext) as caught:
        ciphertext.parse(b"KT")
    assert caught.value.message == ""


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: made()[:36] + tail))
def test_any_bytes_are_a_blob_or_refused(data: bytes) -> None:
    try:
        blob = ciphertext.parse(data)
    except InvalidCiphertext:
        return
    assert blob.header + blob.body == data
    assert ciphertext.header_start(blob.key_id, blob.material_prefix * 2) == data[:36]


@given(st.integers(0, len(made()) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_seen_in_the_fields(position: int, flip: int) -> None:
    data = bytearray(made())
    data[position] ^= flip
    try:
        blob = ciphertext.parse(bytes(data))
    except InvalidCiphertext:
        return
    assert blob != ciphertext.parse(made())
    assert blob.header + blob.body == data


@given(st.integers(0, 99))
def test_a_blob_cut_short_of_header_and_tag_is_refused(length: int) -> None:
    with pytest.raises(InvalidCiphertext):
        ciphertext.parse(made()[:length])


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "mrk-",
        KEY_ID.upper(),
        KEY_ID.replace("-", ""),
        KEY_ID[:-1],
        KEY_ID + "a",
        KEY_ID.replace("1", " "),
        MULTI_REGION_KEY_ID.upper(),
        "mrk-" + KEY_ID,
        "z" * 36,
        "é" * 36,
    ],
)
def test_a_header_is_never_made_for_a_key_id_in_another_form(key_id: str) -> None:
    with pytest.raises(InvariantBroken):
        ciphertext.header_start(key_id, MATERIAL_ID)


@pytest.mark.parametrize("material_id", ["", MATERIAL_ID[:32], MATERIAL_ID.upper(), "z" * 64])
def test_a_header_is_never_made_for_a_material_id_in_another_form(material_id: str) -> None:
    with pytest.raises(InvariantBroken):
        ciphertext.header_start(KEY_ID, material_id)
