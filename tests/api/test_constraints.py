"""What a request may hold, and how AWS words what it may not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.wire import shapes
from api.wire.constraints import members
from domain.errors import Serialization, Validation

CANARY = "canary5c1f"
KEY_SPECS = (
    "RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, "
    "ECC_SECG_P256K1, SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, "
    "ML_DSA_65, ML_DSA_87, ECC_NIST_EDWARDS25519, ML_KEM_512, ML_KEM_768, ML_KEM_1024"
)
FAILED = "failed to satisfy constraint: Member must"
SHORT = "have length greater than or equal to {}"
LONG = "have length less than or equal to {}"
LOW = "have value greater than or equal to {}"
HIGH = "have value less than or equal to {}"
ENUM = "satisfy enum value set: [{}]"
ALIAS_PATTERN = "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
LONG_ID = "k" * 2049


def body(**named: Any) -> bytes:
    return json.dumps(named).encode()


def refusal(shape: type[shapes.Shape], content: bytes) -> str:
    with pytest.raises(Validation) as caught:
        shapes.check(shapes.decode(shape, content))
    return caught.value.message


def undecodable(shape: type[shapes.Shape], content: bytes) -> str:
    with pytest.raises(Serialization) as caught:
        shapes.decode(shape, content)
    return caught.value.message


def test_a_request_is_decoded_by_the_names_of_the_model() -> None:
    content = body(KeyId="k", Plaintext="cGF5", EncryptionContext={"a": "1"}, DryRun=True)
    request = shapes.decode(shapes.Encrypt, content)
    shapes.check(request)
    assert request == shapes.Encrypt(
        key_id="k", plaintext=b"pay", encryption_context={"a": "1"}, dry_run=True
    )


def test_an_empty_body_is_an_empty_object() -> None:
    assert shapes.decode(shapes.ListKeys, b"") == shapes.ListKeys()


def test_a_null_member_is_an_absent_one() -> None:
    content = b'{"Limit": null, "Marker": null, "ResourceOwners": null}'
    assert shapes.decode(shapes.ListKeys, content) == shapes.ListKeys()


def test_an_unknown_member_is_ignored() -> None:
    content = body(KeyId="k", Plaintext="cGF5", EncryptionContext={}, Newer={"KeyId": [1, None]})
    assert shapes.decode(shapes.Encrypt, content).key_id == "k"


def test_a_timestamp_is_a_number_of_seconds() -> None:
    request = shapes.decode(shapes.LookupEvents, body(StartTime=1571767572.317, EndTime=1571767573))
    assert (request.start_time, request.end_time) == (1571767572.317, 1571767573.0)


def test_a_request_does_not_show_its_members() -> None:
    assert CANARY not in repr(shapes.Encrypt(key_id=CANARY, plaintext=CANARY.encode()))


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"KeyId=k",
        b'{"KeyId": "k"',
        b'{"KeyId": "k"} {}',
        b'{"KeyId": 5}',
        b'{"KeyId": ["k"]}',
        b'{"KeyId": "\xff"}',
        b'{"KeyId": "\\ud800"}',
        b'{"Plaintext": "a"}',
        b'{"Plaintext": "@@@@"}',
        b'{"DryRun": "true"}',
        b'{"GrantTokens": [null]}',
        b'{"EncryptionContext": {"a": 1}}',
        b'{"EncryptionContext": {"a": null}}',
        b'{"Unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda content: content[:24].decode("ascii", "replace"),
)
def test_what_is_no_json_of_the_right_types_is_a_serialization_error(content: bytes) -> None:
    assert undecodable(shapes.Encrypt, content)


@pytest.mark.parametrize("limit", ["2147483648", "-2147483649", "9" * 5000, "5.5", "1e3", "true"])
def test_an_integer_has_32_bits(limit: str) -> None:
    undecodable(shapes.ListKeys, f'{{"Limit": {limit}}}'.encode())


@pytest.mark.parametrize("instant", ["253402300800", "-62135596801", "1e999", "NaN"])
def test_a_timestamp_is_one_that_a_calendar_has(instant: str) -> None:
    undecodable(shapes.LookupEvents, f'{{"StartTime": {instant}}}'.encode())


@pytest.mark.parametrize(
    "content",
    [
        b'{"EncryptionContext": {"a": "1", "a": "2"}}',
        b'{"EncryptionContext": {"a": "1", "\\u0061": "2"}}',
        b'{"EncryptionContext": {"a": "1"}, "EncryptionContext": {"a": "2"}}',
        b'{"EncryptionContext": {"a": "1"}, "EncryptionContext": null}',
        b'{"EncryptionContext": {"a": ":b", "c" :"d", "a": ":b"}}',
        b'{"KeyId": "a", "EncryptionContext": {"a": "1"}, "KeyId": "b"}',
        b'{"\\u0045ncryptionContext": {"a": "1"}, "\\u0045ncryptionContext": {"a": "2"}}',
    ],
)
def test_a_repeated_name_beside_an_encryption_context_is_refused(content: bytes) -> None:
    assert undecodable(shapes.Encrypt, content) == "A name is repeated in a JSON object."


@pytest.mark.parametrize("side", ["Source", "Destination"])
def test_a_repeated_name_is_refused_on_both_sides_of_a_reencryption(side: str) -> None:
    content = f'{{"{side}EncryptionContext": {{"a": "1", "a": "2"}}}}'.encode()
    assert undecodable(shapes.ReEncrypt, content) == "A name is repeated in a JSON object."


CONTEXTS = st.dictionaries(st.text(), st.text(), max_size=4)


@settings(deadline=None)
@given(context=CONTEXTS, ascii_only=st.booleans(), tokens=st.lists(st.text(), max_size=2))
def test_any_encryption_context_is_kept_as_it_is(
    *, context: dict[str, str], ascii_only: bool, tokens: list[str]
) -> None:
    named = {"EncryptionContext": context, "GrantTokens": tokens, "KeyId": ':"'}
    content = json.dumps(named, ensure_ascii=ascii_only).encode()
    request = shapes.decode(shapes.Encrypt, content)
    assert request.encryption_context == context
    assert request.grant_tokens == tuple(tokens)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from('ab":\\é'), st.text(max_size=2)), max_size=4))
def test_a_name_is_repeated_exactly_when_pairs_share_it(pairs: list[tuple[str, str]]) -> None:
    written = ", ".join(f"{json.dumps(name)} :{json.dumps(value)}" for name, value in pairs)
    content = f'{{"EncryptionContext": {{{written}}}}}'.encode()
    if len(dict(pairs)) == len(pairs):
        assert shapes.decode(shapes.Encrypt, content).encryption_context == dict(pairs)
    else:
        undecodable(shapes.Encrypt, content)


WORDED: list[tuple[type[shapes.Shape], dict[str, Any], str, str]] = [
    (shapes.EnableKey, {}, "Value null at 'keyId'", "not be null"),
    (shapes.EnableKey, {"KeyId": ""}, "Value '' at 'keyId'", SHORT.format(1)),
    (shapes.EnableKey, {"KeyId": LONG_ID}, f"Value '{LONG_ID}' at 'keyId'", LONG.format(2048)),
    (shapes.DeleteAlias, {"AliasName": "a!"}, "Value 'a!' at 'aliasName'", ALIAS_PATTERN),
    (shapes.DeleteAlias, {"AliasName": "a\n"}, "Value 'a\n' at 'aliasName'", ALIAS_PATTERN),
    (shapes.CreateKey, {"KeySpec": "AES"}, "Value 'AES' at 'keySpec'", ENUM.format(KEY_SPECS)),
    (shapes.GenerateRandom, {"NumberOfBytes": 0}, "Value '0' at 'numberOfBytes'", LOW.format(1)),
    (shapes.ListKeys, {"Limit": 1001}, "Value '1001' at 'limit'", HIGH.format(1000)),
    (shapes.ListAliases, {"Limit": 101}, "Value '101' at 'limit'", HIGH.format(100)),
    (
        shapes.ScheduleKeyDeletion,
        {"KeyId": "k", "PendingWindowInDays": 6},
        "Value '6' at 'pendingWindowInDays'",
        LOW.format(7),
    ),
    (
        shapes.Decrypt,
        {"CiphertextBlob": ""},
        "Value 'java.nio.HeapByteBuffer[pos=0 lim=0 cap=0]' at 'ciphertextBlob'",
        SHORT.format(1),
    ),
    (
        shapes.TagResource,
        {"KeyId": "k", "Tags": [{"TagKey": "", "TagValue": ""}]},
        "Value '' at 'tags.1.member.tagKey'",
        SHORT.format(1),
    ),
    (
        shapes.CreateKey,
        {"Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "b"}]},
        "Value null at 'tags.2.member.tagValue'",
        "not be null",
    ),
    (
        shapes.Decrypt,
        {"Recipient": {"KeyEncryptionAlgorithm": "RSA"}},
        "Value 'RSA' at 'recipient.keyEncryptionAlgorithm'",
        ENUM.format("RSAES_OAEP_SHA_256"),
    ),
    (
        shapes.UntagResource,
        {"KeyId": "k", "TagKeys": ["a", ""]},
        "Value '[a, ]' at 'tagKeys'",
        f"satisfy constraint: [Member must {LONG.format(128)}, Member must {SHORT.format(1)}]",
    ),
    (
        shapes.ListKeys,
        {"ResourceOwners": ["SELF", "ALL"]},
        "Value '[SELF, ALL]' at 'resourceOwners'",
        f"satisfy constraint: [Member must {ENUM.format('SELF, OTHER_ACCOUNTS_VIA_RAM')}]",
    ),
    (
        shapes.DescribeKey,
        {"KeyId": "k", "GrantTokens": ["t"] * 11},
        f"Value '[{', '.join('t' * 11)}]' at 'grantTokens'",
        LONG.format(10),
    ),
]


@pytest.mark.parametrize(("shape", "content", "value", "rule"), WORDED)
def test_a_broken_constraint_is_worded_as_aws_does(
    shape: type[shapes.Shape], content: dict[str, Any], value: str, rule: str
) -> None:
    text = f"1 validation error detected: {value} failed to satisfy constraint: Member must {rule}"
    assert refusal(shape, body(**content)) == text


def test_a_sensitive_value_is_left_out() -> None:
    text = refusal(shapes.Encrypt, body(KeyId="k", Plaintext="QUFB" * 1400))
    assert text == f"1 validation error detected: Value at 'plaintext' {FAILED} {LONG.format(4096)}"


def test_all_failures_are_in_one_answer_in_the_order_of_the_members() -> None:
    assert refusal(shapes.CreateAlias, body(AliasName="")) == (
        "3 validation errors detected: "
        f"Value '' at 'aliasName' {FAILED} {SHORT.format(1)}; "
        f"Value '' at 'aliasName' {FAILED} {ALIAS_PATTERN}; "
        f"Value null at 'targetKeyId' {FAILED} not be null"
    )


def test_a_hostile_list_does_not_make_an_endless_answer() -> None:
    text = refusal(shapes.TagResource, body(KeyId="k", Tags=[{}] * 50_000))
    assert text.startswith("100 validation errors detected: ")


def test_lookup_events_leaves_its_own_errors_to_its_handler() -> None:
    shapes.check(shapes.decode(shapes.LookupEvents, body(MaxResults=0, EventCategory="x")))


@pytest.mark.parametrize(
    ("limit", "shape"), [(1000, shapes.ListKeys), (50, shapes.ListResourceTags)]
)
def test_the_bounds_of_a_page_are_included(limit: int, shape: type[shapes.Shape]) -> None:
    for fitting in (1, limit):
        shapes.check(shapes.decode(shape, body(KeyId="k", Limit=fitting)))
    for outside in (0, limit + 1):
        refusal(shape, body(KeyId="k", Limit=outside))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_any_value_of_any_member_is_taken_or_refused_by_name(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(shapes.SHAPES))
    names = [member.name for member in members(shape)] + ["TagKey", "Unknown"]
    content = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=4))
    try:
        shapes.check(shapes.decode(shape, json.dumps(content).encode()))
    except (Serialization, Validation) as refused:
        assert refused.message  # noqa: PT017 - either outcome is right


@settings(deadline=None)
@given(st.sampled_from(shapes.SHAPES), st.binary())
def test_any_bytes_are_taken_or_refused_by_name(shape: type[shapes.Shape], content: bytes) -> None:
    try:
        shapes.check(shapes.decode(shape, content))
    except (Serialization, Validation) as refused:
        assert refused.message  # noqa: PT017 - either outcome is right


LEAKS = st.sampled_from([CANARY, 5, [CANARY], {CANARY: CANARY}, {CANARY: 5}, [5, CANARY], [{}]])


@settings(deadline=None)
@given(st.sampled_from(shapes.SHAPES), st.data(), st.sampled_from(["", "\\q", "]", "\x00", "\xff"]))
def test_a_serialization_error_never_shows_a_value(
    shape: type[shapes.Shape], data: st.DataObject, noise: str
) -> None:
    names = [member.name for member in members(shape)]
    content = json.dumps(data.draw(st.dictionaries(st.sampled_from(names), LEAKS)))
    place = data.draw(st.integers(0, len(content)))
    try:
        shapes.decode(shape, (content[:place] + noise + content[place:]).encode("latin-1"))
    except Serialization as refused:
        assert CANARY not in refused.message  # noqa: PT017 - decoding may succeed too
