"""`python -m benchmarks`: run the plan, print the table, write docs/performance.md."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from benchmarks import machine, report, wrk
from benchmarks.harness import REPOSITORY, BenchmarkFailed, Cores, claim_cores
from benchmarks.scale import SIZES, Scale, ScaleResult
from benchmarks.suite import FULL, QUICK, Part, Plan, Suite
from benchmarks.targets.openbao import openbao_program
from benchmarks.wrk import Cell

# In the checkout and not in /tmp, which may be in memory: the ledger must fsync to a disk.
WORK = REPOSITORY / "build" / "benchmark"
BINARIES = REPOSITORY / ".venv-bench" / "bin"
REQUESTS_FAILED = 1
NOT_SET_UP = 2

# In a file or a pipe rich would fold the table into 80 columns.
console = Console() if sys.stdout.isatty() else Console(width=150)


def main(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Encrypt at 64 connections only, 2 s a cell.")
    ] = False,
    only: Annotated[
        list[Part] | None, typer.Option(help="Only this part; may be given several times.")
    ] = None,
    skip_scale: Annotated[
        bool, typer.Option("--skip-scale", help="Leave out the ledgers of up to a million keys.")
    ] = False,
    scale_dir: Annotated[
        Path | None,
        typer.Option(help="Keep the loaded ledgers here, and use those that are here already."),
    ] = None,
) -> None:
    """Measure; the page in docs is written by a run that leaves out nothing but the scale."""
    plan = _plan(quick=quick, only=only, skip_scale=skip_scale)
    try:
        wrk.find()
        findings = _run(plan, claim_cores(), scale_dir)
    except BenchmarkFailed as failure:
        console.print(f"[red]{failure}[/red]", highlight=False)
        sys.exit(NOT_SET_UP)
    if findings.failed:
        console.print(f"[red]{findings.failed} requests failed: the figures do not count.[/red]")
        sys.exit(REQUESTS_FAILED)


def _plan(*, quick: bool, only: list[Part] | None, skip_scale: bool) -> Plan:
    plan = QUICK if quick else FULL
    if only:
        plan = replace(plan, parts=frozenset(only))
    if skip_scale:
        plan = replace(plan, parts=plan.parts - {Part.SCALE})
    return plan


def _run(plan: Plan, cores: Cores, scale_dir: Path | None) -> report.Findings:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    try:
        described = _describe(cores)
        cells = _cells(plan, cores)
        sizes = _sizes(cores, scale_dir or WORK) if Part.SCALE in plan.parts else []
        findings = report.Findings(cells, sizes)
        _show(findings)
        if not findings.failed and replace(plan, parts=plan.parts | {Part.SCALE}) == FULL:
            made_on = datetime.now(UTC).strftime("%Y-%m-%d at %H:%M UTC")
            console.print(report.write_page(findings, described, made_on=made_on))
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    return findings


def _describe(cores: Cores) -> machine.Machine:
    described = machine.describe(
        cores,
        folder=WORK,
        wrk=wrk.find(),
        bao=openbao_program(BINARIES),
        moto=BINARIES / "moto_server",
    )
    console.print(report.table("The machine", ("", ""), described.facts))
    return described


def _cells(plan: Plan, cores: Cores) -> list[Cell]:
    found: list[Cell] = []

    def on_cell(cell: Cell) -> None:
        found.append(cell)
        console.print(
            f"{cell.target:9} {cell.operation:16} {cell.connections:3} connections"
            f" {cell.requests_per_second:10,.0f} requests/s  p99 {cell.p99_us / 1000:.2f} ms",
            highlight=False,
        )

    Suite(plan, cores=cores, folder=WORK, binaries=BINARIES, on_cell=on_cell).run()
    return found


def _sizes(cores: Cores, folder: Path) -> list[ScaleResult]:
    found = []
    for keys in SIZES:
        with _progress(f"loading {keys:,} keys") as on_progress:
            scale = Scale(cores=cores, folder=folder, on_progress=on_progress)
            result = scale.run(keys)
        console.print(
            f"{keys:,} keys: ready in {result.start_up_s:.2f} s,"
            f" {result.at_rest_bytes / 1e6:.0f} MB at rest",
            highlight=False,
        )
        found.append(result)
    return found


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _show(findings: report.Findings) -> None:
    if rows := findings.rows():
        console.print(report.table("Requests per second", report.COLUMNS, rows))
    if rows := findings.scale_rows():
        console.print(report.table("Size", report.SCALE_COLUMNS, rows))
    if goals := findings.goals():
        console.print(report.goal_table(goals))
    if findings.sender_was_busy:
        console.print("[yellow]wrk used more than 90 % of its core in some cell.[/yellow]")
    if findings.was_disturbed:
        console.print("[yellow]Other programs used the server's core in some cell.[/yellow]")


if __name__ == "__main__":
    typer.run(main)
