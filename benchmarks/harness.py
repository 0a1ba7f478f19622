"""Processes of the benchmark: pinned to a core, watched until ready, stopped by their id."""

import http.client
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).parents[1]
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
POLL_S = 0.002
STOP_S = 15.0


class BenchmarkFailed(Exception):
    """A server did not start, a request was refused, or a tool is missing; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The core that servers run on and the one that sends; the same if there is only one."""

    server: int
    sender: int


def claim_cores() -> Cores:
    """Divide the cores that we may use; this process and wrk stay on the sender's."""
    available = sorted(os.sched_getaffinity(0))
    cores = Cores(server=available[0], sender=available[-1])
    os.sched_setaffinity(0, {cores.sender})
    return cores


def busy_seconds(core: int) -> float:
    """Time that a core has worked since the machine started, for whomever it was."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    fields = next(line.split() for line in lines if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = fields[1:9]
    busy = (user, nice, system, interrupts, soft_interrupts, stolen)
    return sum(map(int, busy)) / CLOCK_TICKS


def free_port() -> int:
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One server process, pinned to a core; as a context manager it is stopped at the end."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int,
        port: int,
        log_path: Path,
    ) -> None:
        self.port = port
        self.core = core
        self._log_path = log_path
        self._started_at = time.perf_counter()
        # taskset and not sched_setaffinity afterwards: a Go runtime counts its cores, and starts
        # its threads, before we could reach it. taskset execs, so that the process id is its own.
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def host(self) -> str:
        """Address and port, as in a Host header."""
        return f"{HOST}:{self.port}"

    def wait_until_ready(self, path: str, *, deadline_s: float) -> float:
        """Seconds from the start of the process until `path` answers 200."""
        while True:
            if self._answers(path):
                return time.perf_counter() - self._started_at
            if self._process.poll() is not None:
                raise BenchmarkFailed(f"The server ended: {self._log_tail()}")
            if time.perf_counter() - self._started_at > deadline_s:
                raise BenchmarkFailed(f"Not ready after {deadline_s:.0f} s: {self._log_tail()}")
            time.sleep(POLL_S)

    def cpu_seconds(self) -> float:
        """Processor time used so far by all threads, user and system."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        # The second field, the command in brackets, may hold spaces; we count from behind it.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def resident_bytes(self) -> int:
        """Resident memory (VmRSS)."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        """Ask the process to end, and kill it when it has not within `STOP_S`."""
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1.0)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log_tail(self) -> str:
        return self._log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
