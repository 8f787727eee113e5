"""Items of products that are tracked by lot, with lots on their shelf, and what the books say of them."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, text, update

from database import holds, ledger, tables
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
from stockkeeper.contracts.reservation import FulfillLine, Holding
from stockkeeper.domain.lot import LotFacts, StockState, Tracking
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.folding import tell_again
from tests.support.shop import Shop

TODAY = date(2026, 6, 1)
"""The day of `tests.support.steps.activity.NOON` in UTC."""

LotBooks = tuple[int, int, int]
"""Units of a lot on hand, reserved and unavailable."""


def track(
    engine: Engine, product: int, tracking: Tracking = Tracking.LOT, *, minimum_days_left: int | None = None
) -> None:
    """Let a product without stock be tracked."""
    values = {"tracking": str(tracking), "minimum_days_left": minimum_days_left}
    with engine.begin() as connection:
        connection.execute(update(tables.products).where(tables.products.c.product_id == product).values(values))


class LotShop(Shop):
    """Makes what a test sells, also with lots."""

    def lots(self, product: int, warehouse: int, lots: Sequence[tuple[str, date | None, int]]) -> ItemKey:
        """A new item of a product without stock, which is tracked from now on, with these lots."""
        self.track(product)
        return lot_item(self, *lots, product=product, warehouse=warehouse)

    def track(self, product: int) -> None:
        """Let a product without stock be tracked by lot, unless it is."""
        track(self.engine, product)


def lot_item(
    shop: Shop,
    *lots: tuple[str, date | None, int],
    tracking: Tracking = Tracking.LOT,
    minimum_days_left: int | None = None,
    product: int | None = None,
    warehouse: int | None = None,
) -> ItemKey:
    """An item of a new product with these lots on hand: number, last day, units."""
    if product is None:
        product = shop.product()
        track(shop.engine, product, tracking, minimum_days_left=minimum_days_left)
    item = shop.item(0, product=product, warehouse=warehouse)
    bring_lots(shop.engine, item, *lots)
    return item


def bring_lots(engine: Engine, item: ItemKey, *lots: tuple[str, date | None, int]) -> None:
    """Units of these lots come; negative ones go."""
    operation = Operation(f"test/{uuid.uuid4()}", "adjust", {}, "tests", "test", "test", as_of=datetime.now(UTC))
    wants = Wants(arriving=[item], lots=[(item.product_id, number) for number, _, _ in lots], moves=True)
    with engine.begin() as connection, locked_stock(connection, wants, operation) as stock:
        stock.take_in_lots(operation, [(item, LotFacts(number, day)) for number, day, _ in lots])
        moving = [Moving(item, units, number) for number, _, units in lots]
        ledger.move_units(stock, operation, MovementType.ADJUSTMENT, moving, reference_id="opening", reason="stock")


def lose(engine: Engine, item: ItemKey, lot_number: str, units: int, as_of: datetime) -> None:
    """Units of a lot are missing: their holders get other lots, or give way."""
    operation = Operation(f"test/{uuid.uuid4()}", "correct", {}, "carl", "test", "test", as_of=as_of)
    wants = Wants(items=[item], moves=True, as_of=as_of)
    with engine.begin() as connection, locked_stock(connection, wants, operation) as stock:
        holds.give_up_lot(stock, operation, item, lot_number, units, reason="a shelf fell", as_of=as_of, document="C-1")
        gone = [Moving(item, -units, lot_number)]
        ledger.move_units(stock, operation, MovementType.ADJUSTMENT, gone, reference_id="C-1", reason="a shelf fell")


def set_aside(engine: Engine, item: ItemKey, lot_number: str, units: int) -> None:
    """Set units of a lot aside, because they are damaged."""
    operation = Operation(f"test/{uuid.uuid4()}", "set_aside", {}, "tests", "test", "test", as_of=datetime.now(UTC))
    with engine.begin() as connection, locked_stock(connection, Wants(items=[item]), operation) as stock:
        there = stock.items[item]
        ledger.set_aside(stock, there, there.lots[lot_number], StockState.DAMAGED, units)


def ask_days_at_receipt(engine: Engine, product: int, days: int | None, *, supplier: int | None = None) -> None:
    """Ask for days that lots must have left when they come: of any supplier, or as agreed with this one."""
    if supplier is None:
        change = update(tables.products).where(tables.products.c.product_id == product)
    else:
        terms = tables.product_suppliers.c
        change = update(tables.product_suppliers).where(terms.product_id == product, terms.supplier_id == supplier)
    with engine.begin() as connection:
        assert connection.execute(change.values(minimum_days_at_receipt=days)).rowcount == 1


def set_status(engine: Engine, item: ItemKey, lot_number: str, status: str) -> None:
    """Change a lot's status in its row, and nothing else."""
    statement = text("""
        UPDATE lots SET status = :status, status_reason = 'test', status_since = now(), status_by = 'tests'
        WHERE (product_id, lot_number) = (:product_id, :lot_number)
    """)
    with engine.begin() as connection:
        connection.execute(statement, {"product_id": item.product_id, "lot_number": lot_number, "status": status})
        tell_again(connection, item.warehouse_id)


def came(engine: Engine, item: ItemKey, supplier_id: int, at: datetime) -> None:
    """Let all lots of the item have come from this supplier, at this instant."""
    statement = text("UPDATE lots SET supplier_id = :supplier_id, created_at = :at WHERE product_id = :product_id")
    with engine.begin() as connection:
        connection.execute(statement, {"supplier_id": supplier_id, "at": at, "product_id": item.product_id})


def lot_books(engine: Engine, item: ItemKey) -> dict[str, LotBooks]:
    """What the books say of an item's lots, those with no units left out."""
    statement = text("""
        SELECT lot_number, quantity_on_hand, quantity_reserved, quantity_unavailable FROM lot_items
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND quantity_on_hand > 0 ORDER BY lot_number
    """)
    with engine.connect() as connection:
        return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(statement, item._asdict())}


def lots_of(holding: Holding, line: int = 0) -> list[tuple[str, int]]:
    """The lots of a line of a reservation, with their units."""
    return [(lot.lot_number, lot.quantity) for lot in holding.lines[line].lots]


def of_lots(item: ItemKey, **units: int) -> list[FulfillLine]:
    """The line of a shipment that says which lots were picked."""
    lots: list[dict[str, Any]] = [{"lot_number": number, "quantity": each} for number, each in units.items()]
    line = {"product_id": item.product_id, "quantity": sum(units.values()), "lots": lots}
    return [FulfillLine.model_validate(line)]
