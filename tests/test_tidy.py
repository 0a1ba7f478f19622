"""What no linter says about this code: sizes, names, and what `domain` may stand on.

Complexity, parameters and branches are ruff's; its limits are in pyproject.toml.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("api", "domain", "keystore", "ledger", "projections", "tests", "benchmarks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = [path for path in FILES if path.is_relative_to(ROOT / "tests")]
DOMAIN = [path for path in FILES if path.is_relative_to(ROOT / "domain")]

LINES_PER_FILE = 400
LINES_PER_FUNCTION = 40
LEVELS_OF_NESTING = 3
WORDS_PER_TEST_NAME = 3

# Pure of their own accord. `datetime` is here for its types; its clock is refused below.
DOMAIN_STANDS_ON = {
    "base64", "bisect", "collections", "dataclasses", "datetime", "domain", "enum", "fnmatch",
    "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math", "operator",
    "re", "string", "struct", "types", "typing",
}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}
NESTS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_of(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""


def depth_of(node: ast.AST) -> int:
    """How deep the statements below nest; an `elif` is no deeper than its `if`."""
    depth = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        depth = max(depth, depth_of(child) + (isinstance(child, NESTS) and not is_elif))
    return depth


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_opens_with_a_docstring_and_fits_in_400_lines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text)), "has no docstring"
    lines = len(text.splitlines())
    assert lines <= LINES_PER_FILE


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_function_fits_in_40_lines_and_three_levels(path: Path) -> None:
    for function in functions_of(tree_of(path)):
        lines = (function.end_lineno or 0) - function.lineno + 1
        assert lines <= LINES_PER_FUNCTION, f"{function.name} has {lines} lines"
        depth = depth_of(function)
        assert depth <= LEVELS_OF_NESTING, f"{function.name} nests {depth} levels"


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_the_name_of_a_test_is_a_sentence(path: Path) -> None:
    for function in functions_of(tree_of(path)):
        if function.name.startswith("test"):
            words = function.name.removeprefix("test").split("_")[1:]
            assert len(words) >= WORDS_PER_TEST_NAME, function.name


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_is_skipped_or_expected_to_fail(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"skip", "skipif", "xfail", "importorskip"}, node.lineno


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_what_is_left_to_do_names_its_issue(path: Path) -> None:
    words = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b(?! \(#\d+\))")
    found = words.search(path.read_text(encoding="utf-8"))
    assert found is None, found


@pytest.mark.parametrize("path", DOMAIN, ids=name_of)
def test_domain_stands_on_pure_modules_only(path: Path) -> None:
    modules = {module.partition(".")[0] for module in imports_of(tree_of(path))}
    assert modules <= DOMAIN_STANDS_ON


@pytest.mark.parametrize("path", DOMAIN, ids=name_of)
def test_domain_never_asks_for_the_time(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Attribute):
            assert node.attr not in CLOCKS, f"line {node.lineno}"


def test_the_tests_run_on_the_versions_that_the_server_runs_on() -> None:
    assert pins_of("run") <= pins_of("test")


def pins_of(lock: str) -> set[str]:
    text = (ROOT / f"requirements/{lock}.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^[\w-]+==\S+", text, re.MULTILINE))
