"""The canonical bytes of an encryption context, which authenticate every ciphertext.

"KTEC" 01, u32 count, then for each pair, ordered by the bytes of its key: u32 length and bytes of
the key, u32 length and bytes of the value. Text is strict UTF-8, integers are big endian. Case
counts and nothing is normalised. Two contexts are equal if and only if their bytes are. The bytes
are frozen: other bytes would need another ciphertext suite.
"""

from collections.abc import Mapping
from struct import Struct

from domain.errors import Validation

_MAGIC = b"KTEC\x01"
_EMPTY = _MAGIC + bytes(4)
_u32 = Struct(">I").pack


def canonical(context: Mapping[str, str]) -> bytes:
    """Encode a context; an absent one is an empty one.

    Raises Validation when a key or value has no UTF-8 form, that is, holds a lone surrogate.
    """
    if not context:
        return _EMPTY
    try:
        pairs = [(key.encode(), value.encode()) for key, value in context.items()]
    except UnicodeEncodeError:
        raise Validation("The encryption context contains text that is not Unicode.") from None
    # By bytes, not by text: Python compares text by code points, other languages by UTF-16 units.
    pairs.sort()
    parts = [_MAGIC, _u32(len(pairs))]
    for key, value in pairs:
        parts += (_u32(len(key)), key, _u32(len(value)), value)
    return b"".join(parts)
