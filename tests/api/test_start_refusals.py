"""What `keytrail` refuses to start on: one line that says why, and its exit code."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from api.provision import KEYRING_FILE, LEDGER_FILE
from tests.faults.process import (
    LONGEST_RUN_S,
    PROGRAM,
    altered,
    environment,
    init,
    keytrail,
    records_of,
    rows_of,
    serving,
)

ERROR = 1
NOT_READY = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One new installation for all."""
    path = tmp_path_factory.mktemp("made") / "data"
    init(path)
    return path


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be broken."""
    return shutil.copytree(made, tmp_path / "data")


def refusal(data: Path, *arguments: object, code: int, **variables: str) -> str:
    """The one line with which `keytrail serve` ends."""
    run = keytrail("serve", "--data", data, "--port", "0", *arguments, **variables)
    assert run.returncode == code, run.stderr
    assert run.stdout == ""
    assert run.stderr.startswith("keytrail: ")
    assert run.stderr.count("\n") == 1, run.stderr
    return run.stderr.strip()


def test_a_directory_that_init_has_not_made_is_not_served(tmp_path: Path) -> None:
    line = refusal(tmp_path / "none", code=NOT_READY)
    assert f"{tmp_path}/none is not a data directory" in line
    assert "keytrail init" in line
    assert not (tmp_path / "none").exists()


def test_an_empty_directory_is_not_served_and_stays_empty(tmp_path: Path) -> None:
    assert "is not a data directory" in refusal(tmp_path, code=NOT_READY)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_setting_in_the_file_is_named_with_the_nearest(data: Path) -> None:
    (data / "keytrail.toml").write_text("quee_limit = 5\n")
    line = refusal(data, code=ERROR)
    assert f"`quee_limit` in {data}/keytrail.toml is not a setting." in line
    assert "The nearest is queue_limit." in line


def test_an_unknown_variable_is_named_with_the_nearest(data: Path) -> None:
    line = refusal(data, code=ERROR, KEYTRAIL_PROT="8015")
    assert "KEYTRAIL_PROT is not a setting. The nearest is KEYTRAIL_PORT." in line


def test_a_setting_of_the_wrong_type_is_named(data: Path) -> None:
    line = refusal(data, code=ERROR, KEYTRAIL_QUEUE_LIMIT="many")
    assert "KEYTRAIL_QUEUE_LIMIT is 'many'" in line


def test_a_root_key_that_is_missing_stops_the_start(data: Path) -> None:
    (data / "root.key").unlink()
    assert f"{data}/root.key" in refusal(data, code=NOT_READY)


def test_a_root_key_that_does_not_open_the_keyring_stops_the_start(data: Path) -> None:
    (data / "root.key").write_bytes(os.urandom(32))
    line = refusal(data, code=NOT_READY)
    assert f"The root key does not open the keyring {data}/keyring.json." in line


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_root_key_that_others_may_read_stops_the_start(data: Path, mode: int) -> None:
    (data / "root.key").chmod(mode)
    line = refusal(data, code=NOT_READY)
    assert f"has mode {mode:04o}" in line
    assert "chmod 600" in line


def test_a_root_key_of_another_size_stops_the_start(data: Path) -> None:
    (data / "root.key").write_bytes(bytes(31))
    assert "has 31 bytes" in refusal(data, code=NOT_READY)


def test_a_keyring_that_is_missing_or_damaged_stops_the_start(data: Path) -> None:
    (data / KEYRING_FILE).write_text("{}")
    assert "keyring.json is damaged." in refusal(data, code=NOT_READY)
    (data / KEYRING_FILE).unlink()
    assert "keyring.json cannot be read" in refusal(data, code=NOT_READY)


def test_root_key_and_keyring_of_another_installation_stop_the_start(
    data: Path, tmp_path: Path
) -> None:
    init(tmp_path / "other")
    for name in ("root.key", KEYRING_FILE):
        shutil.copy(tmp_path / "other" / name, data / name)
    assert "does not open" in refusal(data, code=NOT_READY)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stored_events SET state = CAST('{}' AS BLOB) WHERE rowid = 3",
        "UPDATE stored_events SET originator_id = 'another' WHERE rowid = 3",
        "UPDATE stored_events SET state = CAST(CAST(state AS TEXT) || ' ' AS BLOB) WHERE rowid = 3",
        "DELETE FROM stored_events WHERE rowid = 3",
        "DELETE FROM stored_events WHERE rowid = 1",
    ],
)
def test_a_tampered_tail_of_the_ledger_stops_the_start(data: Path, change: str) -> None:
    assert len(rows_of(data)) == 3
    assert altered(data, change) == 1
    assert "the ledger is broken at position" in refusal(data, code=NOT_READY)


def test_a_table_without_its_triggers_stops_the_start(data: Path) -> None:
    with closing(sqlite3.connect(data / LEDGER_FILE)) as connection:
        connection.execute("DROP TRIGGER stored_events_refuse_update")
    assert "triggers are not those of this version" in refusal(data, code=NOT_READY)


def test_a_file_that_is_no_database_stops_the_start(data: Path) -> None:
    (data / LEDGER_FILE).write_bytes(b"not a database" * 1000)
    assert "does not open" in refusal(data, code=NOT_READY)


def test_a_second_server_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    key = init(tmp_path / "shared")
    with serving(tmp_path / "shared", key) as server:
        line = refusal(tmp_path / "shared", code=NOT_READY)
        assert f"another process uses {tmp_path}/shared" in line
        assert server.kms().list_keys()["Keys"] == []


def test_an_address_beyond_loopback_needs_tls(data: Path) -> None:
    line = refusal(data, "--host", "0.0.0.0", code=ERROR)
    assert "0.0.0.0 is not a loopback address and there is no TLS" in line
    assert "--insecure" in line


def test_a_port_that_is_taken_is_named(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(data, "--port", port, code=NOT_READY)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in line


def test_a_certificate_that_cannot_be_read_is_named(data: Path) -> None:
    arguments = ("--tls-cert", data / "none.pem", "--tls-key", data / "none.key")
    assert str(data / "none.pem") in refusal(data, *arguments, code=NOT_READY)


def test_a_certificate_that_is_none_is_named(data: Path) -> None:
    for name in ("server.pem", "server.key"):
        (data / name).write_text("no certificate\n")
    arguments = ("--tls-cert", data / "server.pem", "--tls-key", data / "server.key")
    assert str(data / "server.pem") in refusal(data, *arguments, code=NOT_READY)


def test_a_ledger_that_cannot_be_written_stops_the_start(data: Path) -> None:
    command = [PROGRAM, "serve", "--data", data, "--port", "0"]
    run = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *map(str, command)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN_S,
        check=False,
    )
    assert run.returncode == NOT_READY, run.stderr
    assert run.stderr.startswith("keytrail: ")
    assert "Traceback" not in run.stderr


def test_a_refused_start_leaves_no_record(data: Path) -> None:
    before = records_of(data)
    refusal(data, "--tls-cert", data / "none.pem", "--tls-key", data / "none", code=NOT_READY)
    refusal(data, code=ERROR, KEYTRAIL_PROT="1")
    (data / "root.key").chmod(0o644)
    refusal(data, code=NOT_READY)
    assert records_of(data) == before


def test_after_a_refusal_is_mended_the_server_starts(tmp_path: Path) -> None:
    data = tmp_path / "mended"
    key = init(data)
    (data / "root.key").chmod(0o644)
    refusal(data, code=NOT_READY)
    (data / "root.key").chmod(0o600)
    with serving(data, key) as server:
        assert server.get("/readyz")[0] == 200


def init_again(data: Path, *arguments: object) -> str:
    run = keytrail("init", "--data", data, *arguments)
    assert run.returncode == ERROR
    assert run.stderr.count("\n") == 1
    return run.stderr


def test_init_makes_nothing_twice(data: Path) -> None:
    before = {path: path.read_bytes() for path in data.iterdir()}
    line = init_again(data, "--account", "111122223333", "--region", "eu-central-1")
    assert "is already initialised" in line
    assert {path: path.read_bytes() for path in data.iterdir()} == before


@pytest.mark.parametrize(
    ("account", "region"), [("12", "eu-central-1"), ("111122223333", "EU"), ("x" * 12, "eu-west-1")]
)
def test_init_refuses_malformed_names_and_makes_nothing(
    tmp_path: Path, account: str, region: str
) -> None:
    init_again(tmp_path / "new", "--account", account, "--region", region)
    assert not (tmp_path / "new").exists()


def test_init_prints_one_object_and_makes_private_files(tmp_path: Path) -> None:
    data = tmp_path / "new"
    arguments = ("--account", "123456789012", "--region", "us-east-1", "--json")
    printed = json.loads(keytrail("init", "--data", data, *arguments).stdout)
    assert set(printed) == {"account", "region", "access_key_id", "secret_access_key"}
    assert printed["account"] == "123456789012"
    assert printed["region"] == "us-east-1"
    assert {path.stat().st_mode & 0o777 for path in data.iterdir()} == {0o600}
    assert data.stat().st_mode & 0o777 == 0o700
