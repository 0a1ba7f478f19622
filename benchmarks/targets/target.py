"""What the suite asks of a target."""

from typing import Protocol

from benchmarks.harness import Server
from benchmarks.wrk import Load

OPERATIONS = ("Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey", "ListAliases", "CreateAlias")
FLOOR = "floor"
KEYTRAIL = "Keytrail"
OPENBAO = "OpenBao"
MOTO = "moto"
DISTINCT = 200
"""Requests in a list that is sent again and again."""


class Target(Protocol):
    """A running server and what can be sent to it."""

    @property
    def server(self) -> Server:
        """The process that answers."""

    @property
    def operations(self) -> tuple[str, ...]:
        """What this target is measured with, in order."""

    def load(self, operation: str, *, connections: int) -> Load:
        """Requests made for the next cell: signatures are good for five minutes only."""
