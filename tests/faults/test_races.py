"""Many clients at once: nothing is lost, nothing is there twice."""

import json
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from tests.faults.process import Answer, Wire, opened, records_of
from tests.server import RunningServer

CLIENTS = 16
CALLS = 1_000


def at_once(server: RunningServer, work: Callable[[Wire, int], list[Answer]]) -> list[Answer]:
    """Let sixteen clients work, each with a connection and a number of its own."""

    def one(number: int) -> list[Answer]:
        with closing(Wire(server.endpoint, server.key)) as wire:
            return work(wire, number)

    with ThreadPoolExecutor(CLIENTS) as threads:
        return [answer for answers in threads.map(one, range(CLIENTS)) for answer in answers]


def calls_of(data: Path) -> dict[str, dict[str, object]]:
    """The records of API calls by their eventID."""
    calls = [record for record in records_of(data) if record["eventType"] == "AwsApiCall"]
    found = {record["eventID"]: record for record in calls}
    assert len(found) == len(calls)
    return found


def test_of_sixteen_clients_that_create_one_alias_one_wins(
    own_server: RunningServer, data: Path
) -> None:
    kms = own_server.kms()
    key_ids = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(CLIENTS)]

    def create(key_id: str) -> str | None:
        try:
            kms.create_alias(AliasName="alias/one", TargetKeyId=key_id)
        except kms.exceptions.AlreadyExistsException:
            return None
        return key_id

    with ThreadPoolExecutor(CLIENTS) as threads:
        winners = [key_id for key_id in threads.map(create, key_ids) if key_id]
    assert [alias["TargetKeyId"] for alias in kms.list_aliases()["Aliases"]] == winners
    records = [one for one in calls_of(data).values() if one["eventName"] == "CreateAlias"]
    codes = Counter(record.get("errorCode") for record in records)
    assert codes == {None: 1, "AlreadyExistsException": 15}


def mixed(wire: Wire, number: int, calls: int = CALLS) -> list[Answer]:
    """One client's part of so many calls: every third or so is refused."""
    chance = random.Random(number)
    share = calls // CLIENTS + (number < calls % CLIENTS)
    answers = [wire.call("CreateKey")]
    key_id = answers[0].json["KeyMetadata"]["KeyId"]
    blob = ""
    while len(answers) < share:
        choices: list[tuple[str, dict[str, object]]] = [
            ("CreateKey", {}),
            ("CreateAlias", {"AliasName": f"alias/{chance.randrange(40)}", "TargetKeyId": key_id}),
            ("DeleteAlias", {"AliasName": f"alias/{chance.randrange(40)}"}),
            ("Encrypt", {"KeyId": f"alias/{chance.randrange(40)}", "Plaintext": b"hello"}),
            ("Encrypt", {"KeyId": key_id, "Plaintext": b"hello"}),
            ("Decrypt", {"CiphertextBlob": blob or b"none of ours"}),
            ("ListAliases", {"Limit": 3}),
            ("TagResource", {"KeyId": key_id, "Tags": [{"TagKey": "n", "TagValue": "v"}]}),
            ("DescribeKey", {"KeyId": "00000000-0000-0000-0000-000000000000"}),
            ("NoSuchOperation", {}),
        ]
        operation, members = chance.choice(choices)
        answers.append(wire.call(operation, **members))
        blob = answers[-1].json.get("CiphertextBlob", blob) if answers[-1].body else blob
    return answers


def test_a_thousand_calls_at_once_leave_a_thousand_records(
    own_server: RunningServer, data: Path
) -> None:
    answers = at_once(own_server, mixed)
    assert len(answers) == CALLS
    assert {answer.status for answer in answers} == {200, 400}
    records = calls_of(data)
    assert set(records) == {answer.event_id for answer in answers}
    requests = {record["requestID"] for record in records.values()}
    assert requests == {answer.headers["x-amzn-requestid"] for answer in answers}
    assert len(requests) == CALLS


def test_each_answer_names_the_position_of_its_record(
    own_server: RunningServer, data: Path
) -> None:
    answers = at_once(own_server, lambda wire, number: mixed(wire, number, 320))
    with opened(data) as reader:
        for answer in answers:
            row = reader.by_event_id(answer.event_id)
            assert row is not None
            assert row.position == answer.position
            refused = json.loads(row.state).get("errorCode") is not None
            assert refused == (answer.status != 200)


def test_what_sixteen_clients_change_at_once_adds_up(own_server: RunningServer) -> None:
    kms = own_server.kms()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]

    def tag(wire: Wire, number: int) -> list[Answer]:
        tags = [{"TagKey": f"{number}", "TagValue": "v"}]
        return [wire.call("TagResource", KeyId=key_id, Tags=tags)]

    assert [answer.status for answer in at_once(own_server, tag)] == [200] * CLIENTS
    found = kms.list_resource_tags(KeyId=key_id)["Tags"]
    assert sorted(int(one["TagKey"]) for one in found) == list(range(CLIENTS))
