"""A process is in its own files and named in few others: `CONTRIBUTING.md` lists them, and this counts them."""

import re
from pathlib import Path

import pytest

from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import AUDITED, PROCESSES

REPOSITORY = Path(__file__).parents[2]
MOST_SHARED = 6
ROOMS = ("activities", "database", "devstack", "docs", "starter", "stockkeeper", "workflows")
GENERATED = {"stockkeeper/contracts/schema.json", "database/schema.sql"}
"""Written by `make schema`, and compared by tests: no hand edits them."""
HISTORY = ("docs/decisions/", "database/migrations/")
"""What was decided, and what was done to the database: written once, for the documents there were then."""


def _files() -> list[Path]:
    found = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*") if path.suffix in (".py", ".md")]
    return [*sorted(found), REPOSITORY / "worker.py", REPOSITORY / "README.md"]


def _is_own(path: str, kind: str) -> bool:
    """A file that has the process's name: ``transfer.py``, ``transfer_texts.py``, ``docs/processes/transfer.md``."""
    return re.fullmatch(rf"{kind}(_texts|_lots)?\.(py|md)", path.rpartition("/")[2]) is not None


def _names(process: ProcessSpec) -> set[str]:
    """Its kind, its finding, and every class and table that its own modules define."""
    names = {process.kind, *([process.finding] if process.finding else [])}
    for path in _files():
        if path.suffix == ".py" and _is_own(str(path.relative_to(REPOSITORY)), process.kind):
            names.update(re.findall(r"^class ([A-Z]\w+)", path.read_text(), re.MULTILINE))
            names.update(re.findall(r'= Table\(\s*"(\w+)"', path.read_text()))
    return names


def shared_files(process: ProcessSpec) -> list[str]:
    """The files of the product and its documentation that name the process beside its own."""
    types = {str(each) for each in process.movement_types}
    others = {str(each) for other in PROCESSES if other is not process for each in other.movement_types}
    # A type of movement is the process's own if no other books it: `MovementType` then has it for this process.
    pattern = "|".join([*sorted(_names(process)), *(rf"{each} = " for each in sorted(types - others))])
    named = re.compile(rf"(?<![\w-])({pattern})(?![\w-])")
    found = []
    for path in _files():
        name = str(path.relative_to(REPOSITORY))
        if _is_own(name, process.kind) or name in GENERATED or name.startswith(HISTORY):
            continue
        if named.search(path.read_text()):
            found.append(name)
    return found


def test_a_process_is_named_in_at_most_six_files_beside_its_own() -> None:
    shared = shared_files(AUDITED["customer_return"])
    assert {"stockkeeper/contracts/processes.py", "stockkeeper/__init__.py"} <= set(shared)
    assert len(shared) <= MOST_SHARED, shared


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.kind)
def test_every_process_has_a_file_of_its_name_where_it_is_looked_for(process: ProcessSpec) -> None:
    for room in ("stockkeeper/domain", "stockkeeper/contracts", "workflows", "activities"):
        assert (REPOSITORY / room / f"{process.kind}.py").is_file() or process.kind == "replenishment_plan", room
    if process.finding is not None:
        assert (REPOSITORY / "database" / "audit_rules" / f"{process.kind}.py").is_file()


def test_the_recipe_names_every_shared_file() -> None:
    recipe = (REPOSITORY / "CONTRIBUTING.md").read_text()
    missing = [name for name in shared_files(AUDITED["customer_return"]) if f"`{name}`" not in recipe]
    assert missing == []
