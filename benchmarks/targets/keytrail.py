"""Keytrail: a data directory of its own, served as `keytrail serve` does."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness import HOST, BenchmarkFailed, Server, free_port
from benchmarks.signing import Credentials

READY_S = 60.0
PROGRAM = str(Path(sys.executable).with_name("keytrail"))
ACCOUNT = "123456789012"
REGION = "us-east-1"


def init(data: Path) -> Credentials:
    """Make a data directory; the administrator's access key."""
    command = [PROGRAM, "init", "--data", str(data), "--account", ACCOUNT, "--region", REGION]
    finished = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BenchmarkFailed(f"keytrail init: {finished.stderr[-2000:]}")
    made = json.loads(finished.stdout)
    return Credentials(
        access_key_id=made["access_key_id"],
        secret_access_key=made["secret_access_key"],
        region=made["region"],
    )


def serve(data: Path, *, core: int, log_path: Path) -> Server:
    """A process that is starting; the caller waits until it is ready."""
    port = free_port()
    command = [PROGRAM, "serve", "--data", str(data), "--host", HOST, "--port", str(port)]
    return Server(command, core=core, port=port, log_path=log_path)
