"""The documents hold against the program: every command exists, every name has its place."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from api.actions import ACTIONS
from api.cli import commands
from domain.errors import Refusal
from domain.events import EVENTS

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
REFERENCE = ROOT / "docs/reference"

SHELL_BLOCK = re.compile(r"```(?:sh|bash|shell|console)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands_in(page: Path) -> Iterator[list[str]]:
    """The words of every line that a reader may type, from shell blocks and inline code."""
    text = page.read_text(encoding="utf-8")
    blocks = SHELL_BLOCK.findall(text)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *INLINE.findall(text)]:
        typed = line.strip().removeprefix("$ ")
        if typed.startswith(("keytrail ", "make ", ".venv/bin/keytrail ")):
            yield shlex.split(typed, comments=True)


def check_keytrail(words: list[str]) -> None:
    command: Any = get_command(commands)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"keytrail has no {words[0]}"
        command = command.commands[words.pop(0)]
    flags = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= flags, f"{command.name} has no {used - flags}"


def check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {word for word in words if re.fullmatch(r"[a-z]+", word)}
    assert named <= targets, f"the Makefile has no {named - targets}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    for program, *words in commands_in(page):
        if program == "make":
            check_make(words)
        else:
            check_keytrail(words)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_can_be_read_in_three_minutes() -> None:
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= 700


def test_every_target_of_make_is_in_contributing() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    assert [name for name in targets if name != "help" and f"`make {name}`" not in text] == []


def test_every_operation_has_its_place() -> None:
    text = (REFERENCE / "operations.md").read_text(encoding="utf-8")
    assert [name for name in names_of_actions() if name not in text] == []


def test_every_error_has_its_place() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    codes = {code for refusal in refusals(Refusal) for code in (refusal.code, refusal.trail_code)}
    assert sorted(code for code in codes if f"`{code}`" not in text) == []


def test_every_event_has_its_place() -> None:
    text = (REFERENCE / "events.md").read_text(encoding="utf-8")
    assert [event.TOPIC for event in EVENTS if f"`{event.TOPIC}`" not in text] == []


def names_of_actions() -> list[str]:
    return [action.name for action in ACTIONS]


def refusals(parent: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in parent.__subclasses__():
        yield child
        yield from refusals(child)
