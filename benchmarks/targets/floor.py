"""The floor, started with the answer of one of Keytrail's operations."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.client import Answer
from benchmarks.harness import Server, free_port

READY_S = 10.0
# uvicorn writes the date itself, in the floor as in Keytrail.
WRITTEN_BY_UVICORN = frozenset({"date"})


@contextmanager
def floor(answer: Answer, *, core: int, folder: Path) -> Iterator[Server]:
    """A server that gives `answer` to whatever it is asked."""
    answer_path = folder / "answer.json"
    headers = [pair for pair in answer.headers if pair[0] not in WRITTEN_BY_UVICORN]
    text = json.dumps({"headers": headers, "body": answer.body.decode("latin-1")})
    answer_path.write_text(text, encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.targets.floor_application"]
    command += [str(port), str(answer_path)]
    with Server(command, core=core, port=port, log_path=folder / "floor.log") as server:
        server.wait_until_ready("/", deadline_s=READY_S)
        yield server
