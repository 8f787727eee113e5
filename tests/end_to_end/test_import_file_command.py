"""`stockkeeper import`: one line when it went well, the bad rows when it didn't."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from devstack.stack import StackInfo
from starter.cli.app import app
from tests.support.import_file import Imports, new_name


@pytest.fixture
def environment(stack: StackInfo) -> dict[str, str]:
    """What tells the command where to go."""
    return {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
    }


async def _import(environment: dict[str, str], *arguments: str | Path) -> Result:
    """The command in a thread of its own: it brings its own event loop."""
    run = CliRunner().invoke
    return await asyncio.to_thread(run, app, ["import", *map(str, arguments)], env=environment)


async def test_it_says_what_came_of_it(imports: Imports, environment: dict[str, str]) -> None:
    path = imports.file("name", *(new_name("supplier") for _ in range(1_200)))
    first = await _import(environment, "suppliers", path)
    assert (first.exit_code, first.stdout) == (0, "imported 1,200 suppliers: 1,200 new, 0 updated, 0 unchanged\n")
    again = await _import(environment, "suppliers", path)
    assert (again.exit_code, again.stdout) == (0, "nothing to do: this file was imported before (1,200 suppliers)\n")


async def test_for_programs_it_prints_the_state(imports: Imports, environment: dict[str, str]) -> None:
    name = new_name("supplier")
    path = imports.file("name", name, name="my suppliers.csv")
    result = await _import(environment, "suppliers", path, "--json", "--performed-by", "ada")
    assert result.exit_code == 0
    state = json.loads(result.stdout)
    assert (state["status"], state["inserted"], state["file_name"]) == ("IMPORTED", 1, "my suppliers.csv")
    assert imports.rows(
        """
        SELECT performed_by FROM operations WHERE operation_id LIKE 'import-suppliers-%'
        ORDER BY created_at DESC LIMIT 1
        """
    ) == [("ada",)]


@pytest.mark.parametrize(
    ("lines", "problems", "message"),
    [
        (["name,email", "A,nobody"], [{"line": 2, "column": "email", "message": "must be a mail address"}], "address"),
        (["name", "A", "A"], [{"line": 3, "column": "name", "message": "is the same as on line 2"}], "is the same"),
    ],
)
async def test_a_refusal_is_a_table_and_exit_status_one(
    imports: Imports, environment: dict[str, str], lines: list[str], problems: list[object], message: str
) -> None:
    path = imports.file(*lines)
    result = await _import(environment, "suppliers", path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"refused: {path.name} has 1 error; nothing was imported" in result.stderr
    assert message in result.stderr
    as_json = await _import(environment, "suppliers", path, "--json")
    assert as_json.exit_code == 1
    state = json.loads(as_json.stdout)
    assert (state["status"], state["errors"], state["errors_total"]) == ("REFUSED", problems, 1)


async def test_what_is_no_file_or_no_kind_is_said_in_a_line(imports: Imports, environment: dict[str, str]) -> None:
    missing = await _import(environment, "suppliers", imports.directory / "none.csv")
    assert missing.exit_code == 1
    assert "No such file or directory" in missing.stderr
    assert "Traceback" not in missing.stderr + missing.stdout
    assert (await _import(environment, "orders", imports.file("name", "A"))).exit_code == 2


async def test_many_bad_rows_are_counted(imports: Imports, environment: dict[str, str]) -> None:
    result = await _import(environment, "suppliers", imports.file("name,email", *("A,x" for _ in range(1_500))))
    assert "has 1,500 errors" in result.stderr
    assert "and 1,490 more" in result.stderr
