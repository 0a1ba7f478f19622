"""The process's memory stays its own."""

import re
import subprocess
import sys
from pathlib import Path

from tests.faults.process import init, serving

# PR_GET_DUMPABLE of <linux/prctl.h>, and the limit for files.
PROBE = """
import ctypes, resource
from api.hardening import forbid_core_dumps
forbid_core_dumps()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_a_hardened_process_leaves_no_core_dump() -> None:
    root = Path(__file__).parents[2]
    shown = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=root, capture_output=True, text=True, check=True
    )
    assert (shown.stdout, shown.stderr) == ("0 (0, 0)\n", "")


def test_a_server_is_hardened_before_it_answers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, init(data)) as server:
        limits = Path(f"/proc/{server.pid}/limits").read_text(encoding="ascii")
        # What belongs to a process that is not dumpable belongs to root.
        assert Path(f"/proc/{server.pid}/status").stat().st_uid == 0
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
