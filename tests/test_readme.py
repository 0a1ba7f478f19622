"""The README's transcript works as printed: the aws CLI against the real command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from api.provision import AccessKey
from tests.faults.process import keytrail, serving

ROOT = Path(__file__).parents[1]
TRANSCRIPT = re.compile(r"```console\n(.*?)```", re.DOTALL)
INIT = "--account 123456789012 --region us-east-1"  # as in the Makefile
SEPARATOR = "---- next step ----"


def steps() -> list[tuple[str, str]]:
    """Each command of the transcript, and what it prints."""
    text = TRANSCRIPT.findall((ROOT / "README.md").read_text(encoding="utf-8"))[0]
    parts = [step.partition("\n") for step in text.replace("\\\n", " ")[2:].split("\n$ ")]
    return [(command, output.strip("\n")) for command, _, output in parts]


def run_in_one_shell(commands: list[str], folder: Path, endpoint: str) -> list[str]:
    """What each command prints; `aws` is the one of this environment."""
    script = "\n".join(f"{command}\necho; echo '{SEPARATOR}'" for command in commands)
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": search, "HOME": str(folder), "AWS_ENDPOINT_URL": endpoint}
    shell = ["bash", "-euo", "pipefail", "-c", script]
    ran = subprocess.run(
        shell, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [output.strip("\n") for output in ran.stdout.split(SEPARATOR)[:-1]]


def test_the_readmes_transcript_works_as_printed(tmp_path: Path) -> None:
    data = tmp_path / "keytrail-data"
    made = keytrail(
        "init", *INIT.split(), "--data", data, "--profile", data / "aws-config", "--json"
    )
    key = msgspec.json.decode(made.stdout, type=AccessKey)
    with serving(data, key) as server:
        printed = run_in_one_shell([command for command, _ in steps()], tmp_path, server.endpoint)
    for (command, expected), found in zip(steps(), printed, strict=True):
        pattern = ".*".join(re.escape(part) for part in expected.split("…"))
        assert re.fullmatch(pattern, found), f"{command} printed {found!r}"
