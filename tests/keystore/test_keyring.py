"""The keyring file and its epochs."""

import json
import os
import stat
from pathlib import Path

import pytest

from domain.errors import KeyUnavailable
from keystore.keyring import Keyring, KeyringError
from keystore.port import SealedMaterial
from keystore.sealing import SealingKey

from .conftest import clock

ROW = SealedMaterial(
    account="123456789012", owner_id="AKIAEXAMPLE", material_id="", seq=1,
    spec="ACCESS_KEY_SECRET", origin="AWS_KMS", epoch=0, blob=b"",
)  # fmt: skip


def reopened(path: Path, root: SealingKey) -> Keyring:
    return Keyring.open(path, root, clock=clock, random=os.urandom)


def stored(path: Path) -> list[dict[str, object]]:
    epochs: list[dict[str, object]] = json.loads(path.read_text())["epochs"]
    return epochs


def test_a_new_keyring_has_one_current_epoch(keyring: Keyring, tmp_path: Path) -> None:
    assert keyring.current == 1
    (entry,) = stored(tmp_path / "keyring.json")
    assert (entry["epoch"], entry["state"]) == (1, "CURRENT")
    assert entry["created"] == "2026-11-21T20:48:00+00:00"
    assert stat.S_IMODE((tmp_path / "keyring.json").stat().st_mode) == 0o600


def test_a_keyring_is_never_replaced(keyring: Keyring, tmp_path: Path, root: SealingKey) -> None:
    with pytest.raises(KeyringError, match="already exists"):
        Keyring.create(tmp_path / "keyring.json", root, clock=clock, random=os.urandom)


def test_what_is_sealed_opens_after_the_keyring_is_read_again(
    keyring: Keyring, tmp_path: Path, root: SealingKey
) -> None:
    sealed = keyring.seal(ROW, b"secret")
    assert sealed.epoch == 1
    assert reopened(tmp_path / "keyring.json", root).unseal(sealed) == b"secret"


def test_a_wrong_root_does_not_open_the_keyring(keyring: Keyring, tmp_path: Path) -> None:
    with pytest.raises(KeyringError, match="root key does not open the keyring"):
        reopened(tmp_path / "keyring.json", SealingKey(bytes(32)))


@pytest.mark.parametrize(
    ("member", "value"),
    [("epoch", 7), ("created", "2020-01-01T00:00:00+00:00"), ("kek", "AAAA"), ("kek", "é")],
)
def test_a_changed_entry_does_not_open(
    keyring: Keyring, tmp_path: Path, root: SealingKey, member: str, value: object
) -> None:
    path = tmp_path / "keyring.json"
    content = json.loads(path.read_text())
    content["epochs"][0][member] = value
    path.write_text(json.dumps(content))
    with pytest.raises(KeyringError, match="root key does not open"):
        reopened(path, root)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "\x00",
        '{"format":"keytrail.keyring.v1","epochs":[]}',
        '{"format":"keytrail.keyring.v2","epochs":[]}',
        '{"epochs":[],"more":1}',
    ],
)
def test_a_damaged_keyring_is_refused(tmp_path: Path, root: SealingKey, content: str) -> None:
    (tmp_path / "keyring.json").write_text(content)
    with pytest.raises(KeyringError, match="damaged"):
        reopened(tmp_path / "keyring.json", root)


def test_epochs_out_of_order_are_refused(
    keyring: Keyring, tmp_path: Path, root: SealingKey
) -> None:
    keyring.begin_epoch()
    path = tmp_path / "keyring.json"
    content = json.loads(path.read_text())
    content["epochs"].reverse()
    path.write_text(json.dumps(content))
    with pytest.raises(KeyringError, match="damaged"):
        reopened(path, root)


def test_a_retiring_epoch_cannot_be_made_the_current_one_again(
    keyring: Keyring, tmp_path: Path, root: SealingKey
) -> None:
    keyring.begin_epoch()
    path = tmp_path / "keyring.json"
    content = json.loads(path.read_text())
    content["epochs"] = [content["epochs"][0] | {"state": "CURRENT"}]
    path.write_text(json.dumps(content))
    with pytest.raises(KeyringError, match="root key does not open"):
        reopened(path, root)


def test_a_missing_keyring_is_refused_by_name(tmp_path: Path, root: SealingKey) -> None:
    with pytest.raises(KeyringError, match=r"keyring\.json cannot be read"):
        reopened(tmp_path / "keyring.json", root)


def test_a_new_epoch_seals_and_the_old_one_still_opens(
    keyring: Keyring, tmp_path: Path, root: SealingKey
) -> None:
    old = keyring.seal(ROW, b"old")
    assert keyring.begin_epoch() == keyring.current == 2
    new = keyring.seal(ROW, b"new")
    again = reopened(tmp_path / "keyring.json", root)
    assert (old.epoch, new.epoch) == (1, 2)
    assert again.unseal(old) == b"old"
    assert again.unseal(new) == b"new"
    assert [entry["state"] for entry in stored(tmp_path / "keyring.json")] == [
        "RETIRING",
        "CURRENT",
    ]


def test_a_dropped_epoch_is_gone_from_memory_and_file(
    keyring: Keyring, tmp_path: Path, root: SealingKey
) -> None:
    old = keyring.seal(ROW, b"old")
    keyring.begin_epoch()
    keyring.drop(1)
    for ring in (keyring, reopened(tmp_path / "keyring.json", root)):
        assert ring.epochs == (2,)
        with pytest.raises(KeyUnavailable):
            ring.unseal(old)


def test_the_number_of_a_dropped_epoch_is_never_used_again(keyring: Keyring) -> None:
    keyring.begin_epoch()
    keyring.drop(1)
    assert keyring.begin_epoch() == 3


@pytest.mark.parametrize("epoch", [0, 2, 3])
def test_only_a_retiring_epoch_can_be_dropped(keyring: Keyring, epoch: int) -> None:
    keyring.begin_epoch()
    with pytest.raises(KeyringError, match="not a retiring epoch"):
        keyring.drop(epoch)
    assert keyring.epochs == (1, 2)


def test_a_write_that_fails_leaves_keyring_and_memory_as_they_were(
    keyring: Keyring, tmp_path: Path, root: SealingKey
) -> None:
    (tmp_path / "keyring.json.new").mkdir()
    with pytest.raises(OSError, match=r"keyring\.json\.new"):
        keyring.begin_epoch()
    assert keyring.current == reopened(tmp_path / "keyring.json", root).current == 1


def test_what_a_crash_left_beside_the_keyring_goes_with_the_next_write(
    keyring: Keyring, tmp_path: Path
) -> None:
    (tmp_path / "keyring.json.new").write_text("half a keyring")
    keyring.begin_epoch()
    assert not (tmp_path / "keyring.json.new").exists()


def test_a_keyring_shows_no_key(keyring: Keyring) -> None:
    assert repr(keyring) == "<Keyring epochs=[1]>"
