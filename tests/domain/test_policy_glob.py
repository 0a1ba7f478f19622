"""Patterns of policies, held against a definition that anyone can read."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.policy.glob import matches

PATTERNS = st.text("ab*?", max_size=9)
VALUES = st.text("ab?*", max_size=9)


@cache
def is_of(pattern: str, value: str) -> bool:
    """The definition, character by character."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return is_of(pattern[1:], value) or (bool(value) and is_of(pattern, value[1:]))
    return bool(value) and pattern[0] in ("?", value[0]) and is_of(pattern[1:], value[1:])


@given(pattern=PATTERNS, value=VALUES)
def test_a_pattern_matches_what_its_definition_says(pattern: str, value: str) -> None:
    assert matches(pattern, value) == is_of(pattern, value)


@given(data=st.data(), value=st.text("abc:", max_size=12))
def test_a_value_is_of_every_pattern_that_is_made_from_it(data: st.DataObject, value: str) -> None:
    kept = data.draw(st.lists(st.sampled_from("k?*"), min_size=len(value), max_size=len(value)))
    pattern = "".join(
        letter if mark == "k" else mark for letter, mark in zip(value, kept, strict=True)
    )
    assert matches(pattern, value)


@pytest.mark.parametrize("piece", ["a", "?a", "a?"])
@pytest.mark.parametrize("end", ["b", "*b", "?*b"])
def test_a_pattern_made_to_be_slow_ends(piece: str, end: str) -> None:
    assert not matches(f"*{piece}" * 2_000 + end, "a" * 3_000)
    assert matches(f"*{piece}" * 1_000 + end, "a" * 2_500 + "b")
