"""What size costs: start-up, memory and latency with ten keys and with a million."""

import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import signing
from benchmarks.client import Client
from benchmarks.harness import Cores, Server
from benchmarks.loader import alias_name, count_rows, load
from benchmarks.signing import Credentials
from benchmarks.targets import keytrail

SIZES = (10, 10_000, 1_000_000)
STARTS = 3
REST_S = 2.0
FIRST_USES = 500
REPEATS = 2_000
PAGES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of one client that waits for each answer."""

    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleResult:
    """One size. `keys` is also the number of aliases."""

    keys: int
    rows: int
    ledger_bytes: int
    start_up_s: float
    at_rest_bytes: int
    after_requests_bytes: int
    list_aliases: Latency
    encrypt_first_use: Latency
    encrypt: Latency


class Scale:
    """Loads each size into a directory of its own under `folder`, or finds it loaded there."""

    def __init__(
        self, *, cores: Cores, folder: Path, on_progress: Callable[[int, int], None]
    ) -> None:
        self._core = cores.server
        self._folder = folder
        self._on_progress = on_progress

    def run(self, keys: int) -> ScaleResult:
        """Everything that is measured at one size."""
        home = self._folder / f"keys-{keys}"
        credentials = self._loaded(home, keys)
        data = home / "data"
        starts = [self._start_up_s(data, home) for _ in range(STARTS)]
        with self._serve(data, home) as server:
            server.wait_until_ready("/readyz", deadline_s=keytrail.READY_S)
            time.sleep(REST_S)
            at_rest = server.resident_bytes()
            with Client(server.port, credentials) as client:
                first_use = _encrypt(client, server, credentials, _spread(keys, FIRST_USES))
                repeats = _spread(keys, FIRST_USES)[:10] * (REPEATS // 10)
                encrypt = _encrypt(client, server, credentials, repeats)
                pages = _sign(server, credentials, "ListAliases", [b"{}"] * PAGES)
                list_aliases = _latency(client.latencies_us(pages))
            return ScaleResult(
                keys=keys,
                rows=count_rows(data),
                ledger_bytes=(data / "ledger.db").stat().st_size,
                start_up_s=statistics.median(starts),
                at_rest_bytes=at_rest,
                after_requests_bytes=server.resident_bytes(),
                list_aliases=list_aliases,
                encrypt_first_use=first_use,
                encrypt=encrypt,
            )

    def _loaded(self, home: Path, keys: int) -> Credentials:
        # Written last: a directory without it was left by a loader that did not finish.
        marker = home / "loaded.json"
        if marker.exists():
            return Credentials(**json.loads(marker.read_text(encoding="utf-8")))
        home.mkdir(parents=True)
        credentials = keytrail.init(home / "data")
        load(
            home / "data",
            credentials,
            account=keytrail.ACCOUNT,
            keys=keys,
            on_progress=self._on_progress,
        )
        descriptor = os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(credentials), file)
        return credentials

    def _start_up_s(self, data: Path, home: Path) -> float:
        with self._serve(data, home) as server:
            return server.wait_until_ready("/readyz", deadline_s=keytrail.READY_S)

    def _serve(self, data: Path, home: Path) -> Server:
        return keytrail.serve(data, core=self._core, log_path=home / "keytrail.log")


def _spread(keys: int, count: int) -> list[int]:
    """`count` numbers of keys at most, evenly over all that there are."""
    return list(range(0, keys, max(1, keys // count)))[:count]


def _encrypt(
    client: Client, server: Server, credentials: Credentials, numbers: Sequence[int]
) -> Latency:
    members = [{"KeyId": alias_name(number), "Plaintext": "a2V5dHJhaWw="} for number in numbers]
    bodies = [json.dumps(one).encode() for one in members]
    return _latency(client.latencies_us(_sign(server, credentials, "Encrypt", bodies)))


def _sign(
    server: Server, credentials: Credentials, operation: str, bodies: list[bytes]
) -> list[bytes]:
    return signing.sign_all(
        credentials, host=server.host, operation=operation, bodies=bodies, now=datetime.now(UTC)
    )


def _latency(ascending_us: Sequence[float]) -> Latency:
    count = len(ascending_us)
    return Latency(p50_us=ascending_us[count // 2], p99_us=ascending_us[count * 99 // 100])
