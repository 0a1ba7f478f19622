"""The run: which cells there are, in which order, and what the floor is made of."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks import wrk
from benchmarks.client import Answer
from benchmarks.harness import Cores, Server
from benchmarks.targets import keytrail
from benchmarks.targets.aws import AwsTarget
from benchmarks.targets.floor import floor
from benchmarks.targets.moto import moto
from benchmarks.targets.openbao import openbao
from benchmarks.targets.target import FLOOR, KEYTRAIL, OPERATIONS, Target
from benchmarks.wrk import Cell, Load


class Part(StrEnum):
    """What can be run alone."""

    FLOOR = "floor"
    KEYTRAIL = "keytrail"
    OPENBAO = "openbao"
    MOTO = "moto"
    SCALE = "scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured. `seconds` is the length of a cell."""

    parts: frozenset[Part]
    operations: tuple[str, ...]
    connections: tuple[int, ...]
    seconds: int


FULL = Plan(parts=frozenset(Part), operations=OPERATIONS, connections=(1, 16, 64), seconds=5)
QUICK = Plan(
    parts=frozenset({Part.FLOOR, Part.KEYTRAIL, Part.OPENBAO}),
    operations=("Encrypt",),
    connections=(64,),
    seconds=2,
)


class Suite:
    """One run of a plan; every cell found is handed to `on_cell` at once."""

    def __init__(
        self,
        plan: Plan,
        *,
        cores: Cores,
        folder: Path,
        binaries: Path,
        on_cell: Callable[[Cell], None],
    ) -> None:
        self._plan = plan
        self._core = cores.server
        self._folder = folder
        self._binaries = binaries
        self._on_cell = on_cell

    def run(self) -> None:
        """The floor, Keytrail, OpenBao, moto: one after the other, on the same core."""
        parts = self._plan.parts
        if parts & {Part.FLOOR, Part.KEYTRAIL}:
            self._floor_and_keytrail()
        if Part.OPENBAO in parts:
            with openbao(self._binaries, core=self._core, folder=self._folder) as target:
                self._measure(target)
        if Part.MOTO in parts:
            with moto(self._binaries, core=self._core, folder=self._folder) as moto_target:
                self._measure(moto_target)

    def _floor_and_keytrail(self) -> None:
        data = self._folder / "keytrail"
        shutil.rmtree(data, ignore_errors=True)
        credentials = keytrail.init(data)
        # The floor gives Keytrail's own answers, so Keytrail is asked for them first. Between
        # that and its own cells it is stopped: one server at a time.
        with self._keytrail(data) as server:
            target = AwsTarget(KEYTRAIL, server, credentials, self._plan.operations)
            target.prepare()
            answers = {operation: target.answer(operation) for operation in target.operations}
        if Part.FLOOR in self._plan.parts:
            for operation, answer in answers.items():
                self._measure_floor(target, operation, answer)
        if Part.KEYTRAIL in self._plan.parts:
            with self._keytrail(data) as server:
                target.server = server
                self._measure(target)

    def _measure_floor(self, target: AwsTarget, operation: str, answer: Answer) -> None:
        with floor(answer, core=self._core, folder=self._folder) as server:
            requests = target.sample(operation)
            for connections in self._plan.connections:
                load = Load(target=FLOOR, operation=operation, requests=requests)
                self._cell(server, load, connections)

    def _measure(self, target: Target) -> None:
        for operation in target.operations:
            for connections in self._plan.connections:
                load = target.load(operation, connections=connections)
                self._cell(target.server, load, connections)

    def _cell(self, server: Server, load: Load, connections: int) -> None:
        cell = wrk.run(
            server,
            load,
            connections=connections,
            seconds=self._plan.seconds,
            folder=self._folder,
        )
        self._on_cell(cell)

    @contextmanager
    def _keytrail(self, data: Path) -> Iterator[Server]:
        log_path = self._folder / "keytrail.log"
        with keytrail.serve(data, core=self._core, log_path=log_path) as server:
            server.wait_until_ready("/readyz", deadline_s=keytrail.READY_S)
            yield server
