"""The command line: what it prints, what it leaves behind, and its exit codes."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from api.cli import app


class Finished(NamedTuple):
    code: int
    output: str
    errors: str


class Keytrail:
    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._capture = capture

    def __call__(self, *words: str) -> Finished:
        self._patch.setattr(sys, "argv", ["keytrail", *words])
        with pytest.raises(SystemExit) as leaving:
            app()
        output, errors = self._capture.readouterr()
        return Finished(int(leaving.value.code or 0), output, errors)

    def init(self, data: Path, *words: str) -> Finished:
        account = ("--account", "123456789012", "--region", "eu-central-1")
        return self("init", "--data", str(data), *account, *words)


@pytest.fixture
def keytrail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Keytrail:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KEYTRAIL_")]:
        monkeypatch.delenv(name)
    return Keytrail(monkeypatch, capsys)


def test_init_as_json_prints_exactly_one_object(keytrail: Keytrail, tmp_path: Path) -> None:
    finished = keytrail.init(tmp_path / "data", "--json")
    key = json.loads(finished.output)
    assert (finished.code, finished.errors) == (0, "")
    assert list(key) == ["account", "region", "access_key_id", "secret_access_key"]
    assert (key["account"], key["region"]) == ("123456789012", "eu-central-1")


def test_init_shows_the_secret_that_it_writes_into_the_profile(
    keytrail: Keytrail, tmp_path: Path
) -> None:
    profile = tmp_path / "data/aws-config"
    finished = keytrail.init(tmp_path / "data", "--profile", str(profile))
    text = profile.read_text(encoding="ascii")
    secret = text.partition("aws_secret_access_key = ")[2].strip()
    assert secret in finished.output
    assert "[profile keytrail]\nendpoint_url = http://127.0.0.1:8014\nregion = eu-central-1" in text
    assert stat.S_IMODE(profile.stat().st_mode) == 0o600


def test_init_replaces_no_profile_and_then_makes_no_account(
    keytrail: Keytrail, tmp_path: Path
) -> None:
    profile = tmp_path / "aws-config"
    profile.write_text("another secret", encoding="ascii")
    finished = keytrail.init(tmp_path / "data", "--profile", str(profile))
    assert (finished.code, finished.output) == (1, "")
    assert not (tmp_path / "data").exists()


def test_a_directory_is_initialised_only_once(keytrail: Keytrail, tmp_path: Path) -> None:
    keytrail.init(tmp_path / "data")
    finished = keytrail.init(tmp_path / "data")
    assert (finished.code, finished.output) == (1, "")
    assert finished.errors.startswith("keytrail: ")


@pytest.mark.parametrize("region", ["home", "europe-1", "eu-central", "x", "EU-CENTRAL-1"])
def test_a_region_that_no_signature_could_be_for_is_refused(
    keytrail: Keytrail, tmp_path: Path, region: str
) -> None:
    finished = keytrail.init(tmp_path / "data", "--region", region)
    assert (finished.code, finished.output) == (1, "")
    assert finished.errors.startswith("keytrail: a region is ")
    assert not (tmp_path / "data").exists()


def test_init_says_what_to_type_next_with_the_settings_that_it_was_given(
    keytrail: Keytrail, tmp_path: Path
) -> None:
    config = tmp_path / "own settings.toml"
    config.write_text("port = 8000\n", encoding="ascii")
    plain, configured = tmp_path / "plain", tmp_path / "configured"
    assert keytrail.init(plain).output.endswith(f"\nNext: keytrail serve --data {plain}\n")
    shown = keytrail.init(configured, "--config", str(config)).output
    assert shown.endswith(f"\nNext: keytrail serve --data {configured} --config '{config}'\n")


@pytest.mark.parametrize("command", ["serve", "status", "verify", "rebuild"])
def test_what_init_has_not_made_is_not_ready(keytrail: Keytrail, command: str) -> None:
    finished = keytrail(command, "--data", "elsewhere")
    assert finished.code == 2
    assert finished.errors.count("\n") == 1


def test_a_new_ledger_can_be_shown_verified_and_rebuilt(keytrail: Keytrail, tmp_path: Path) -> None:
    keytrail.init(tmp_path / "data")
    data = ("--data", str(tmp_path / "data"))
    assert "position" in keytrail("status", *data).output
    assert keytrail("verify", *data).output.startswith("verified: ")
    assert keytrail("rebuild", *data).output.startswith("rebuilt from ")


def test_another_account_gets_a_key_of_its_own(keytrail: Keytrail, tmp_path: Path) -> None:
    keytrail.init(tmp_path / "data")
    words = ("--account", "210987654321", "--region", "eu-west-1", "--json")
    finished = keytrail("account", "create", "--data", str(tmp_path / "data"), *words)
    assert finished.code == 0
    assert json.loads(finished.output)["account"] == "210987654321"


def test_an_unknown_setting_is_one_line_and_no_traceback(
    keytrail: Keytrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYTRAIL_PROT", "1")
    finished = keytrail("serve")
    assert finished.code == 1
    assert finished.errors == (
        "keytrail: the environment variable KEYTRAIL_PROT is not a setting. "
        "The nearest is KEYTRAIL_PORT.\n"
    )


def test_a_flag_that_does_not_exist_is_an_error_and_not_unready(keytrail: Keytrail) -> None:
    finished = keytrail("serve", "--prot", "1")
    assert finished.code == 1
    assert finished.errors.startswith("keytrail: No such option: --prot")


def test_every_command_shows_an_example(keytrail: Keytrail) -> None:
    for words in ("init", "serve", "status", "verify", "rebuild", "version", "account create"):
        assert f"Example: keytrail {words}" in keytrail(*words.split(), "--help").output
