"""`stockkeeper stock export`: the ledger and the levels as CSV, exactly, whole or not at all."""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine, text

from starter.cli import stock_export
from stockkeeper.client import ledger, questions
from stockkeeper.client.excel_files import excel_rows
from stockkeeper.contracts.errors import Unreachable
from stockkeeper.domain.stock import ItemKey
from tests.support.commands import Command, names
from tests.support.past import Past
from tests.support.shop import Shop

OPENED = datetime(2025, 6, 1, 8, tzinfo=UTC)
HEAD = (
    "movement_id,created_at,sku,warehouse,movement_type,quantity,balance_after,reference_id,performed_by,reason,"
    "operation_id,workflow_id,run_id,lot_number"
)
LEVELS = "sku,warehouse,quantity_on_hand,quantity_reserved,quantity_available,reorder_point"
AWKWARD = 'Tea, "first flush"; 100 g №ü'


@pytest.fixture
def item(shop: Shop, engine: Engine) -> ItemKey:
    """An item with an awkward name, and movements of three days."""
    past = Past(shop)
    item = past.item(OPENED, units=50)
    past.sold(item, *((OPENED + timedelta(days=day), day) for day in (1, 2, 3)))
    query = text("UPDATE products SET sku = sku || :more WHERE product_id = :product_id")
    with engine.begin() as connection:
        connection.execute(query, {"more": AWKWARD, "product_id": item.product_id})
    return item


def files_in(directory: Path) -> dict[str, str]:
    """What is there, and what stands in it."""
    return {each.name: each.read_text() for each in directory.iterdir()}


def rows(printed: str) -> list[dict[str, str]]:
    """What a program reads from it."""
    return list(csv.DictReader(io.StringIO(printed, newline="")))


async def test_movements_are_written_as_they_stand_in_the_ledger(
    command: Command, item: ItemKey, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.ledger.MOVEMENTS_A_PAGE", 2)
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr(stock_export, "err", terminal)
    sku, place = names(engine, item)
    file = tmp_path / "movements.csv"
    done = await command("stock", "export", "movements", str(file), "--warehouse", place)
    assert (done.exit_code, done.stdout) == (0, f"exported 4 movements to {file}\n")
    assert isinstance(terminal.file, io.StringIO)
    assert "movements" in terminal.file.getvalue()
    written = file.read_bytes().decode()
    head, *lines = written.splitlines()
    assert (head, len(lines), written.endswith("\n")) == (HEAD, 4, True)
    read = rows(written)
    with engine.connect() as connection:
        query = text("SELECT movement_id, operation_id FROM stock_movements WHERE warehouse_id = :place ORDER BY 1")
        stored = connection.execute(query, {"place": item.warehouse_id}).all()
    assert [(row["movement_id"], row["operation_id"]) for row in read] == [(str(each[0]), each[1]) for each in stored]
    same = {
        "sku": sku,
        "warehouse": place,
        "reference_id": "the past",
        "performed_by": "tests",
        "reason": "long ago",
        "workflow_id": "test",
        "run_id": "test",
        "lot_number": "",
    }
    for row, (day, kind, units, left) in zip(
        read, [(1, "ADJUSTMENT", 50, 50), (2, "SALE", -1, 49), (3, "SALE", -2, 47), (4, "SALE", -3, 44)], strict=True
    ):
        del row["movement_id"], row["operation_id"]
        assert row == same | {
            "created_at": f"2025-06-0{day}T08:00:00+00:00",
            "movement_type": kind,
            "quantity": str(units),
            "balance_after": str(left),
        }


async def test_a_part_of_the_ledger_goes_to_standard_output(command: Command, item: ItemKey, engine: Engine) -> None:
    sku, place = names(engine, item)
    only = ("--sku", sku, "--warehouse", place, "--since", "2025-06-02T08:00", "--until", "2025-06-04T08:00")
    done = await command("stock", "export", "movements", "-", *only)
    assert (done.exit_code, done.stderr) == (0, "exported 2 movements\n")
    assert [row["quantity"] for row in rows(done.stdout)] == ["-1", "-2"]
    none = await command("stock", "export", "movements", "-", "--sku", sku, "--until", "2025-06-01")
    assert (none.exit_code, none.stdout, none.stderr) == (0, f"{HEAD}\n", "exported 0 movements\n")


@pytest.mark.parametrize("most", [1, 500])
async def test_long_rows_go_on_the_next_page_and_none_is_lost(
    command: Command, item: ItemKey, engine: Engine, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    # A payload may have two million bytes, which a page of long reasons would be above.
    monkeypatch.setattr("activities.ledger.BYTES_A_PAGE", most)
    done = await command("stock", "export", "movements", "-", "--warehouse", names(engine, item)[1])
    assert (done.exit_code, done.stderr) == (0, "exported 4 movements\n")
    assert [row["quantity"] for row in rows(done.stdout)] == ["50", "-1", "-2", "-3"]


async def test_levels_are_written_as_they_are_now(
    command: Command, item: ItemKey, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    other = shop.item(7, warehouse=item.warehouse_id)
    (sku, place), (second, _) = names(engine, item), names(engine, other)
    planned = await command("plan", "set", second, place, "--reorder-point", "12")
    assert planned.exit_code == 0
    file = tmp_path / "levels.csv"
    done = await command("stock", "export", "levels", str(file), "--warehouse", place)
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"exported 2 levels to {file}\n", "")
    quoted = sku.replace('"', '""')
    lines = sorted([f'"{quoted}",{place},44,0,44,', f"{second},{place},7,0,7,12"])
    assert sorted(file.read_bytes().decode().splitlines()[1:]) == lines
    one = await command("stock", "export", "levels", "-", "--sku", second)
    assert (one.stdout, one.stderr) == (f"{LEVELS}\n{second},{place},7,0,7,12\n", "exported 1 levels\n")


async def test_levels_for_another_program_and_as_a_sheet(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item = shop.item(7)
    sku, place = names(engine, item)
    sheet = tmp_path / "levels.xlsx"
    done = await command("stock", "export", "levels", str(sheet), "--warehouse", place, "--format", "erpnext")
    assert (done.exit_code, done.stdout) == (0, f"exported 1 levels to {sheet}\n")
    assert list(excel_rows(sheet)) == [(1, ["Item Code", "Warehouse", "Quantity"]), (2, [sku, place, "7"])]
    refused = await command("stock", "export", "levels", "-", "--format", "woocommerce")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "InvalidRequest: woocommerce has one stock and no warehouses; name one: --warehouse\n"


async def test_an_export_that_breaks_off_leaves_the_file_that_was_there_and_nothing_else(
    command: Command, item: ItemKey, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.ledger.MOVEMENTS_A_PAGE", 2)
    _, place = names(engine, item)
    file, answers = tmp_path / "movements.csv", 0

    async def once(*question: Any) -> Any:
        nonlocal answers
        answers += 1
        if answers > 1:
            raise Unreachable("the worker is gone")
        return await questions.ask(*question)

    monkeypatch.setattr(ledger, "ask", once)
    for before in (None, "yesterday's"):
        answers = 0
        if before:
            file.write_text(before)
        done = await command("stock", "export", "movements", str(file), "--warehouse", place)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", "Unreachable: the worker is gone\n")
        assert files_in(tmp_path) == ({file.name: before} if before else {})


async def test_what_can_not_be_exported_is_said_in_one_line(command: Command, tmp_path: Path) -> None:
    nowhere = tmp_path / "none" / "file.csv"
    cases = {
        ("movements", "-", "--sku", "nothing"): "UnknownProduct: no product is called 'nothing'",
        ("levels", "-", "--sku", "nothing"): "UnknownProduct: no product is called 'nothing'",
        ("levels", str(tmp_path / "l.csv"), "--warehouse", "nowhere"): (
            "UnknownWarehouse: no warehouse is called 'nowhere'"
        ),
        ("movements", str(nowhere)): f"StockkeeperError: {nowhere} can't be written: No such file or directory",
        ("movements", str(tmp_path)): f"StockkeeperError: {tmp_path} can't be written: it isn't a file",
        ("movements", "-", "--until", "then"): (
            "InvalidRequest: --until 'then': must be an instant, such as 2026-11-23T14:30+01:00, 2026-11-23, "
            "now or 2h ago"
        ),
    }
    for arguments, message in cases.items():
        done = await command("stock", "export", *arguments)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{message}\n")
    assert files_in(tmp_path) == {}
