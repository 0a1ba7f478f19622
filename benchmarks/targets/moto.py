"""moto's server: the emulator most tests use. It checks no signature and records nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import BenchmarkFailed, Server, free_port
from benchmarks.signing import Credentials
from benchmarks.targets.aws import AwsTarget
from benchmarks.targets.target import MOTO

READY_S = 60.0
CREDENTIALS = Credentials(
    access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="unchecked", region="us-east-1"
)


@contextmanager
def moto(binaries: Path, *, core: int, folder: Path) -> Iterator[AwsTarget]:
    """A moto server with the same keys and aliases as Keytrail's."""
    program = binaries / "moto_server"
    if not program.exists():
        raise BenchmarkFailed(f"{program} is missing: `make bench` installs it.")
    port = free_port()
    command = [str(program), "-H", "127.0.0.1", "-p", str(port)]
    with Server(command, core=core, port=port, log_path=folder / "moto.log") as server:
        server.wait_until_ready("/moto-api/", deadline_s=READY_S)
        target = AwsTarget(MOTO, server, CREDENTIALS, ("Encrypt",))
        target.prepare()
        yield target
