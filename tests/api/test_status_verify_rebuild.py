"""The commands that look at a data directory from outside, or make it anew from its ledger."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mypy_boto3_kms import KMSClient
from typer.testing import CliRunner

from api.cli import commands
from api.provision import LEDGER_FILE, PROJECTIONS_FILE, AccessKey
from tests.faults.process import (
    Server,
    altered,
    eventually,
    init,
    keytrail,
    records_of,
    rows_of,
    serving,
    tables_of,
    verified,
)

DONE = 0
NOT_READY = 2
VERIFICATION_FAILED = 3

CATALOGUE = ("account", "access_key", "alias_span", "key_current", "key_policy_span", "tag_span")


def live(server: Server) -> None:
    """A varied history: what is made, moved, made again, tagged, and on its way out."""
    kms = server.kms()
    first, second, third = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(3))
    for name in ("alias/moved", "alias/again", "alias/gone"):
        kms.create_alias(AliasName=name, TargetKeyId=first)
    kms.update_alias(AliasName="alias/moved", TargetKeyId=second)
    kms.update_alias(AliasName="alias/moved", TargetKeyId=first)
    for target in (second, third):
        kms.delete_alias(AliasName="alias/again")
        kms.create_alias(AliasName="alias/again", TargetKeyId=target)
    kms.delete_alias(AliasName="alias/gone")
    tag(kms, first)
    kms.update_key_description(KeyId=first, Description="the first")
    kms.disable_key(KeyId=second)
    kms.enable_key(KeyId=second)
    kms.disable_key(KeyId=second)
    kms.schedule_key_deletion(KeyId=third, PendingWindowInDays=7)
    kms.cancel_key_deletion(KeyId=third)
    kms.schedule_key_deletion(KeyId=second, PendingWindowInDays=30)
    blob = kms.encrypt(KeyId="alias/moved", Plaintext=b"hello")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=blob)
    for _ in range(30):
        with pytest.raises(kms.exceptions.NotFoundException):
            kms.describe_key(KeyId="alias/gone")


def tag(kms: KMSClient, key_id: str) -> None:
    """Tags that come, change their value, go and come back."""
    for value in ("a", "b"):
        kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "team", "TagValue": value}])
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "level", "TagValue": "1"}])
    kms.untag_resource(KeyId=key_id, TagKeys=["team"])
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "team", "TagValue": "c"}])


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AccessKey]:
    """A data directory with a history, and its server stopped."""
    data = tmp_path_factory.mktemp("lived") / "data"
    key = init(data)
    with serving(data, key) as server:
        live(server)
        server.process.terminate()
        assert server.ended() == 0
    # What the follower had no time for is indexed now.
    assert keytrail("rebuild", "--data", data).returncode == DONE
    return data, key


@pytest.fixture
def data(lived: tuple[Path, AccessKey], tmp_path: Path) -> Path:
    """A copy of that data directory."""
    return shutil.copytree(lived[0], tmp_path / "data")


@pytest.fixture
def whole(data: Path) -> Iterator[Path]:
    """The same, whose ledger still verifies at the end."""
    yield data
    verified(data)


def rebuilt(data: Path) -> None:
    run = keytrail("rebuild", "--data", data)
    assert (run.returncode, run.stderr) == (DONE, "")
    assert run.stdout == f"rebuilt from {len(rows_of(data)):,} rows\n"


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


# --- rebuild -------------------------------------------------------------------------------------


def test_a_rebuild_makes_every_row_again_as_it_was(
    whole: Path, lived: tuple[Path, AccessKey]
) -> None:
    ledger, index = whole / LEDGER_FILE, whole / PROJECTIONS_FILE
    before = tables_of(ledger), tables_of(index)
    assert all(before[0][name] for name in CATALOGUE)
    assert all(rows for rows in before[1].values())
    rebuilt(whole)
    assert (tables_of(ledger), tables_of(index)) == before


def indexed_up_to(data: Path) -> int:
    """The position at which the trail index stands."""
    ((_, position, _),) = tables_of(data / PROJECTIONS_FILE)["trail_cursor"]
    return int(position)


def test_what_a_server_wrote_as_it_went_is_what_a_rebuild_writes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = init(data)
    with serving(data, key) as server:
        live(server)
        head = rows_of(data)[-1].position
        eventually(lambda: indexed_up_to(data) == head)
        server.kill()
    before = tables_of(data / LEDGER_FILE)
    index = tables_of(data / PROJECTIONS_FILE)
    rebuilt(data)
    assert tables_of(data / LEDGER_FILE) == before
    assert tables_of(data / PROJECTIONS_FILE) == index


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_catalogue_that_lost_rows_is_made_whole(whole: Path, name: str) -> None:
    before = tables_of(whole / LEDGER_FILE)
    execute(whole / LEDGER_FILE, f"DELETE FROM {name}")  # noqa: S608 (a name of the schema)
    rebuilt(whole)
    assert tables_of(whole / LEDGER_FILE) == before


def test_a_catalogue_that_was_altered_or_dropped_is_made_whole(whole: Path) -> None:
    before = tables_of(whole / LEDGER_FILE)
    execute(
        whole / LEDGER_FILE,
        "UPDATE alias_span SET key_id = 'another'",
        "INSERT INTO account VALUES ('999999999999', 'nowhere', 0, 0)",
        "DROP TABLE tag_span",
    )
    rebuilt(whole)
    assert tables_of(whole / LEDGER_FILE) == before


def test_an_index_that_was_removed_or_altered_is_made_whole(whole: Path) -> None:
    index = whole / PROJECTIONS_FILE
    before = tables_of(index)
    execute(index, "DELETE FROM trail_posting", "UPDATE trail_cursor SET position = 3")
    rebuilt(whole)
    assert tables_of(index) == before
    for path in whole.glob(f"{PROJECTIONS_FILE}*"):
        path.unlink()
    rebuilt(whole)
    assert tables_of(index) == before


def test_an_index_that_does_not_open_stops_the_start_and_is_made_anew(
    whole: Path, lived: tuple[Path, AccessKey]
) -> None:
    before = tables_of(whole / PROJECTIONS_FILE)
    (whole / PROJECTIONS_FILE).write_bytes(b"not a database" * 1000)
    run = keytrail("serve", "--data", whole, "--port", "0")
    assert run.returncode == NOT_READY
    assert "projections.db does not open" in run.stderr
    assert "keytrail rebuild" in run.stderr
    rebuilt(whole)
    assert tables_of(whole / PROJECTIONS_FILE) == before
    with serving(whole, lived[1]) as server:
        assert server.get("/readyz")[0] == 200


def test_a_rebuild_touches_neither_ledger_nor_key_material(
    whole: Path, lived: tuple[Path, AccessKey]
) -> None:
    before = rows_of(whole)
    rebuilt(whole)
    assert rows_of(whole) == before
    with serving(whole, lived[1]) as server:
        blob = server.kms().encrypt(KeyId="alias/moved", Plaintext=b"hello")["CiphertextBlob"]
        assert server.kms().decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"


def test_a_rebuild_waits_for_no_server(whole: Path, lived: tuple[Path, AccessKey]) -> None:
    with serving(whole, lived[1]):
        run = keytrail("rebuild", "--data", whole)
    assert run.returncode == NOT_READY
    assert run.stderr == f"keytrail: another process uses {whole}\n"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stored_events SET state = CAST('{}' AS BLOB) WHERE rowid = :created",
        "DELETE FROM stored_events WHERE rowid = :created",
    ],
)
def test_a_rebuild_from_a_broken_ledger_changes_nothing(data: Path, change: str) -> None:
    created = position_of(data, "keytrail.KeyCreated.v1")
    assert altered(data, change, {"created": created}) == 1
    before = tables_of(data / LEDGER_FILE)
    run = keytrail("rebuild", "--data", data)
    assert run.returncode == VERIFICATION_FAILED, run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert "the ledger is broken, nothing was changed" in run.stderr
    assert tables_of(data / LEDGER_FILE) == before


# --- verify --------------------------------------------------------------------------------------


def position_of(data: Path, topic: str) -> int:
    """The first row with an event of this class."""
    return next(row.position for row in rows_of(data) if row.topic == topic)


def test_a_ledger_as_it_was_written_verifies(whole: Path) -> None:
    run = keytrail("verify", "--data", whole)
    rows = rows_of(whole)
    records = len([row for row in rows if row.is_record])
    assert run.returncode == DONE
    assert run.stdout == (
        f"verified: {len(rows):,} rows, {len(rows) - records:,} events, {records:,} records\n"
    )


def test_a_ledger_verifies_while_it_is_written(whole: Path, lived: tuple[Path, AccessKey]) -> None:
    with serving(whole, lived[1]) as server:
        server.kms().create_key()
        assert keytrail("verify", "--data", whole).returncode == DONE


ALIAS = "keytrail.AliasCreated.v1"
STATE = "state = CAST({} AS BLOB)"
TEXT = "CAST(state AS TEXT)"
ERROR = """replace(CAST(state AS TEXT), '"requestID"', '"errorCode":"X","requestID"')"""


@pytest.mark.parametrize(
    ("row", "assignment", "reason"),
    [
        ("event", "state = :other", ""),
        ("event", STATE.format(f"{TEXT} || char(10)"), ""),
        ("event", STATE.format(f"replace({TEXT}, 'alias/', 'alias/x')"), ""),
        ("event", "topic = 'keytrail.AliasDeleted.v1'", ""),
        ("event", "topic = 'keytrail.Unheard.v1'", ""),
        ("event", "originator_id = 'alias:x'", ""),
        ("event", "originator_version = 9", ""),
        ("event", "rowid = -1", "before position 1"),
        ("event", "rowid = 9999999", "is missing"),
        ("record", STATE.format(f"{TEXT} || ' '"), ""),
        ("record", STATE.format("'no JSON'"), ""),
        ("record", STATE.format(ERROR), "the record of a refusal"),
        ("record", "originator_id = 'another'", ""),
        ("record", "originator_version = 2", ""),
        ("record", "topic = 'keytrail.AliasCreated.v1'", ""),
    ],
)
def test_each_kind_of_alteration_is_found_and_named(
    data: Path, row: str, assignment: str, reason: str
) -> None:
    event = position_of(data, ALIAS)
    values = {
        "position": event if row == "event" else event + 1,
        "other": next(row.state for row in rows_of(data)[event:] if row.topic == ALIAS),
    }
    statement = f"UPDATE stored_events SET {assignment} WHERE rowid = :position"  # noqa: S608 (above)
    assert altered(data, statement, values) == 1
    assert reason in found_broken(data)


def test_the_program_itself_ends_with_code_3(data: Path) -> None:
    assert altered(data, "DELETE FROM stored_events WHERE rowid = 1") == 1
    run = keytrail("verify", "--data", data)
    assert run.returncode == VERIFICATION_FAILED
    assert run.stderr == "keytrail: row 2: position 1 is missing\n"


def found_broken(data: Path) -> str:
    """The one line with which verify ends."""
    run = CliRunner().invoke(commands, ["verify", "--data", str(data)])
    assert run.exit_code == VERIFICATION_FAILED, run.stdout
    assert re.fullmatch(r"keytrail: row -?\d+: .+\n", run.stderr)
    return run.stderr


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("rowid = 1", "row 2: position 1 is missing"),
        ("rowid = :event", "is missing"),
        ("rowid = :event + 1", "is missing"),
        ("rowid > :event + 1", "are missing"),
        ("rowid > :event", "without the record"),
        ("rowid > 0", "row 1: "),
    ],
)
def test_rows_that_were_removed_are_missed(data: Path, rows: str, reason: str) -> None:
    statement = f"DELETE FROM stored_events WHERE {rows}"  # noqa: S608 (above)
    assert altered(data, statement, {"event": position_of(data, ALIAS)}) >= 1
    assert reason in found_broken(data)


def test_rows_that_changed_places_are_found(data: Path) -> None:
    event = position_of(data, ALIAS)
    for old, new in ((event, -1), (event + 1, event), (-1, event + 1)):
        change = "UPDATE stored_events SET rowid = :new WHERE rowid = :old"
        assert altered(data, change, {"old": old, "new": new}) == 1
    found_broken(data)


@pytest.mark.parametrize("position", [None, 0, -5, 5_000])
def test_an_event_that_was_slipped_in_is_found(data: Path, position: int | None) -> None:
    alias = rows_of(data)[position_of(data, ALIAS) - 1]
    forged = alias.state.replace(alias.originator_id.encode(), b"alias:forged")
    with closing(sqlite3.connect(data / LEDGER_FILE, isolation_level=None)) as connection:
        row = (position, "alias:forged", 1, alias.topic, forged)
        connection.execute("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?)", row)
    found_broken(data)


def test_verify_and_status_need_a_data_directory(tmp_path: Path) -> None:
    for command in ("verify", "status", "rebuild"):
        run = keytrail(command, "--data", tmp_path / "none")
        assert run.returncode == NOT_READY
        assert "is not a data directory" in run.stderr
        assert run.stderr.count("\n") == 1


# --- status --------------------------------------------------------------------------------------


def figures(data: Path) -> dict[str, str]:
    """What status prints: a name and a value on each line."""
    run = keytrail("status", "--data", data, COLUMNS="200")
    assert (run.returncode, run.stderr) == (DONE, "")
    parts = [re.split(r"\s{2,}", line.strip()) for line in run.stdout.splitlines()]
    return {part[0]: part[1] for part in parts}


def test_status_counts_what_exists(whole: Path) -> None:
    shown = figures(whole)
    assert shown["position"] == f"{len(rows_of(whole)):,}"
    assert (shown["accounts"], shown["keys"], shown["aliases"]) == ("1", "3", "2")
    assert shown["data"] == str(whole)
    assert shown["ledger.db bytes"] == f"{(whole / LEDGER_FILE).stat().st_size:,}"


def test_status_answers_while_a_server_runs_and_leaves_no_record(
    whole: Path, lived: tuple[Path, AccessKey]
) -> None:
    with serving(whole, lived[1]) as server:
        server.kms().create_key()
        before = records_of(whole)
        assert figures(whole)["keys"] == "4"
        assert records_of(whole) == before
