"""Cells of the table: a list of prepared requests sent by wrk over some connections."""

import json
import resource
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from benchmarks.harness import BenchmarkFailed, Server, busy_seconds

SCRIPT = Path(__file__).with_name("wrk.lua")
ANSWER_WITHIN_S = 10
INSTALL = "wrk is not installed. On Debian and Ubuntu: sudo apt-get install wrk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a cell sends: each request `once`, or the list again and again."""

    target: str
    operation: str
    requests: Sequence[bytes]
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a cell found. Shares are of one core, 0 to 1; latencies are as the client sees them."""

    target: str
    operation: str
    connections: int
    requests_per_second: float
    p50_us: float
    p99_us: float
    refused: int
    broken: int
    server_cpu_us: float
    sender_cpu_share: float
    others_cpu_share: float

    @property
    def failed(self) -> int:
        """Answers of 400 and more, and requests without any answer."""
        return self.refused + self.broken


def find() -> str:
    """The path of wrk; BenchmarkFailed says how to install it."""
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkFailed(INSTALL)
    return path


def run(server: Server, load: Load, *, connections: int, seconds: int, folder: Path) -> Cell:
    """Send for some seconds, or until a `once` list has been sent."""
    listing = folder / "requests.bin"
    with listing.open("wb") as file:
        for request in load.requests:
            file.write(b"%d\n%b" % (len(request), request))
    # One thread: its core is its own, and Lua states with a slice each would gain nothing there.
    command = [find(), "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={ANSWER_WITHIN_S}s"]
    command += ["-s", str(SCRIPT), f"http://{server.host}/", "--"]
    command += [str(listing), "once" if load.once else "repeat"]
    before = _Times.read(server)
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds + 30
    )
    spent = _Times.read(server).since(before)
    if finished.returncode != 0 or "{" not in finished.stdout:
        raise BenchmarkFailed(f"wrk: {finished.stdout[-500:]}{finished.stderr[-500:]}")
    figures = json.loads(finished.stdout[finished.stdout.rindex("{") :])
    answered = figures["requests"]
    return Cell(
        target=load.target,
        operation=load.operation,
        connections=connections,
        requests_per_second=_rate(figures, connections),
        p50_us=figures["p50_us"],
        p99_us=figures["p99_us"],
        refused=figures["refused"],
        broken=figures["broken"],
        server_cpu_us=spent.server_s * 1e6 / max(answered, 1),
        sender_cpu_share=spent.sender_s / spent.wall_s,
        # The clocks tick at 10 ms and not together: a difference can come out below nothing.
        others_cpu_share=max(0.0, spent.core_s - spent.server_s) / spent.wall_s,
    )


def _rate(figures: dict[str, Any], connections: int) -> float:
    answered, seconds = figures["requests"], figures["duration_us"] / 1e6
    if figures["ran_out_after_s"] > 0:
        # When the list ran out, all connections but the one that found it so were still waiting.
        answered, seconds = figures["sent"] - connections + 1, figures["ran_out_after_s"]
    return float(answered / seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Times:
    """Seconds: of the clock, and of processor time of the server, of wrk, of the server's core."""

    wall_s: float
    server_s: float
    sender_s: float
    core_s: float

    @classmethod
    def read(cls, server: Server) -> Self:
        return cls(
            wall_s=time.perf_counter(),
            server_s=server.cpu_seconds(),
            sender_s=_children_cpu_seconds(),
            core_s=busy_seconds(server.core),
        )

    def since(self, before: Self) -> Self:
        return replace(
            self,
            wall_s=self.wall_s - before.wall_s,
            server_s=self.server_s - before.server_s,
            sender_s=self.sender_s - before.sender_s,
            core_s=self.core_s - before.core_s,
        )


def _children_cpu_seconds() -> float:
    # Only children that have been waited for are counted: between the two readings, wrk alone.
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
