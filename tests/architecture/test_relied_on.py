"""`docs/relied-on.md` and the tests that it names."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/relied-on.md").read_text()
_FINDINGS = ROOT / "findings"


def _rows() -> list[list[str]]:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| fact ")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def _tests() -> set[str]:
    return {
        f"{path.name}::{node.name}"
        for path in (ROOT / "tests/relied_on").glob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_each_fact_names_a_test_that_exists_and_each_test_stands_for_a_fact() -> None:
    named = [row[3].strip("`") for row in _rows()]
    assert {len(row) for row in _rows()} == {4}
    assert sorted(named) == sorted(_tests())


def test_each_fact_names_code_that_exists() -> None:
    for fact, _, code, _ in _rows():
        paths = re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py)?)`", code)
        paths += re.findall(r"\]\(((?:decisions|processes)/[^)]+)\)", code)
        missing = [path for path in paths if not ((ROOT / path).exists() or (ROOT / "docs" / path).exists())]
        assert not missing, fact
        assert paths or "`" in code or "models" in code, fact


def test_the_index_of_findings_has_each_script_and_each_may_be_run() -> None:
    scripts = sorted(path.name for path in _FINDINGS.glob("*.sh"))
    listed = re.findall(r"\[`?([a-z0-9_-]+\.sh)`?\]", (_FINDINGS / "README.md").read_text())
    assert sorted(listed) == scripts
    assert all((_FINDINGS / name).stat().st_mode & 0o111 for name in scripts)
