"""What may not be within reach of what. import-linter holds the table of packages; this is the rest."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.replayed import offences

REPOSITORY = Path(__file__).parents[2]

REPLAYED = sorted(
    path
    for room in ("stockkeeper/domain", "stockkeeper/contracts", "workflows")
    for path in (REPOSITORY / room).glob("**/*.py")
)


@pytest.mark.parametrize("path", REPLAYED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_replayed_reads_no_clock_and_no_chance(path: Path) -> None:
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import os.path",
        "from random import choice",
        "import uuid as u",
        "import threading",
        "from concurrent.futures import ThreadPoolExecutor",
        "from asyncio import to_thread",
        "asyncio.to_thread(read)",
        "loop.run_in_executor(None, read)",
        "asyncio.open_connection('host', 80)",
        "asyncio.as_completed(tasks)",
        "asyncio.wait(tasks)",
        "datetime.now(UTC)",
        "date.today()",
        "when = datetime.datetime.utcnow",
        "open('x')",
        "input()",
        "id(order)",
        "hash(sku)",
        "__import__('time')",
        "global runs",
    ],
)
def test_a_clock_or_chance_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "for sku in {'B', 'A'}: pass",
        "for sku in set(skus): pass",
        "for sku in frozenset(skus) - known: pass",
        "for sku in {line.sku for line in lines}: pass",
        "for sku in a.keys() & b.keys(): pass",
        "for sku in first.union(second): pass",
        "[sku for sku in {*first, *second}]",
        "{sku: 1 for sku in set(skus)}",
        "list(set(skus))",
        "tuple({line.sku for line in lines})",
        "', '.join(set(skus))",
        "enumerate(set(skus))",
        "dict.fromkeys(set(skus))",
        "next(iter(seen)) if (seen := set(skus)) else None",
        "send(*set(skus))",
        "first, second = {1, 2}",
        "seen = set(skus)\nfor sku in seen: pass",
        "seen: set[str] = found()\nlist(seen)",
        "def send(skus: frozenset[str]) -> None:\n    for sku in skus: pass",
        "def found() -> set[str]: ...\nlist(found())",
        "self.seen = set(skus)\nlist(self.seen)",
    ],
)
def test_the_order_of_a_set_would_be_seen(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "workflow.now() + timedelta(minutes=5)",
        "for sku in sorted(set(skus)): pass",
        "sorted(sku.lower() for sku in set(skus))",
        "all(sku in known for sku in set(skus))",
        "{sku.lower() for sku in set(skus)}",
        "len(set(skus)), max(set(skus)), sku in set(skus)",
        "for sku in dict.fromkeys(skus): pass",
        "workflow.wait(tasks)",
    ],
)
def test_a_known_order_and_the_clock_of_the_workflow_are_right(source: str) -> None:
    assert offences(source) == []


def test_all_that_is_replayed_is_read() -> None:
    assert len(REPLAYED) > 15


def _loaded_by(module: str, before: str = "pass") -> set[str]:
    program = (
        f"import sys; {before}; import {module}; print(*{{name.split('.')[0] for name in sys.modules}}, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def _modules_of(package: str) -> str:
    modules = sorted((REPOSITORY / package.replace(".", "/")).glob("[!_]*.py"))
    assert modules
    return ", ".join(f"{package}.{path.stem}" for path in modules)


def test_a_service_that_starts_workflows_carries_no_database_and_no_command_line() -> None:
    loaded = _loaded_by("stockkeeper")
    assert {"stockkeeper", "temporalio", "pydantic"} <= loaded
    heavy = {"sqlalchemy", "psycopg", "alembic", "typer", "rich", "click", "pydantic_settings"}
    ours = {"activities", "database", "devstack", "starter", "worker", "workflows"}
    assert loaded & (heavy | ours) == set()


def test_workflows_carry_no_database() -> None:
    assert _loaded_by(_modules_of("workflows")) & {"sqlalchemy", "psycopg", "activities", "database"} == set()


def test_the_domain_carries_the_standard_library_only() -> None:
    # Importing `stockkeeper` itself loads the client, so an empty package stands in for it.
    alone = "stockkeeper = types.ModuleType('stockkeeper'); stockkeeper.__path__ = ['stockkeeper']"
    loaded = _loaded_by(
        _modules_of("stockkeeper.domain"), f"import types; {alone}; sys.modules['stockkeeper'] = stockkeeper"
    )
    assert "stockkeeper.domain.transfer" in loaded
    assert loaded & {"pydantic", "temporalio", "sqlalchemy", "stockkeeper.contracts", "stockkeeper.client"} == set()


def _project() -> dict[str, list[str]]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


def test_a_service_needs_temporalio_and_pydantic_and_nothing_else() -> None:
    assert _names(_project()[""]) == {"temporalio", "pydantic"}


def test_what_a_worker_needs_is_in_its_extra() -> None:
    assert {"sqlalchemy", "psycopg", "alembic", "pydantic-settings"} <= _names(_project()["worker"])


def test_every_requirement_is_pinned_and_by_version_only() -> None:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line)] == []
    assert not any("://" in line or line.startswith("-") for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    needed = {name.lower() for extra in _project().values() for name in _names(extra)} - {"stockkeeper"}
    assert needed <= pinned


@pytest.mark.parametrize("room", ["database", "activities"])
def test_no_statement_takes_local_time_from_the_clocks_of_postgresql(room: str) -> None:
    """Its names and versions of timezones are others than Python's: `database.clock` has the offsets for both."""
    taken = {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / room).glob("*.py")
        if re.search(r"(?i)at time zone (?!'UTC')", path.read_text().replace("`AT TIME ZONE`", ""))
    }
    assert taken == set()
