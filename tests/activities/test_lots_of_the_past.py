"""Lots in what is read of the past: the stock at an instant, the history and the export of movements."""

import csv
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine, text

from activities import ledger as questions
from activities.ledger import LedgerQuestions
from database.sessions import Database
from stockkeeper.contracts.ledger import (
    EFFECTIVE_COLUMN,
    LOT_COLUMN,
    MOVEMENT_COLUMNS,
    ExportMovements,
    LotThen,
    ShowHistory,
    ShowLotsAt,
)
from stockkeeper.contracts.question import SHOW_LOTS_AT
from tests.support.lots import bring_lots, lot_item
from tests.support.shop import Shop

LAST_DAY = date(2150, 3, 31)


@pytest.fixture
def asking(database: Database) -> LedgerQuestions:
    return LedgerQuestions(database)


def _now(engine: Engine) -> datetime:
    with engine.connect() as connection:
        found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)


def _then(asking: LedgerQuestions, as_of: datetime, warehouse: int) -> list[list[tuple[str | None, int]]]:
    """Lots with their units, page by page."""
    asked, pages = ShowLotsAt(as_of=as_of, warehouse=f"id:{warehouse}"), []
    while True:
        page = asking.show_lots_at(ShowLotsAt.model_validate_json(asked.model_dump_json()))
        pages.append([_line(lot) for lot in page.lots])
        if not page.more:
            return pages
        asked = asked.model_copy(update={"after": SHOW_LOTS_AT.place(page.lots[-1])})


def _line(lot: LotThen) -> tuple[str | None, int]:
    assert lot.expires_on == (LAST_DAY if lot.lot_number == "A" else None)
    return lot.lot_number, lot.quantity_on_hand


def test_stock_at_an_instant_by_lot(
    asking: LedgerQuestions, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    untracked = shop.item(4)
    item = lot_item(shop, ("A", LAST_DAY, 2), ("B", None, 5), warehouse=untracked.warehouse_id)
    opened = _now(engine)
    bring_lots(engine, item, ("A", None, -2), ("C", None, 1))
    here = item.warehouse_id
    whole = [line for page in _then(asking, opened, here) for line in page]
    assert sorted(whole, key=str) == [("A", 2), ("B", 5), (None, 4)]
    monkeypatch.setattr(questions, "LEVELS_A_PAGE", 1)
    assert _then(asking, opened, here) == [[line] for line in whole]
    later = [line for page in _then(asking, _now(engine), here) for line in page]
    assert sorted(later, key=str) == [("B", 5), ("C", 1), (None, 4)]


def test_movements_name_their_lot(asking: LedgerQuestions, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("A", LAST_DAY, 2), ("B", None, 5))
    bring_lots(engine, item, ("A", None, -1))
    product, warehouse = f"id:{item.product_id}", f"id:{item.warehouse_id}"
    moved = asking.show_history(ShowHistory(product=product, warehouse=warehouse)).movements
    assert [(each.lot_number, each.quantity, each.lot_balance_after, each.balance_after) for each in moved] == [
        ("A", -1, 1, 6),
        ("B", 5, 5, 7),
        ("A", 2, 2, 2),
    ]
    for effective in (False, True):
        columns = [*MOVEMENT_COLUMNS, *([EFFECTIVE_COLUMN] if effective else []), LOT_COLUMN]
        page = asking.export_movements(ExportMovements(product=product, warehouse=warehouse, effective_time=effective))
        rows = list(csv.DictReader(page.rows, columns))
        assert [row[LOT_COLUMN] for row in rows] == ["A", "B", "A"]
        assert [row.get(EFFECTIVE_COLUMN) == row["created_at"] for row in rows] == [effective] * 3


def test_what_is_not_tracked_has_no_lot(asking: LedgerQuestions, shop: Shop) -> None:
    item = shop.item(3)
    product, warehouse = f"id:{item.product_id}", f"id:{item.warehouse_id}"
    [moved] = asking.show_history(ShowHistory(product=product, warehouse=warehouse)).movements
    assert not {"lot_number", "lot_balance_after"} & moved.model_dump().keys()
    [row] = asking.export_movements(ExportMovements(product=product)).rows
    assert row.endswith(",test,")
