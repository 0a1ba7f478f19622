"""What a region looks like: the same for an account's home and for a signature's scope."""

import pytest

from domain.names import is_region


@pytest.mark.parametrize(
    "text", ["us-east-1", "eu-central-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-12"]
)
def test_regions_of_aws_look_like_regions(text: str) -> None:
    assert is_region(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "1", "europe", "eu-1", "eu-central", "eu-central-", "eu-central-1a",
        "EU-central-1", "eu--1", "eu-central-1-1", "a-b-c-d-1", "eu_central_1",
        "eu-central-1 ", "eu-c3ntral-1", "eu-zentral-\u0661",
        "\u00e9u-central-1", "eu-" + "a" * 28 + "-1",
    ],
)  # fmt: skip
def test_nothing_else_looks_like_a_region(text: str) -> None:
    assert not is_region(text)
