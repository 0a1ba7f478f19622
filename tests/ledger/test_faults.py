"""What is on disk after a process was killed, or its disk failed."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from ledger.reader import Reader
from ledger.schema import connect
from ledger.store import LedgerStore
from ledger.verify import verify
from tests.ledger.samples import RowPerEvent, event_id, insert, plain

REPOSITORY = Path(__file__).parents[2]
RUNS = 3


def command(module: str, path: Path) -> list[str]:
    return [sys.executable, "-m", f"tests.ledger.{module}", str(path)]


def acknowledged_until_killed(path: Path, at_least: int) -> list[str]:
    arguments = command("appending_process", path)
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(at_least)]
        process.kill()
        lines += process.stdout.readlines()
    return [line.decode().strip() for line in lines if line.endswith(b"\n")]


def test_a_killed_process_loses_nothing_that_it_acknowledged(path: Path) -> None:
    LedgerStore.create(path, RowPerEvent()).close()
    for run in range(RUNS):
        acknowledged = acknowledged_until_killed(path, at_least=400 + 37 * run)
        with closing(LedgerStore.open(path, RowPerEvent())) as store:
            with closing(store.read_connection()) as connection:
                reader = Reader(connection)
                assert [each for each in acknowledged if reader.by_event_id(each) is None] == []
                verified = verify(reader)
            seen = store.run(lambda cursor: cursor.execute("SELECT count(*) FROM seen").fetchone())
        assert seen == (verified.events,)


def test_a_killed_process_leaves_a_ledger_that_goes_on(path: Path) -> None:
    LedgerStore.create(path, RowPerEvent()).close()
    acknowledged_until_killed(path, at_least=100)
    with closing(LedgerStore.open(path, RowPerEvent())) as store:
        head = store.head
        assert insert(store, plain(1 << 40)) == head + 1


def test_a_failing_disk_refuses_and_then_the_ledger_goes_on_without_a_restart(path: Path) -> None:
    run = subprocess.run(
        command("failing_disk_process", path), cwd=REPOSITORY, capture_output=True, check=True
    )
    refusal = "disk I/O error"
    outcomes = ["1", refusal, refusal, "2", refusal, "True", "3", "None"]
    assert run.stdout.decode().splitlines() == outcomes
    assert run.stderr == b""
    with closing(connect(path, read_only=True)) as connection:
        assert verify(Reader(connection)).records == 3
        assert Reader(connection).by_event_id(event_id(4)) is not None
