"""The simulation's model knows the contract and not the code."""

import ast
from pathlib import Path

_PRODUCT = {"activities", "database", "devstack", "starter", "stockkeeper", "worker", "workflows"}
_SIMULATION = Path("tests/faults/simulation")
_OUR_OWN = "tests.faults.simulation.model"


def _imported(source: str) -> set[str]:
    """The modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide what is imported"
            found.add(node.module or "")
    return found


def test_the_model_imports_the_standard_library_and_itself_only() -> None:
    files = sorted((_SIMULATION / "model").glob("*.py"))
    assert {"books.py", "reservation.py", "outcome.py"} <= {file.name for file in files}
    for file in files:
        others = {each for each in _imported(file.read_text()) if each.partition(".")[0] in _PRODUCT | {"tests"}}
        assert [each for each in sorted(others) if not each.startswith(_OUR_OWN)] == [], file


def test_lanes_and_comparisons_import_nothing_of_the_product() -> None:
    for folder in ("lanes", "checks"):
        for file in sorted((_SIMULATION / folder).glob("*.py")):
            assert {each.partition(".")[0] for each in _imported(file.read_text())} & _PRODUCT == set(), file


def test_an_import_of_the_product_would_be_seen() -> None:
    assert _imported("from stockkeeper.domain import stock\nimport workflows.process") == {
        "stockkeeper.domain",
        "workflows.process",
    }
