"""The machine that the figures were found on: without it they say nothing."""

import importlib.metadata
import os
import platform
import re
import sqlite3
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Cores

SYNCS = 200
PAGE_BYTES = 4096
PACKAGES = ("uvicorn", "uvloop", "httptools", "msgspec", "cryptography", "eventsourcing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts in the order in which they are printed: a name and a value each."""

    facts: tuple[tuple[str, str], ...]


def describe(cores: Cores, *, folder: Path, wrk: str, bao: Path, moto: Path) -> Machine:
    """Measure and read what there is to know; `folder` is on the disk that is written to."""
    middle, worst = _sync_times_us(folder)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))
    load = os.getloadavg()[0]
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    disk = f"{_file_system(folder)}; write and fdatasync of 4 KiB: "
    disk += f"p50 {middle:.0f} µs, p99 {worst:.0f} µs"
    python = f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}"
    return Machine(
        facts=(
            ("Processor", f"{_processor()}, {os.cpu_count()} cores"),
            ("Cores used", f"{cores.server} for the server, {cores.sender} for wrk"),
            ("Memory", f"{int(memory.group(1)) / 2**20:.1f} GiB" if memory else "unknown"),
            ("Kernel", f"{platform.system()} {platform.release()}"),
            ("Disk", disk),
            ("Load average before", f"{load:.2f}"),
            ("Python", python),
            ("Packages", packages),
            ("OpenBao", _first_line(str(bao), "version")),
            ("moto", _moto_version(moto)),
            ("wrk", _first_line(wrk, "--version").split(" [", maxsplit=1)[0]),
        )
    )


def _sync_times_us(folder: Path) -> tuple[float, float]:
    path = folder / "sync-probe"
    taken = []
    with path.open("wb") as file:
        for _ in range(SYNCS):
            file.write(bytes(PAGE_BYTES))
            file.flush()
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - before) * 1e6)
    path.unlink()
    taken.sort()
    return taken[SYNCS // 2], taken[SYNCS * 99 // 100]


def _processor() -> str:
    found = re.search(
        r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
    )
    return found.group(1) if found else platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system: on tmpfs an fsync costs nothing and proves nothing."""
    return _first_line("stat", "--file-system", "--format=%T", str(folder))


def _first_line(*command: str) -> str:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return next(iter((finished.stdout + finished.stderr).splitlines()), "unknown")


def _moto_version(moto: Path) -> str:
    program = "import importlib.metadata as m; print(m.version('moto'))"
    return _first_line(str(moto.with_name("python")), "-c", program)
