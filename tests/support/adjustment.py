"""Somebody who puts the books right, as a foreign service: a Temporal client, the contract, and plain JSON."""

from sqlalchemy import Engine, text, update

from database.tables import products
from stockkeeper.domain.stock import ItemKey
from tests.support import rows
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json


def changed(item: ItemKey, quantity: int) -> dict[str, Json]:
    """A line of an adjustment."""
    return {"product_id": item.product_id, "quantity": quantity}


def approval(approver: str = "ann", note: str | None = "fine") -> dict[str, Json]:
    """An approval."""
    return {"approver": approver, "note": note}


def rejection(approver: str = "ann", reason: str = "count again") -> dict[str, Json]:
    """A rejection."""
    return {"approver": approver, "reason": reason}


def cancellation(reason: str = "found them") -> dict[str, Json]:
    """It isn't wanted any more."""
    return {"performed_by": "tom", "reason": reason}


def adjustment(number: str, warehouse_id: int, *lines: Json, **other: Json) -> dict[str, Json]:
    """An adjustment's start."""
    return {
        "adjustment_number": number,
        "warehouse_id": warehouse_id,
        "lines": list(lines),
        "reason": "broken in the rain",
        "performed_by": "tom",
    } | other


class Adjusting(Caller):
    """Their side of adjustments."""

    workflow_type = "AdjustmentWorkflow"
    prefix = "adjustment-"
    answer_to_start = "submitted"

    async def adjust(self, number: str, *lines: tuple[ItemKey, int], **other: Json) -> Json:
        """Start, and the state once it is posted or waits. All items are in the warehouse of the first."""
        wanted = [changed(item, units) for item, units in lines]
        return await self.ask_raw(number, [adjustment(number, lines[0][0].warehouse_id, *wanted, **other)])

    async def approve(self, number: str, approver: str = "ann", note: str | None = "fine") -> Json:
        """Somebody agrees."""
        return await self.update(number, "approve", approval(approver, note))

    async def reject(self, number: str, approver: str = "ann", reason: str = "count again") -> Json:
        """Somebody doesn't."""
        return await self.update(number, "reject", rejection(approver, reason))

    async def cancel(self, number: str, reason: str = "found them") -> Json:
        """It isn't wanted any more."""
        return await self.update(number, "cancel", cancellation(reason))


def priced(shop: Shop, unit_cost: str | None, *, is_active: bool = True) -> int:
    """A new product's id; one costs so much, or nobody knows."""
    product = shop.product(is_active=is_active)
    with shop.engine.begin() as connection:
        connection.execute(update(products).where(products.c.product_id == product).values(unit_cost=unit_cost))
    return product


async def pending(adjusting: Adjusting, shop: Shop, units: int = 12, taken_off: int = 10) -> tuple[str, ItemKey]:
    """The number of a new adjustment that waits for approval: of so many units of 100.00 each, some are broken."""
    item, number = shop.item(units, product=priced(shop, "100.00")), new_reference("a")
    state = await adjusting.adjust(number, (item, -taken_off))
    assert (state["status"], state["needs_approval"]) == ("PENDING", True)
    return number, item


_ROW = rows.DocumentRow("adjustments", "adjustment_number")
stored = _ROW.stored
"""The adjustment's row."""
locked_adjustment = _ROW.locked
"""Hold the adjustment's row."""
movements = rows.movements
"""The adjustment's stock movements."""


_NAMED = text("""
    SELECT name FROM warehouses JOIN adjustments USING (warehouse_id) WHERE adjustment_number = :number
""")


def named(engine: Engine, number: str, worth: str = "1,000.00") -> str:
    """What notices call it."""
    with engine.connect() as connection:
        place = connection.execute(_NAMED, {"number": number}).scalar_one()
    return f"adjustment {number}, {worth} in {place}"
