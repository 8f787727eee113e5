"""Units that are set aside, and what the books say of them."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Engine, text

from database import set_aside as units_aside
from database.corrections import Correction
from database.locked_stock import LockedStock
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.stock import ItemKey
from tests.support.steps.activity import NOON

R = TypeVar("R")

SUSPECTED = "a jar was found open"


def set_aside(
    engine: Engine,
    item: ItemKey,
    units: int,
    lot_number: str | None = None,
    *,
    state: StockState = StockState.QUARANTINE,
    held_too: bool = False,
    as_of: datetime = NOON,
) -> Correction:
    """Set units aside, by what every process that does so does it with."""
    return _with(
        engine,
        item,
        lambda stock, operation: units_aside.set_aside(
            stock,
            operation,
            state,
            [Moving(item, units, lot_number)],
            held_too=held_too,
            reason=SUSPECTED,
            as_of=as_of,
            document="IN-1",
        ),
    )


def release(
    engine: Engine, item: ItemKey, units: int, lot_number: str | None = None, state: StockState = StockState.QUARANTINE
) -> None:
    """Make units available again."""
    _with(engine, item, lambda stock, _: units_aside.release(stock, state, [Moving(item, units, lot_number)]))


def scrap(
    engine: Engine, item: ItemKey, units: int, lot_number: str | None = None, state: StockState = StockState.QUARANTINE
) -> None:
    """Take units off the books."""
    _with(
        engine,
        item,
        lambda stock, operation: units_aside.scrap(
            stock, operation, state, [Moving(item, units, lot_number)], reference_id="IN-1", reason="spoiled"
        ),
    )


def _with(engine: Engine, item: ItemKey, decide: Callable[[LockedStock, Operation], R]) -> R:
    operation = Operation(f"test/{uuid.uuid4()}", "inspect", {}, "carl", "test", "test", as_of=NOON)
    with (
        engine.begin() as connection,
        locked_stock(connection, Wants(items=[item], moves=True, as_of=NOON), operation) as stock,
    ):
        return decide(stock, operation)


_AVAILABLE = text("""
    SELECT quantity_on_hand, quantity_reserved, quantity_unavailable, quantity_available FROM inventory_items
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")
_STATES = text("""
    SELECT lot_number, state, quantity FROM unavailable_stock
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND quantity > 0 ORDER BY lot_number, state
""")


def levels(engine: Engine, item: ItemKey) -> tuple[int, int, int, int]:
    """Units on hand, reserved, unavailable and available."""
    with engine.connect() as connection:
        row = connection.execute(_AVAILABLE, item._asdict()).one()
    return row[0], row[1], row[2], row[3]


def states(engine: Engine, item: ItemKey) -> list[tuple[str, str, int]]:
    """Units that are set aside, by lot and state."""
    with engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(_STATES, item._asdict())]
