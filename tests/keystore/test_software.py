"""The software key store: what it makes, opens, refuses, holds and forgets."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from domain import ciphertext
from domain.encryption_context import canonical
from domain.errors import InvalidCiphertext, InvariantBroken, KeyUnavailable
from keystore import materials
from keystore.keyring import Keyring
from keystore.port import KeyStore, MaterialName, SealedMaterial
from keystore.software import SoftwareKeyStore

from .conftest import ACCOUNT, KEY_ID, Seconds

CONTEXT = canonical({"tenant": "acme"})
OTHER_KEY_ID = KEY_ID.replace("1", "2")
MakeKey = Callable[[str], MaterialName]


def row_of(connection: sqlite3.Connection, name: MaterialName) -> SealedMaterial:
    row = materials.load(connection, *name)
    assert row is not None
    return row


def put_back(connection: sqlite3.Connection, row: SealedMaterial) -> None:
    materials.delete(connection.cursor(), row.account, row.owner_id)
    materials.insert(connection.cursor(), row)


def test_the_software_store_is_a_key_store(store: SoftwareKeyStore) -> None:
    port: KeyStore = store
    assert len(port.random(7)) == 7


def test_a_generated_material_is_the_first_of_its_key(store: SoftwareKeyStore) -> None:
    row = store.generate(account=ACCOUNT, key_id=KEY_ID, spec="SYMMETRIC_DEFAULT")
    assert (row.account, row.owner_id, row.seq, row.epoch) == (ACCOUNT, KEY_ID, 1, 1)
    assert (row.spec, row.origin) == ("SYMMETRIC_DEFAULT", "AWS_KMS")
    assert len(bytes.fromhex(row.material_id)) == 32


def test_two_generated_materials_differ(store: SoftwareKeyStore) -> None:
    rows = [
        store.generate(account=ACCOUNT, key_id=KEY_ID, spec="SYMMETRIC_DEFAULT") for _ in range(2)
    ]
    assert rows[0].material_id != rows[1].material_id
    assert rows[0].blob != rows[1].blob


def test_a_spec_that_is_not_made_here_is_never_generated(store: SoftwareKeyStore) -> None:
    with pytest.raises(InvariantBroken):
        store.generate(account=ACCOUNT, key_id=KEY_ID, spec="RSA_2048")


@pytest.mark.parametrize("length", [0, 1, 32, 4096, 6044])
def test_what_is_encrypted_decrypts(
    store: SoftwareKeyStore, name: MaterialName, length: int
) -> None:
    plaintext = os.urandom(length)
    blob = store.encrypt(name, plaintext, CONTEXT)
    assert len(blob) == length + 100
    assert store.decrypt(name, blob, CONTEXT) == plaintext


def test_a_ciphertext_names_its_key_and_material(
    store: SoftwareKeyStore, name: MaterialName
) -> None:
    blob = ciphertext.parse(store.encrypt(name, b"plaintext", CONTEXT))
    assert blob.key_id == KEY_ID
    assert name.material_id.startswith(blob.material_prefix)


def test_one_plaintext_has_another_ciphertext_each_time(
    store: SoftwareKeyStore, name: MaterialName
) -> None:
    assert len({store.encrypt(name, b"plaintext", CONTEXT) for _ in range(100)}) == 100


def test_a_plaintext_too_long_to_be_decrypted_is_not_encrypted(
    store: SoftwareKeyStore, name: MaterialName
) -> None:
    with pytest.raises(InvariantBroken):
        store.encrypt(name, bytes(6045), CONTEXT)


def test_another_context_is_refused(store: SoftwareKeyStore, name: MaterialName) -> None:
    blob = store.encrypt(name, b"plaintext", CONTEXT)
    for context in (canonical({}), canonical({"tenant": "Acme"}), b""):
        with pytest.raises(InvalidCiphertext):
            store.decrypt(name, blob, context)


def test_every_changed_byte_is_refused(store: SoftwareKeyStore, name: MaterialName) -> None:
    blob = store.encrypt(name, b"plaintext", CONTEXT)
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 0xFF
        with pytest.raises(InvalidCiphertext):
            store.decrypt(name, bytes(changed), CONTEXT)


def test_every_truncation_is_refused(store: SoftwareKeyStore, name: MaterialName) -> None:
    blob = store.encrypt(name, b"plaintext", CONTEXT)
    for length in range(len(blob)):
        with pytest.raises(InvalidCiphertext):
            store.decrypt(name, blob[:length], CONTEXT)


def test_a_blob_over_6144_bytes_is_refused(store: SoftwareKeyStore, name: MaterialName) -> None:
    blob = store.encrypt(name, bytes(6044), CONTEXT)
    with pytest.raises(InvalidCiphertext):
        store.decrypt(name, blob + b"\x00", CONTEXT)


def test_a_ciphertext_of_another_key_is_refused(store: SoftwareKeyStore, make_key: MakeKey) -> None:
    one, other = make_key(KEY_ID), make_key(OTHER_KEY_ID)
    blob = store.encrypt(one, b"plaintext", CONTEXT)
    foreign = ciphertext.header_start(other.key_id, other.material_id) + blob[36:]
    for attempt in (blob, foreign):
        with pytest.raises(InvalidCiphertext) as caught:
            store.decrypt(other, attempt, CONTEXT)
        assert caught.value.message == ""


def test_a_key_without_a_row_is_unavailable(store: SoftwareKeyStore) -> None:
    with pytest.raises(KeyUnavailable):
        store.encrypt(MaterialName(ACCOUNT, KEY_ID, "ab" * 32), b"plaintext", CONTEXT)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "210987654321"},
        {"owner_id": OTHER_KEY_ID},
        {"material_id": "ab" * 32},
        {"seq": 2},
        {"spec": "HMAC_256"},
        {"origin": "EXTERNAL"},
        {"epoch": 2},
    ],
)
def test_a_sealed_material_does_not_open_in_another_row(
    store: SoftwareKeyStore, connection: sqlite3.Connection, keyring: Keyring,
    name: MaterialName, change: dict[str, object],
) -> None:  # fmt: skip
    keyring.begin_epoch()
    moved = replace(row_of(connection, name), **change)  # type: ignore[arg-type]
    put_back(connection, moved)
    with pytest.raises(KeyUnavailable):
        store.encrypt(MaterialName(moved.account, moved.owner_id, moved.material_id), b"", CONTEXT)
    with pytest.raises(KeyUnavailable):
        store.check_opens(moved)


def test_text_moved_from_one_column_to_the_next_does_not_open(
    store: SoftwareKeyStore, connection: sqlite3.Connection, name: MaterialName
) -> None:
    row = row_of(connection, name)
    shifted = replace(row, account=row.account[:-1], owner_id=row.account[-1] + row.owner_id)
    with pytest.raises(KeyUnavailable):
        store.check_opens(shifted)


def test_rows_swapped_between_keys_do_not_open(
    store: SoftwareKeyStore, connection: sqlite3.Connection, make_key: MakeKey
) -> None:
    one, other = make_key(KEY_ID), make_key(OTHER_KEY_ID)
    put_back(connection, replace(row_of(connection, one), blob=row_of(connection, other).blob))
    with pytest.raises(KeyUnavailable):
        store.encrypt(one, b"plaintext", CONTEXT)


def test_material_that_does_not_prove_its_id_is_never_used(
    store: SoftwareKeyStore, connection: sqlite3.Connection, keyring: Keyring, name: MaterialName
) -> None:
    wrong = keyring.seal(row_of(connection, name), bytes(64))
    put_back(connection, wrong)
    with pytest.raises(InvariantBroken):
        store.encrypt(name, b"plaintext", CONTEXT)
    with pytest.raises(InvariantBroken):
        store.check_opens(wrong)


def test_every_kind_of_row_can_be_checked(
    store: SoftwareKeyStore, connection: sqlite3.Connection, name: MaterialName
) -> None:
    store.check_opens(row_of(connection, name))
    store.check_opens(store.seal_secret(account=ACCOUNT, owner_id="AKIA", secret=b"secret"))


def test_an_access_key_s_secret_opens_for_its_owner_alone(
    store: SoftwareKeyStore, connection: sqlite3.Connection
) -> None:
    row = store.seal_secret(account=ACCOUNT, owner_id="AKIA1", secret=b"secret")
    assert (row.material_id, row.spec) == ("", "ACCESS_KEY_SECRET")
    materials.insert(connection.cursor(), row)
    materials.insert(connection.cursor(), replace(row, owner_id="AKIA2"))
    assert store.open_secret(account=ACCOUNT, owner_id="AKIA1") == b"secret"
    for owner_id in ("AKIA2", "AKIA3"):
        with pytest.raises(KeyUnavailable):
            store.open_secret(account=ACCOUNT, owner_id=owner_id)


def test_a_forgotten_key_is_gone_with_its_row(
    store: SoftwareKeyStore, connection: sqlite3.Connection, make_key: MakeKey
) -> None:
    one, other = make_key(KEY_ID), make_key(OTHER_KEY_ID)
    for name in (one, other):
        store.encrypt(name, b"plaintext", CONTEXT)
    connection.execute("DELETE FROM key_material")
    store.forget(ACCOUNT, KEY_ID)
    store.encrypt(other, b"plaintext", CONTEXT)
    with pytest.raises(KeyUnavailable):
        store.encrypt(one, b"plaintext", CONTEXT)


def test_an_unsealed_key_outlives_its_row_by_at_most_a_minute(
    store: SoftwareKeyStore, connection: sqlite3.Connection, name: MaterialName, seconds: Seconds
) -> None:
    store.encrypt(name, b"plaintext", CONTEXT)
    connection.execute("DELETE FROM key_material")
    seconds.now += 59.0
    store.encrypt(name, b"plaintext", CONTEXT)
    seconds.now += 1.0
    with pytest.raises(KeyUnavailable):
        store.encrypt(name, b"plaintext", CONTEXT)
    assert "0 of 3" in repr(store)


def test_no_more_keys_are_held_than_the_capacity_the_latest_used_stay(
    store: SoftwareKeyStore, connection: sqlite3.Connection, make_key: MakeKey
) -> None:
    names = [make_key(KEY_ID[:-1] + digit) for digit in "0123"]
    for name in (names[0], names[1], names[2], names[0], names[3]):
        store.encrypt(name, b"plaintext", CONTEXT)
    assert "3 of 3" in repr(store)
    connection.execute("DELETE FROM key_material")
    for held in (names[0], names[2], names[3]):
        store.encrypt(held, b"plaintext", CONTEXT)
    with pytest.raises(KeyUnavailable):
        store.encrypt(names[1], b"plaintext", CONTEXT)


def test_a_store_shows_how_much_it_holds_and_nothing_else(
    store: SoftwareKeyStore, name: MaterialName
) -> None:
    store.encrypt(name, b"plaintext", CONTEXT)
    assert repr(store) == "<SoftwareKeyStore 1 of 3 keys unsealed>"
