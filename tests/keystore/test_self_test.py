"""The self-tests pass here, and a wrong answer stops the server."""

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keystore import self_test
from keystore.sealing import SealBroken
from keystore.self_test import SelfTestFailed


def test_every_known_answer_holds() -> None:
    self_test.run(os.urandom)


@pytest.mark.parametrize("random", [bytes, lambda length: b"7" * length])
def test_randomness_that_repeats_or_is_zero_stops_the_start(
    random: Callable[[int], bytes],
) -> None:
    with pytest.raises(SelfTestFailed, match="random"):
        self_test.run(random)


def test_a_single_draw_of_zeros_stops_the_start() -> None:
    draws = itertools.cycle([b"7" * 32, bytes(32)])
    with pytest.raises(SelfTestFailed, match="random"):
        self_test.run(lambda _: next(draws))


@pytest.mark.parametrize(
    ("answer", "wrong", "named"),
    [
        ("_CANONICAL_CONTEXT", b"KTEC", "canonical encryption context"),
        ("_MATERIAL", bytes(32), "KBKDF"),
        ("_PLAINTEXT", b"other", "ciphertext suite 1"),
    ],
)
def test_a_wrong_answer_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, answer: str, wrong: bytes, named: str
) -> None:
    monkeypatch.setattr(self_test, answer, wrong)
    with pytest.raises(SelfTestFailed, match=named):
        self_test.run(os.urandom)


def test_what_no_longer_opens_is_a_failure_and_not_a_crash() -> None:
    def broken() -> bool:
        raise SealBroken

    assert not self_test._answers(broken)


def test_the_suite_1_answer_is_one_of_the_frozen_vectors() -> None:
    path = Path(__file__).parents[1] / "vectors/suite_1.json"
    vectors: list[dict[str, Any]] = json.loads(path.read_text())
    assert self_test._BLOB.hex() in [vector["blob"] for vector in vectors]
