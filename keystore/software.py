"""The key store in software: material unsealed on use, and held as keyed objects for a while."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable

from domain import ciphertext
from domain.errors import InvalidCiphertext, InvariantBroken, KeyUnavailable
from keystore.keyring import Keyring
from keystore.port import MaterialName, SealedMaterial
from keystore.sealing import NONCE_BYTES, SealBroken, SealingKey, overwrite

ACCESS_KEY_SECRET = "ACCESS_KEY_SECRET"  # noqa: S105 - the spec of a row, not a secret
TIME_TO_LIVE_S = 60.0
"""How long an unsealed key is used before its row must still be there."""

_ORIGIN = "AWS_KMS"
_SALT_BYTES = 32
_MATERIAL_BYTES = {"SYMMETRIC_DEFAULT": 32}
_MATERIAL_ID_LABEL = b"keytrail material id v1"


class _Unsealed:
    """A key ready for use; `start` is how each of its ciphertexts begins."""

    __slots__ = ("expires_at", "key", "start")

    def __init__(self, key: SealingKey, start: bytes, expires_at: float) -> None:
        self.key = key
        self.start = start
        self.expires_at = expires_at


class SoftwareKeyStore:
    """`keystore.port.KeyStore` in software; for the event loop's thread only.

    At most `capacity` keys are held unsealed, the least recently used leave first. `load` reads a
    row of the material table; `random` makes keys and `nonces` nonces, which are no secrets;
    `monotonic` counts seconds.
    """

    def __init__(
        self,
        keyring: Keyring,
        load: Callable[[str, str, str], SealedMaterial | None],
        *,
        capacity: int,
        random: Callable[[int], bytes],
        nonces: Callable[[int], bytes],
        monotonic: Callable[[], float],
    ) -> None:
        self._keyring = keyring
        self._load = load
        self._capacity = capacity
        self._random = random
        self._nonces = nonces
        self._monotonic = monotonic
        self._unsealed: OrderedDict[MaterialName, _Unsealed] = OrderedDict()

    def __repr__(self) -> str:
        return f"<SoftwareKeyStore {len(self._unsealed)} of {self._capacity} keys unsealed>"

    def generate(self, *, account: str, key_id: str, spec: str) -> SealedMaterial:
        """Make a key's first material. Raises InvariantBroken for a spec not made here."""
        if spec not in _MATERIAL_BYTES:
            raise InvariantBroken(f"no material of spec {spec} is made in software")
        salt_and_material = bytearray(self._random(_SALT_BYTES + _MATERIAL_BYTES[spec]))
        try:
            row = SealedMaterial(
                account=account,
                owner_id=key_id,
                material_id=_material_id(salt_and_material, spec),
                seq=1,
                spec=spec,
                origin=_ORIGIN,
                epoch=self._keyring.current,
                blob=b"",
            )
            return self._keyring.seal(row, salt_and_material)
        finally:
            overwrite(salt_and_material)

    def encrypt(self, name: MaterialName, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt at most 6044 bytes. Raises KeyUnavailable."""
        if len(plaintext) > ciphertext.PLAINTEXT_LIMIT_BYTES:
            raise InvariantBroken("the ciphertext would be too long to be decrypted")
        held = self._key(name)
        return held.key.seal(held.start, self._nonces(NONCE_BYTES), context, plaintext)

    def decrypt(self, name: MaterialName, blob: bytes, context: bytes) -> bytes:
        """Open a blob of this material. Raises InvalidCiphertext, KeyUnavailable."""
        if len(blob) > ciphertext.BLOB_LIMIT_BYTES:
            raise InvalidCiphertext
        held = self._key(name)
        try:
            return held.key.unseal(held.start, blob, context)
        except SealBroken:
            raise InvalidCiphertext from None

    def random(self, number_of_bytes: int) -> bytes:
        """Random bytes from the operating system's generator."""
        return self._random(number_of_bytes)

    def seal_secret(self, *, account: str, owner_id: str, secret: bytes) -> SealedMaterial:
        """Seal an access key's secret; the caller stores the row."""
        row = SealedMaterial(
            account=account,
            owner_id=owner_id,
            material_id="",
            seq=1,
            spec=ACCESS_KEY_SECRET,
            origin=_ORIGIN,
            epoch=self._keyring.current,
            blob=b"",
        )
        return self._keyring.seal(row, secret)

    def open_secret(self, *, account: str, owner_id: str) -> bytes:
        """Open an access key's secret, which is not held here. Raises KeyUnavailable."""
        secret = self._keyring.unseal(self._row(account, owner_id, ""))
        try:
            return bytes(secret)
        finally:
            overwrite(secret)

    def check_opens(self, row: SealedMaterial) -> None:
        """Open a row and throw the result away. Raises KeyUnavailable, InvariantBroken."""
        secret = self._keyring.unseal(row)
        try:
            if row.spec != ACCESS_KEY_SECRET:
                _check_material_id(secret, row)
        finally:
            overwrite(secret)

    def forget(self, account: str, owner_id: str) -> None:
        """Drop every unsealed key of this owner."""
        owner = (account, owner_id)
        for name in [name for name in self._unsealed if name[:2] == owner]:
            del self._unsealed[name]

    def _key(self, name: MaterialName) -> _Unsealed:
        held = self._unsealed.get(name)
        if held is None or held.expires_at <= self._monotonic():
            return self._unseal(name)
        self._unsealed.move_to_end(name)
        return held

    def _unseal(self, name: MaterialName) -> _Unsealed:
        # A row that is gone takes its unsealed key along, whatever comes of the reading below.
        self._unsealed.pop(name, None)
        row = self._row(*name)
        salt_and_material = self._keyring.unseal(row)
        try:
            _check_material_id(salt_and_material, row)
            key = _keyed(salt_and_material)
        finally:
            overwrite(salt_and_material)
        start = ciphertext.header_start(name.key_id, name.material_id)
        held = _Unsealed(key, start, self._monotonic() + TIME_TO_LIVE_S)
        self._unsealed[name] = held
        if len(self._unsealed) > self._capacity:
            self._unsealed.popitem(last=False)
        return held

    def _row(self, account: str, owner_id: str, material_id: str) -> SealedMaterial:
        row = self._load(account, owner_id, material_id)
        if row is None:
            raise KeyUnavailable
        return row


def _keyed(salt_and_material: bytearray) -> SealingKey:
    material = salt_and_material[_SALT_BYTES:]
    try:
        return SealingKey(material)
    finally:
        overwrite(material)


def _check_material_id(salt_and_material: bytearray, row: SealedMaterial) -> None:
    # The seal has opened, so the row is ours: another id is our own mistake, not an attack.
    proven = _material_id(salt_and_material, row.spec)
    if not hmac.compare_digest(proven, row.material_id):
        raise InvariantBroken("a row of the material table holds material of another id")


def _material_id(salt_and_material: bytearray, spec: str) -> str:
    """Compute the id of a material: keyed by a salt that is destroyed with it.

    A bare hash in the ledger would let anyone check guesses of the material for ever.
    """
    with memoryview(salt_and_material) as view:
        code = hmac.new(view[:_SALT_BYTES].tobytes(), _MATERIAL_ID_LABEL, hashlib.sha256)
        code.update(spec.encode())
        code.update(view[_SALT_BYTES:])
        return code.hexdigest()
