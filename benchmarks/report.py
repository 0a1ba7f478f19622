"""What was found: one table on the terminal and the same in `docs/performance.md`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from benchmarks.machine import Machine
from benchmarks.scale import ScaleResult
from benchmarks.targets.target import FLOOR, KEYTRAIL, OPENBAO
from benchmarks.wrk import Cell

PERFORMANCE_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
COLUMNS = (
    "server",
    "operation",
    "connections",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "of the floor",
    "of OpenBao",
    "µs/request",
    "wrk's core",
    "others on the core",
    "failed",
)
WORDS = frozenset({"", "server", "operation"})
"""Columns of text; those of figures are set to the right."""
SCALE_COLUMNS = (
    "keys and aliases",
    "ledger rows",
    "ledger GB",
    "start-up s",
    "at rest MB",
    "after requests MB",
    "ListAliases p50 / p99 ms",
    "Encrypt p50 / p99 ms",
    "Encrypt, first use of a key",
)
BUSY = 0.9
"""A sender that used more of its core than this may have been what was measured."""
DISTURBED = 0.1
"""A cell in which others used more of the server's core than this shows less than it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Something that was asked, and what was found."""

    text: str
    asked: str
    found: str
    met: bool


class Findings:
    """The cells of a run, and what follows from them."""

    def __init__(self, cells: Sequence[Cell], scale: Sequence[ScaleResult]) -> None:
        self._cells = cells
        self._scale = scale

    @property
    def failed(self) -> int:
        """Requests that were refused or not answered."""
        return sum(cell.failed for cell in self._cells)

    @property
    def sender_was_busy(self) -> bool:
        """Whether wrk may have been the bottleneck of some cell."""
        return any(cell.sender_cpu_share > BUSY for cell in self._cells)

    @property
    def was_disturbed(self) -> bool:
        """Whether other programs took part of the server's core in some cell."""
        return any(cell.others_cpu_share > DISTURBED for cell in self._cells)

    def rows(self) -> list[tuple[str, ...]]:
        """The main table, one row for each cell."""
        return [self._row(cell) for cell in self._cells]

    def scale_rows(self) -> list[tuple[str, ...]]:
        """The table of sizes."""
        return [_scale_row(result) for result in self._scale]

    def goals(self) -> list[Goal]:
        """The goals that this run says something about."""
        return [*self._encrypt_goals(), *self._scale_goals()]

    def _row(self, cell: Cell) -> tuple[str, ...]:
        return (
            cell.target,
            cell.operation,
            str(cell.connections),
            f"{cell.requests_per_second:,.0f}",
            f"{cell.p50_us / 1000:.2f}",
            f"{cell.p99_us / 1000:.2f}",
            _percent(self._ratio(cell, FLOOR)),
            _percent(self._ratio(cell, OPENBAO)),
            f"{cell.server_cpu_us:.0f}",
            f"{cell.sender_cpu_share:.0%}",
            f"{cell.others_cpu_share:.0%}",
            str(cell.failed),
        )

    def _ratio(self, cell: Cell, reference: str) -> float | None:
        if cell.target in (reference, FLOOR):
            return None
        found = self._find(reference, cell.operation, cell.connections)
        return cell.requests_per_second / found.requests_per_second if found else None

    def _find(self, target: str, operation: str, connections: int) -> Cell | None:
        wanted = (target, operation, connections)
        for cell in self._cells:
            if (cell.target, cell.operation, cell.connections) == wanted:
                return cell
        return None

    def _encrypt_goals(self) -> Iterable[Goal]:
        cell = self._find(KEYTRAIL, "Encrypt", 64)
        if cell is None:
            return
        for reference, least in ((FLOOR, 0.3), (OPENBAO, 1.0)):
            ratio = self._ratio(cell, reference)
            if ratio is not None:
                yield Goal(
                    text=f"Encrypt by alias, 64 connections, of {reference}",
                    asked=f"at least {least:.0%}",
                    found=f"{ratio:.0%}",
                    met=ratio >= least,
                )

    def _scale_goals(self) -> Iterable[Goal]:
        if not self._scale:
            return
        smallest, largest = self._scale[0], self._scale[-1]
        size = f"{largest.keys:,} keys"
        growth = largest.at_rest_bytes / smallest.at_rest_bytes
        at_rest = smallest.at_rest_bytes / 1e6
        page = largest.list_aliases.p50_us / 1000
        for text, value, limit, unit in (
            ("One process at rest", at_rest, 120.0, " MB"),
            (f"Start-up with {size}", largest.start_up_s, 2.0, " s"),
            (f"Memory with {size}, of the empty server's", growth, 1.5, " times"),
            (f"ListAliases' first page with {size}, p50", page, 5.0, " ms"),
        ):
            yield Goal(
                text=text,
                asked=f"at most {limit:g}{unit}",
                found=f"{value:.2f}{unit}",
                met=value <= limit,
            )


def _scale_row(result: ScaleResult) -> tuple[str, ...]:
    return (
        f"{result.keys:,}",
        f"{result.rows:,}",
        f"{result.ledger_bytes / 1e9:.2f}",
        f"{result.start_up_s:.2f}",
        f"{result.at_rest_bytes / 1e6:.0f}",
        f"{result.after_requests_bytes / 1e6:.0f}",
        _pair(result.list_aliases.p50_us, result.list_aliases.p99_us),
        _pair(result.encrypt.p50_us, result.encrypt.p99_us),
        _pair(result.encrypt_first_use.p50_us, result.encrypt_first_use.p99_us),
    )


def _pair(p50_us: float, p99_us: float) -> str:
    return f"{p50_us / 1000:.2f} / {p99_us / 1000:.2f}"


def _percent(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.0%}"


# --- the terminal --------------------------------------------------------------------------------


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose figures stand under each other."""
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for name in columns:
        made.add_column(name, justify="left" if name in WORDS else "right", no_wrap=name in WORDS)
    for row in rows:
        made.add_row(*row)
    return made


def goal_table(goals: Iterable[Goal]) -> Table:
    """What was asked beside what was found."""
    made = Table(title="What was asked", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("goal", "asked", "found", ""):
        made.add_column(name)
    for goal in goals:
        mark = "[green]met[/green]" if goal.met else "[red]missed[/red]"
        made.add_row(goal.text, goal.asked, goal.found, mark)
    return made


# --- the page ------------------------------------------------------------------------------------

EXPLANATION = """\
# Performance

Written by `make bench`; do not edit. All servers of a run are measured one after the other, each
alone on one core, with [wrk](https://github.com/wg/wrk) on another.

- **floor**: a bare ASGI application under Keytrail's uvicorn configuration that reads nothing and
  gives one constant answer: the headers and body that Keytrail gives to that operation.
- **Keytrail**: every request is signed (Signature Version 4) and verified, 200 distinct ones for a
  cell (CreateAlias: a new name each), and has its record fsynced in the ledger before its answer.
- **OpenBao**: transit encrypt of the same plaintexts, `inmem` storage, with a file audit device on
  the same disk, which does not fsync.
- **moto**: its own server, the same requests; it checks no signature and keeps no record.

"of the floor" and "of OpenBao" compare requests/s of the same operation with as many connections.
"µs/request" is processor time of the whole server process. "wrk's core" is how busy the
sender was: well below 100 %, it was not the bottleneck. "others on the core" is what other programs
took of the server's core meanwhile; anything much above 0 % means that the row is too low.
"""
SCALE_EXPLANATION = """\
The ledger is made by a bulk loader from the domain's own events, a record for each, and material
that really encrypts. Start-up is from the start of the process to the first 200 of `/readyz`; at
rest is resident memory two seconds later. Latencies are those of one client that waits for each
answer; Encrypt is given for keys used before and, in the last column, for keys never used (ms).
"""


def write_page(findings: Findings, machine: Machine, *, made_on: str) -> Path:
    """Replace the page; returns its path."""
    parts = [EXPLANATION, "\n## The machine\n", f"Measured on {made_on}.\n"]
    parts.append(_markdown(("", ""), machine.facts))
    parts.append("\n## What was asked\n")
    goals = [
        (goal.text, goal.asked, goal.found, "met" if goal.met else "missed")
        for goal in findings.goals()
    ]
    parts.append(_markdown(("goal", "asked", "found", ""), goals))
    parts.append("\n## Requests per second\n")
    parts.append(_markdown(COLUMNS, findings.rows()))
    parts.append("\n## Size\n")
    if rows := findings.scale_rows():
        parts.append(SCALE_EXPLANATION)
        parts.append(_markdown(SCALE_COLUMNS, rows))
    else:
        parts.append("Left out of this run (`--skip-scale`).\n")
    PERFORMANCE_PAGE.write_text("\n".join(parts), encoding="utf-8")
    return PERFORMANCE_PAGE


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(columns)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (columns, rule, *rows))
