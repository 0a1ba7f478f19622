"""The canonical encryption context: equal contexts have equal bytes, and no others do."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.encryption_context import canonical
from domain.errors import Validation

# Few characters and short texts: that is where two encodings would meet, if any could.
TEXT = st.text(alphabet="aA\x00é\uff61\U00010000", max_size=3) | st.text(max_size=8)
CONTEXTS = st.dictionaries(TEXT, TEXT, max_size=4)


def read_back(data: bytes) -> dict[str, str]:
    """Decode canonical bytes, for the tests alone: a left inverse proves injectivity."""
    assert data[:5] == b"KTEC\x01"
    texts, rest = [], data[9:]
    while rest:
        length = int.from_bytes(rest[:4])
        texts.append(rest[4 : 4 + length].decode())
        rest = rest[4 + length :]
    pairs = dict(zip(texts[::2], texts[1::2], strict=True))
    assert int.from_bytes(data[5:9]) == len(pairs)
    return pairs


@given(CONTEXTS)
def test_the_bytes_lead_back_to_exactly_one_context(context: dict[str, str]) -> None:
    assert read_back(canonical(context)) == context


@given(CONTEXTS, CONTEXTS)
def test_contexts_are_equal_if_and_only_if_their_bytes_are(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (one == other) == (canonical(one) == canonical(other))


@given(CONTEXTS, st.randoms())
def test_the_order_of_insertion_does_not_matter(context: dict[str, str], shuffler: Random) -> None:
    pairs = list(context.items())
    shuffler.shuffle(pairs)
    assert canonical(dict(pairs)) == canonical(context)


def test_an_empty_context_has_a_count_of_zero() -> None:
    assert canonical({}) == b"KTEC\x01\x00\x00\x00\x00"


def test_keys_are_ordered_by_their_utf_8_bytes() -> None:
    # In UTF-16 the astral character begins with D800 and would come first.
    encoded = canonical({"\U00010000": "", "\uff61": ""})
    assert encoded.index("\uff61".encode()) < encoded.index("\U00010000".encode())


def test_case_counts_and_nothing_is_normalised() -> None:
    assert canonical({"a": "b"}) != canonical({"A": "b"})
    assert canonical({"\u00e9": ""}) != canonical({"e\u0301": ""})


@pytest.mark.parametrize("context", [{"\ud800": ""}, {"": "\udfff"}, {"a": "\ud83dx"}])
def test_a_lone_surrogate_is_refused(context: dict[str, str]) -> None:
    with pytest.raises(Validation):
        canonical(context)
