"""What may not be within reach of what. import-linter holds the table of packages; this is the rest."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


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
    heavy = {"sqlalchemy", "psycopg", "alembic", "typer", "rich", "click", "pydantic_settings", "numpy", "scipy"}
    ours = {"activities", "database", "devstack", "starter", "worker", "workflows"}
    assert loaded & (heavy | ours) == set()


def test_workflows_carry_no_database() -> None:
    loaded = _loaded_by(_modules_of("workflows"))
    assert loaded & {"sqlalchemy", "psycopg", "activities", "database", "numpy", "scipy"} == set()


ARRAYS = {"numpy", "scipy"}
PLANS_MANY_ITEMS = {
    "stockkeeper.domain.demand_forecast",
    "stockkeeper.domain.hindsight",
    "stockkeeper.domain.look_back",
    "stockkeeper.domain.refused_demand",
    "stockkeeper.domain.lead_time_demand",
    "stockkeeper.domain.many_items",
    "stockkeeper.domain.planning",
}
"""What computes with arrays in the domain."""


def test_the_domain_carries_the_standard_library_only_and_arrays_where_it_plans_many_items() -> None:
    # Importing `stockkeeper` itself loads the client, so an empty package stands in for it.
    alone = "stockkeeper = types.ModuleType('stockkeeper'); stockkeeper.__path__ = ['stockkeeper']"
    modules = set(_modules_of("stockkeeper.domain").split(", "))
    assert modules > PLANS_MANY_ITEMS
    loaded = _loaded_by(
        ", ".join(sorted(modules - PLANS_MANY_ITEMS)),
        f"import types; {alone}; sys.modules['stockkeeper'] = stockkeeper",
    )
    assert "stockkeeper.domain.transfer" in loaded
    others = {"pydantic", "temporalio", "sqlalchemy", "stockkeeper.contracts", "stockkeeper.client"}
    assert loaded & (others | ARRAYS) == set()


def test_a_worker_loads_arrays_when_it_plans_and_not_before() -> None:
    assert _loaded_by("activities.replenishment_plan, activities.page_of_plans") & ARRAYS == set()


def _project() -> dict[str, list[str]]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return {"": project["dependencies"], **project["optional-dependencies"]}


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement)[0] for requirement in requirements}


def test_a_service_needs_temporalio_and_pydantic_and_nothing_else() -> None:
    assert _names(_project()[""]) == {"temporalio", "pydantic"}


def test_what_a_worker_needs_is_in_its_extra() -> None:
    assert {"sqlalchemy", "psycopg", "alembic", "pydantic-settings", "numpy", "scipy"} <= _names(_project()["worker"])


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
