"""Suppliers and their terms as files: what was exported is taken back by an import, and changes nothing."""

import csv
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from activities import supply as supply_steps
from activities.import_preview import ImportPreviews
from activities.supply import SupplyQuestions
from database.sessions import Database
from stockkeeper.contracts.import_file import encode_row, pack_rows
from stockkeeper.contracts.import_preview import PreviewPage
from stockkeeper.contracts.import_rows import BadRow, read_rows
from stockkeeper.contracts.supply import ExportSupply
from stockkeeper.domain.import_file import ImportKind
from tests.activities.test_import_file import NOON, Loading
from tests.support.import_file import new_name
from tests.support.purchase_order_rows import supplier_name
from tests.support.replenishment_rows import supply
from tests.support.shop import Shop

SUPPLIERS = ["name", "email", "review_days", "minimum_order_value", "joint_orders", "line_cost"]
SOLD = [
    *("sku", "supplier", "is_preferred", "unit_cost", "lead_time_days", "lead_time_deviation_days"),
    *("minimum_order_quantity", "pack_size", "price_breaks", "minimum_days_at_receipt"),
]


def _exported(database: Database, file: str) -> list[dict[str, str]]:
    """All rows of a file, page after page."""
    asked, lines = ExportSupply.model_validate({"file": file}), list[str]()
    while True:
        page = ActivityEnvironment().run(SupplyQuestions(database).export_supply, asked)
        lines += page.rows
        if not page.more:
            return [dict(zip(page.columns, row, strict=True)) for row in csv.reader(lines)]
        asked = asked.model_copy(update={"after": page.after})


def _take(database: Database, kind: str, columns: list[str], *rows: list[str]) -> tuple[int, int, int]:
    """How many rows of a file are new, updated and unchanged."""
    loading = Loading(database, kind, *columns)
    loading.stage(*rows)
    applied = loading.apply(len(rows))
    return applied.inserted, applied.updated, applied.unchanged


@pytest.fixture
def terms(engine: Engine) -> Callable[[str], Any]:
    """A supplier's row."""

    def read(name: str) -> Any:
        with engine.connect() as connection:
            return connection.execute(text("SELECT * FROM suppliers WHERE name = :name"), {"name": name}).one()

    return read


def test_how_a_supplier_takes_orders_comes_by_a_file_and_goes_by_one(
    database: Database, terms: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supply_steps, "SUPPLY_AT_ONCE", 3)
    name, plain = new_name("Weser"), new_name("Elbe")
    given = [name, "o@weser.example", "Fridays and Tuesdays", "250.00", "yes", "4.50"]
    assert _take(database, "suppliers", SUPPLIERS, given, [plain, "", "", "", "no", ""]) == (2, 0, 0)
    row = terms(name)
    assert (row.review_days, str(row.minimum_order_value), row.joint_orders) == ("tue,fri", "250.000000", True)
    ours = [row for row in _exported(database, "suppliers") if row["name"] in (name, plain)]
    assert ours == [
        dict(zip(SUPPLIERS, [name, "o@weser.example", "tue,fri", "250", "yes", "4.5"], strict=True)),
        dict(zip(SUPPLIERS, [plain, "", "", "", "no", ""], strict=True)),
    ]
    assert _take(database, "suppliers", SUPPLIERS, *([*row.values()] for row in ours)) == (0, 0, 2)
    # A file from before knows nothing of it, and leaves it as it is.
    assert _take(database, "suppliers", ["name", "email"], [name, "new@weser.example"]) == (0, 1, 0)
    assert terms(name).review_days == "tue,fri"
    assert _take(database, "suppliers", ["name", "review_days"], [name, ""]) == (0, 1, 0)
    assert terms(name).review_days is None


def test_terms_of_a_product_come_by_a_file_and_go_by_one(database: Database, shop: Shop, engine: Engine) -> None:
    items, supplier = shop.items(2, units=0), shop.supplier()
    supply(engine, items[0], supplier, unit_cost="3.10", lead_time_days="7.5", minimum=36, pack=6)
    skus, name = _skus(engine, *(item.product_id for item in items)), supplier_name(engine, supplier)
    given = [skus[items[1].product_id], name, "yes", "2", "7", "", "1", "1", "100:1.90 500:1.7", "30"]
    assert _take(database, "product-suppliers", SOLD, given) == (1, 0, 0)
    ours = [row for row in _exported(database, "product-suppliers") if row["supplier"] == name]
    assert [list(row.values()) for row in ours] == [
        [skus[items[0].product_id], name, "no", "3.1", "7.5", "", "36", "6", "", ""],
        [skus[items[1].product_id], name, "yes", "2", "7", "", "1", "1", "100:1.9 500:1.7", "30"],
    ]
    assert _take(database, "product-suppliers", SOLD, *([*row.values()] for row in ours)) == (0, 0, 2)
    only = ["sku", "supplier", "price_breaks"]
    assert _take(database, "product-suppliers", only, [given[0], given[1], ""]) == (0, 1, 0)


def test_a_look_at_a_file_shows_price_breaks_as_the_file_has_them(
    database: Database, shop: Shop, engine: Engine
) -> None:
    plain, broken, same = shop.items(3, units=0)
    supplier = shop.supplier()
    skus, name = _skus(engine, *(each.product_id for each in (plain, broken, same))), supplier_name(engine, supplier)
    rows = [
        (skus[item.product_id], breaks)
        for item, breaks in ((plain, "100:2.90 500:2.70"), (broken, ""), (same, "100:2.90"))
    ]
    for item in (plain, broken, same):
        supply(engine, item, supplier, unit_cost="3.10", lead_time_days="7")
    columns = ["sku", "supplier", "price_breaks"]
    given = [
        [rows[1][0], name, " ".join(f"{units}00:1.234567" for units in range(1, 9))],
        [rows[2][0], name, "100:2.9"],
    ]
    assert _take(database, "product-suppliers", columns, *given) == (0, 2, 0)
    question = PreviewPage(
        kind=ImportKind.PRODUCT_SUPPLIERS,
        digest="0" * 16,
        columns=columns,
        rows=pack_rows([encode_row(line, [sku, name, breaks]) for line, (sku, breaks) in enumerate(rows, 2)]),
        as_of=NOON,
    )
    before = _exported(database, "product-suppliers")
    seen = ActivityEnvironment().run(ImportPreviews(database).preview_import, question)
    assert (seen.rows, seen.updated, seen.unchanged, seen.problems) == (3, 2, 1, [])
    # Of a long cell its beginning.
    long = "100:1.234567 200:1.234567 300:1.234567 400:1.234567 500:1.234567 600:1.234567 70"
    assert [(each.line, each.column, each.before, each.after) for each in seen.changes] == [
        (2, "price_breaks", None, "100:2.9 500:2.7"),
        (3, "price_breaks", long, None),
    ]
    assert _exported(database, "product-suppliers") == before


def _skus(engine: Engine, *product_ids: int) -> dict[int, str]:
    query = text("SELECT product_id, sku FROM products WHERE product_id = ANY (:ids)")
    with engine.connect() as connection:
        return {row.product_id: row.sku for row in connection.execute(query, {"ids": list(product_ids)})}


@pytest.mark.parametrize(
    ("kind", "column", "cell", "problem"),
    [
        ("suppliers", "review_days", "tue-fri", "must be weekdays, such as tue or tue,fri"),
        ("suppliers", "minimum_order_value", "-1", "input should be greater than or equal to 0"),
        ("suppliers", "joint_orders", "maybe", "must be true or false, yes or no, 1 or 0"),
        ("suppliers", "line_cost", "4,50", "must be a decimal number, such as 12.50"),
        ("product-suppliers", "price_breaks", "100", "must be units and unit cost, such as 100:2.90 500:2.70"),
        ("product-suppliers", "price_breaks", "100:2,90", "must be units and unit cost, such as 100:2.90 500:2.70"),
        ("product-suppliers", "price_breaks", "0:1", "input should be greater than 0"),
        ("product-suppliers", "price_breaks", "1:1", "the units must rise, and begin with 2 or more"),
        ("product-suppliers", "price_breaks", "9:1 9:2", "the units must rise, and begin with 2 or more"),
        ("product-suppliers", "price_breaks", "9:1.1234567", "decimal input should have no more than 6 decimal places"),
    ],
)
def test_what_is_none_of_it_is_a_bad_row(kind: str, column: str, cell: str, problem: str) -> None:
    named, whose = (["name"], ["Weser"]) if kind == "suppliers" else ([], [])
    assert read_rows(ImportKind(kind), [*named, column], [(2, [*whose, cell])]) == ([], [BadRow(2, column, problem)])
