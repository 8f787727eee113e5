"""A look at a file before its import: what would change, every bad row, and nothing changes."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from devstack.stack import StackInfo
from starter.cli.app import app
from stockkeeper import Connection, Stockkeeper
from stockkeeper.client.import_preview import ImportPreview
from stockkeeper.contracts.errors import InvalidRequest
from tests.support.import_file import Imports, new_name, problems_of

Change = tuple[int, str, str, str | None, str | None, str | None]


async def _seen(imports: Imports, kind: str, *lines: str) -> ImportPreview:
    """What these lines would change, after which nothing at all has changed."""
    before = imports.everything()
    stock = Stockkeeper(Connection(imports.client, imports.task_queue))
    seen = await stock.preview_file(kind, imports.file(*lines))
    assert imports.everything() == before
    return seen


def _counts(seen: ImportPreview) -> tuple[int, int, int, int, int]:
    return seen.rows, seen.inserted, seen.updated, seen.unchanged, seen.skipped


def _changes(seen: ImportPreview) -> list[Change]:
    return [(each.line, each.what, each.key, each.column, each.before, each.after) for each in seen.changes]


async def test_what_a_file_of_products_would_change_is_shown(imports: Imports) -> None:
    known, same, new = new_name("known"), new_name("same"), new_name("new")
    await imports.send("products", "sku,name,unit_price", f"{known},Mug,4.20", f"{same},Cup,1")
    seen = await _seen(imports, "products", "sku,name,unit_price", f"{known},Mug,5", f"{same},Cup,1.0", f"{new},Pot,")
    assert (_counts(seen), seen.problems, seen.changes_total) == ((3, 1, 1, 1, 0), [], 2)
    assert _changes(seen) == [
        (2, "updated", known, "unit_price", "4.200000", "5.000000"),
        (4, "new", new, None, None, None),
    ]


async def test_what_a_stock_file_would_do_is_shown(imports: Imports) -> None:
    tea, mug, pot, place = (new_name(name) for name in ("tea", "mug", "pot", "place"))
    await imports.send("products", "sku,name", *(f"{sku},Product" for sku in (tea, mug, pot)))
    await imports.send("warehouses", "name", place)
    await imports.send("stock", "sku,warehouse,quantity", f"{tea},{place},5", f"{mug},{place},5")
    header = "sku,warehouse,quantity,expected_quantity"
    seen = await _seen(imports, "stock", header, f"{tea},{place},7,5", f"{mug},{place},7,6", f"{pot},{place},3,")
    assert (_counts(seen), seen.problems) == ((3, 1, 1, 0, 1), [])
    assert _changes(seen) == [
        (2, "adjusted", f"{tea}, {place}", "quantity", "5", "7"),
        (3, "skipped", f"{mug}, {place}", "quantity", "5", "7"),
        (4, "opened", f"{pot}, {place}", "quantity", "0", "3"),
    ]


async def test_every_bad_row_of_every_kind_is_named_at_once(imports: Imports) -> None:
    sku, place = new_name("sku"), new_name("place")
    await imports.send("products", "sku,name", f"{sku},Product")
    await imports.send("warehouses", "name", place)
    lines = [
        "sku;warehouse;quantity",
        f"{sku};{place};1.234",
        f"none;{place};5",
        f"{sku};{place};x",
        f"{sku};{place}",
        f"{sku};nowhere;7",
        f"{sku};{place};7",
    ]
    found = [
        (2, "quantity", "1.234 has a thousands separator; write 1234"),
        (3, "sku", "there is no product none"),
        (4, "quantity", "must be a whole number, such as 12"),
        (5, None, "has 2 cells, the header has 3"),
        (6, "warehouse", "there is no warehouse nowhere"),
        (7, None, "is the same as on line 2"),
    ]
    seen = await _seen(imports, "stock", *lines)
    assert [(bad.line, bad.column, bad.message) for bad in seen.problems] == found
    assert seen.problems_total == 6
    # The import itself names them, too.
    with pytest.raises(InvalidRequest) as refused:
        await imports.send("stock", *lines)
    assert (problems_of(refused.value), refused.value.details["errors_total"]) == (found, 6)


async def test_on_the_command_line(imports: Imports, stack: StackInfo) -> None:
    environment = {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "STOCKKEEPER_TASK_QUEUE": stack.task_queue,
    }

    async def look(*arguments: str) -> tuple[int, str, str]:
        run = CliRunner().invoke
        result = await asyncio.to_thread(run, app, ["import", *arguments, "--dry-run"], env=environment)
        return result.exit_code, result.stdout, result.stderr

    name = new_name("supplier")
    right = str(imports.file("Name;Fax", f"{name};1"))
    before = imports.everything()
    code, told, noted = await look("suppliers", right)
    assert (code, told.splitlines()[0]) == (
        0,
        "would import 1 supplier: 1 new, 0 updated, 0 unchanged; nothing was changed",
    )
    assert told.splitlines()[-1].split() == ["2", "new", name]
    assert noted.splitlines() == ["read with semicolons between the cells", "ignored columns: Fax"]
    code, told, _ = await look("suppliers", right, "--json")
    assert (code, json.loads(told)["inserted"]) == (0, 1)
    wrong = imports.file("name,email", "A,nobody")
    code, told, noted = await look("suppliers", str(wrong))
    assert (code, told) == (1, "")
    assert f"{wrong.name} has 1 error; nothing was imported" in noted
    assert imports.everything() == before
