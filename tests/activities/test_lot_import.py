"""Files of tracked products and of their stock by lot."""

from collections.abc import Sequence
from datetime import date

import pytest
from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from activities.import_preview import ImportPreviews
from database.sessions import Database
from stockkeeper.contracts.import_file import ImportKind, encode_row, pack_rows
from stockkeeper.contracts.import_preview import PreviewPage
from stockkeeper.domain.import_file import OPENING_STOCK
from stockkeeper.domain.lot import LotFacts, Tracking
from stockkeeper.domain.stock import ItemKey
from tests.activities.test_import_file import NOON, Loading
from tests.support.books import level, nothing_changes
from tests.support.commands import names
from tests.support.import_file import new_name
from tests.support.lots import bring_lots, lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import refused
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps


def _products(engine: Engine, *skus: str) -> list[tuple[str, int | None, int | None]]:
    query = text(
        "SELECT tracking, minimum_days_left, minimum_days_at_receipt FROM products WHERE sku = ANY (:skus) ORDER BY sku"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"skus": list(skus)})]


def _sku(engine: Engine, product_id: int) -> str:
    with engine.connect() as connection:
        query = text("SELECT sku FROM products WHERE product_id = :product_id")
        return str(connection.execute(query, {"product_id": product_id}).scalar_one())


def _refusal(loading: Loading, rows: int) -> list[tuple[int, str, str]]:
    kind, details = refused(lambda: loading.apply(rows))
    assert kind == "InvalidRequest"
    return [(bad["line"], bad["column"], bad["message"]) for bad in details["errors"]]


def test_a_file_says_which_products_are_tracked(database: Database, engine: Engine) -> None:
    skus = [new_name(f"SKU-{number}") for number in range(3)]
    columns = ["sku", "name", "tracking", "minimum_days_left", "minimum_days_at_receipt"]
    new = Loading(database, "products", *columns)
    new.stage([skus[0], "Milk", "lot", "14", "30"], [skus[1], "Pump", "SERIAL", "", ""], [skus[2], "Mug", "", "", ""])
    assert new.apply(3).inserted == 3
    assert _products(engine, *skus) == [("LOT", 14, 30), ("SERIAL", None, None), ("NONE", None, None)]
    # Without stock it may change.
    other = Loading(database, "products", *columns)
    other.stage([skus[0], "Milk", "NONE", "0", "0"], [skus[1], "Pump", "SERIAL", "", ""])
    applied = other.apply(2)
    assert (applied.updated, applied.unchanged) == (1, 1)
    assert _products(engine, *skus) == [("NONE", 0, 0), ("SERIAL", None, None), ("NONE", None, None)]
    wrong = Loading(database, "products", *columns)
    _, details = refused(lambda: wrong.stage([skus[0], "Milk", "BATCH", "-1", "1.5"]))
    assert [(bad["column"], bad["message"]) for bad in details["errors"]] == [
        ("tracking", "must be NONE, LOT, SERIAL"),
        ("minimum_days_left", "input should be greater than or equal to 0"),
        ("minimum_days_at_receipt", "must be a whole number, such as 12"),
    ]


def test_the_tracking_of_a_product_with_stock_stays_as_it_is(database: Database, shop: Shop, engine: Engine) -> None:
    milk, mug = lot_item(shop, ("A1", None, 5)), shop.item(3)
    skus = [_sku(engine, item.product_id) for item in (milk, mug)]
    columns = ["sku", "tracking", "minimum_days_left"]
    wrong = Loading(database, "products", *columns)
    wrong.stage([skus[0], "SERIAL", "7"], [skus[1], "LOT", "7"])
    advice = "adjust its stock to 0, import this row again, then its stock by lot"
    assert _refusal(wrong, 2) == [
        (2, "tracking", f"has stock, so its tracking stays LOT: {advice}"),
        (3, "tracking", f"has stock, so its tracking stays NONE: {advice}"),
    ]
    assert _products(engine, *skus) == [("LOT", None, None), ("NONE", None, None)]
    bring_lots(engine, milk, ("A1", None, -5))
    again = Loading(database, "products", *columns)
    again.stage([skus[0], "NONE", "7"])
    assert again.apply(1).updated == 1
    assert _products(engine, skus[0]) == [("NONE", 7, None)]


def test_stock_of_a_tracked_product_needs_its_lots(database: Database, shop: Shop, engine: Engine) -> None:
    milk = lot_item(shop, ("A1", None, 5))
    loading = Loading(database, "stock", "product_id", "warehouse_id", "quantity")
    loading.stage([str(milk.product_id), str(milk.warehouse_id), "7"])
    why = "is tracked by lot: name the lot of these units; several lots are several rows"
    kind, details = refused(lambda: loading.apply(1))
    assert (kind, details["errors"]) == ("InvalidRequest", [{"line": 2, "column": "lot_number", "message": why}])
    assert lot_books(engine, milk) == {"A1": (5, 0, 0)}


SOON, LATER = date(2026, 6, 4), date(2026, 7, 1)
COLUMNS = ("product_id", "warehouse_id", "quantity", "lot_number", "expires_on")
Line = tuple[ItemKey, int, str, date | None]


def _file(database: Database, *lines: Line, columns: Sequence[str] = COLUMNS) -> Loading:
    """A file of stock by lot, whose rows are staged."""
    loading = Loading(database, "stock", *columns)
    loading.stage(*(_cells(*line) for line in lines))
    return loading


def _cells(item: ItemKey, units: int, lot: str, day: date | None) -> list[str]:
    return [str(item.product_id), str(item.warehouse_id), str(units), lot, "" if day is None else str(day)]


def _moved(engine: Engine, item: ItemKey) -> list[tuple[str, int, int, str]]:
    query = text("""
        SELECT lot_number, quantity, lot_balance_after, reason FROM stock_movements
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY created_at, movement_id
    """)
    with engine.connect() as connection:
        return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query, item._asdict())]


def test_opening_stock_is_booked_by_lot(database: Database, shop: Shop, engine: Engine) -> None:
    milk, pump = lot_item(shop), lot_item(shop, tracking=Tracking.SERIAL)
    mug = shop.item(0, warehouse=milk.warehouse_id)
    file = _file(
        database,
        *((milk, 5, "A", SOON), (pump, 1, "S1", None), (mug, 4, "", None)),
        *((milk, 3, "B", LATER), (milk, 0, "C", None), (pump, 1, "S2", None)),
    )
    applied = file.apply(6)
    assert (applied.inserted, applied.updated, applied.unchanged, applied.adjustments) == (5, 0, 1, [])
    assert lot_books(engine, milk) == {"A": (5, 0, 0), "B": (3, 0, 0)}
    assert lot_books(engine, pump) == {"S1": (1, 0, 0), "S2": (1, 0, 0)}
    assert (level(engine, milk), level(engine, mug)) == ((8, 0), (4, 0))
    assert _moved(engine, milk) == [("A", 5, 5, OPENING_STOCK), ("B", 3, 3, OPENING_STOCK)]
    # The same file again changes nothing, and neither does one that says the same in other words.
    again = _file(database, (milk, 3, "B", None), (milk, 5, "A", None), (mug, 4, "", None))
    assert again.apply(3).unchanged == 3
    assert (level(engine, milk), level(engine, mug)) == ((8, 0), (4, 0))


def test_differences_are_adjusted_lot_by_lot(database: Database, shop: Shop, engine: Engine) -> None:
    milk = lot_item(shop, ("A", SOON, 5), ("B", LATER, 3))
    file = _file(database, (milk, 4, "A", SOON), (milk, 3, "B", LATER), (milk, 2, "NEW", LATER))
    applied = file.apply(3)
    assert lot_books(engine, milk) == {"A": (5, 0, 0), "B": (3, 0, 0)}
    assert (applied.inserted, applied.updated, applied.unchanged) == (0, 2, 1)
    [wanted] = applied.adjustments
    assert wanted.warehouse_id == milk.warehouse_id
    assert (wanted.lines, wanted.lots) == (
        [(milk.product_id, -1), (milk.product_id, 2)],
        [("A", SOON), ("NEW", LATER)],
    )


def test_differences_that_are_too_long_for_one_answer_are_refused(
    database: Database, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    milk, cream = lot_item(shop, ("A" * 60, SOON, 5)), lot_item(shop)
    file = _file(database, (milk, 4, "A" * 60, SOON), (cream, 2, "B", LATER))
    monkeypatch.setattr("activities.import_stock._MOST_BYTES", 150)
    kind, _ = refused(lambda: file.apply(2))
    assert kind == "InvalidRequest"
    # Neither has opening stock been booked.
    assert (lot_books(engine, milk), lot_books(engine, cream)) == ({"A" * 60: (5, 0, 0)}, {})


def test_a_row_is_skipped_as_long_as_an_adjustment_of_its_lot_waits(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    milk, order = lot_item(shop, ("A", SOON, 5), ("B", LATER, 3)), new_reference()
    # All of both lots, so that the hold gets no other units for those that are missing.
    steps.reserve(order, (milk, 8))
    number = new_reference("a")
    AdjustmentCalls(database).submit(number, (milk, -2), lots=[LotFacts("A")])
    columns = (*COLUMNS, "expected_quantity")
    rows = [[*_cells(milk, 3, "A", SOON), "5"], [*_cells(milk, 1, "B", LATER), "3"]]
    file = Loading(database, "stock", *columns)
    file.stage(*rows)
    applied = file.apply(2)
    assert lot_books(engine, milk) == {"A": (5, 5, 0), "B": (3, 3, 0)}
    assert [(row.line, row.message) for row in applied.skipped] == [
        (2, f"skipped: adjustment {number} of it waits for approval; decide it, and send the file again")
    ]
    assert applied.adjustments[0].lots == [("B", LATER)]


def test_what_a_file_says_wrong_of_lots_is_refused_by_row(database: Database, shop: Shop, engine: Engine) -> None:
    milk = lot_item(shop, ("A", SOON, 5))
    pump = lot_item(shop, ("S1", None, 1), tracking=Tracking.SERIAL)
    other = ItemKey(milk.warehouse_id, pump.product_id)
    mug = shop.item(0, warehouse=milk.warehouse_id)
    _, place = names(engine, pump)
    look = "look at the package"
    wrong: list[tuple[Line, str, str]] = [
        (
            (milk, 5, "", None),
            "lot_number",
            "is tracked by lot: name the lot of these units; several lots are several rows",
        ),
        (
            (pump, 1, "", None),
            "lot_number",
            "is tracked by serial number: name the number of the unit; several units are several rows",
        ),
        ((mug, 5, "A", None), "lot_number", "isn't tracked by lot or serial number: leave the lot out"),
        ((pump, 2, "S9", None), "quantity", "serial number S9 is of one unit, not of 2"),
        ((other, 1, "S1", None), "lot_number", f"serial number S1 is on hand in {place} already: look at the unit"),
        ((milk, 5, "A", LATER), "expires_on", f"lot A expires on {SOON}, not {LATER}: {look}"),
        ((milk, 5, "a", None), "lot_number", "differs by upper and lower case alone from lot A: write it as it is"),
    ]
    file = _file(database, *(line for line, _, _ in wrong))
    expected = sorted((line, column, message) for line, (_, column, message) in enumerate(wrong, 2))
    # The last one differs from the first of them as well.
    expected.append((8, "lot_number", "differs by upper and lower case alone from the lot on line 7"))
    with nothing_changes(engine, milk, pump, mug):
        assert sorted(_refusal(file, len(wrong))) == sorted(expected)


def test_rows_of_one_file_agree_about_their_lots(database: Database, shop: Shop, engine: Engine) -> None:
    milk, mug = lot_item(shop), shop.item(0)
    pump = lot_item(shop, tracking=Tracking.SERIAL)
    there = [ItemKey(mug.warehouse_id, item.product_id) for item in (milk, pump)]
    lines: list[Line] = [
        *((milk, 5, "A", SOON), (milk, 2, "A", SOON), (there[0], 2, "A", LATER), (there[0], 1, "a", None)),
        *((pump, 1, "S1", None), (there[1], 1, "S1", None), (mug, 1, "", SOON)),
    ]
    file = _file(database, *lines)
    with nothing_changes(engine, milk, pump, mug):
        assert sorted(_refusal(file, len(lines)), key=lambda row: row[:2]) == [
            (3, None, "is the same as on line 2"),
            (4, "expires_on", "isn't the day on line 2, of the same lot: look at the package"),
            (5, "lot_number", "differs by upper and lower case alone from the lot on line 2"),
            (7, "lot_number", "serial number S1 is on one unit, and on line 6"),
            (8, "expires_on", "is the day of a lot: name the lot"),
        ]
    unread = Loading(database, "stock", *COLUMNS)
    kind, details = refused(lambda: unread.stage(["1", "1", "1", "L" * 61, "31.12.2026"]))
    assert (kind, [(bad["column"], bad["message"]) for bad in details["errors"]]) == (
        "InvalidRequest",
        [
            ("lot_number", "string should have at most 60 characters"),
            ("expires_on", "must be a day, such as 2026-11-23"),
        ],
    )


def test_a_look_says_what_the_import_would_of_lots(database: Database, shop: Shop, engine: Engine) -> None:
    milk, other = lot_item(shop, ("A", SOON, 5)), lot_item(shop)
    cells = [_cells(milk, 4, "A", None), _cells(other, 3, "N", LATER), _cells(milk, 1, "", None)]
    question = PreviewPage(
        kind=ImportKind.STOCK,
        digest="0f5b8c1d2e3a4b5c",
        columns=list(COLUMNS),
        rows=pack_rows([encode_row(line, row) for line, row in enumerate(cells, 2)]),
        as_of=NOON,
    )
    with nothing_changes(engine, milk, other):
        page = ActivityEnvironment().run(ImportPreviews(database).preview_import, question)
    assert [(each.line, each.column) for each in page.problems] == [(4, "lot_number")]
    assert [(each.line, each.what, each.before, each.after) for each in page.changes] == [
        (2, "adjusted", "5", "4"),
        (3, "opened", "0", "3"),
    ]
    assert page.changes[0].key.endswith(", A")
