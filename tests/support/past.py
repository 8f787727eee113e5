"""A past that a test has made up, down to the microsecond, and what is known of its demand."""

import itertools
import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, text

from database.demand_sums import demand_of_items
from database.sessions import Database
from stockkeeper.domain.replenishment import Usage
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.folding import tell_again
from tests.support.replenishment_rows import supply
from tests.support.shop import Shop

AS_OF = datetime(2025, 6, 10, 12, tzinfo=UTC)
"""When most plans are made: long ago, so that what other tests do today comes after it."""
YESTERDAY = AS_OF.date() - timedelta(days=1)
A_DAY = timedelta(days=1)
SEED = (40, 50, 60)
"""Fifty a day on average, with a sample deviation of ten."""
_NOON = time(12)


def usage(database: Database, item: ItemKey, *, as_of: datetime = AS_OF, history_days: int = 90) -> Usage | None:
    """What leaves an item, as the worker's role sees it; None: nothing is known of it."""
    with database.transaction() as connection:
        known = demand_of_items(connection, [item], history_days, as_of).get(item)
    return None if known is None else known.usage


def demand(engine: Engine, item: ItemKey) -> dict[str, int]:
    """What is known of an item's days."""
    query = text("""
        SELECT day, quantity FROM daily_demand
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY day
    """)
    with engine.connect() as connection:
        return {str(day): int(quantity) for day, quantity in connection.execute(query, item._asdict())}


def warehouse_in(shop: Shop, timezone: str) -> int:
    """A new warehouse where the clocks show this time."""
    warehouse_id = shop.warehouse()
    with shop.engine.begin() as connection:
        connection.execute(
            text("UPDATE warehouses SET timezone = :timezone WHERE warehouse_id = :warehouse_id"),
            {"timezone": timezone, "warehouse_id": warehouse_id},
        )
    return warehouse_id


def local(timezone: str, moment: str, *, fold: int = 0) -> datetime:
    """What a clock on the wall there shows; ``fold``: the second time that it does."""
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(timezone), fold=fold).astimezone(UTC)


Moved = tuple[datetime, MovementType, int]
"""A movement of the past: when, why, and how many units, negative out."""

_ITEM = text("""
    SELECT quantity_on_hand, last_moved_at FROM inventory_items
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) FOR NO KEY UPDATE
""")
_MOVE = text("""
    INSERT INTO stock_movements (warehouse_id, product_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    VALUES (:warehouse_id, :product_id, :movement_type, :quantity, :balance_after, :reference_id, 'tests', 'long ago',
        :operation_id, 'test', 'test', :created_at)
""")
_KEEP = text("""
    UPDATE inventory_items SET quantity_on_hand = :on_hand, last_moved_at = :moved_at
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


def write(connection: Connection, item: ItemKey, moved: Iterable[Moved], *, reference: str = "the past") -> None:
    """Write movements at these instants, as the ledger would have: in turn, each with its balance.

    Only the database's owner may, and only of what comes after all that the item has.
    """
    row = connection.execute(_ITEM, item._asdict()).one()
    listed = sorted(moved, key=lambda each: each[0])
    instants = [*([row.last_moved_at] if row.last_moved_at else []), *(at for at, _, _ in listed)]
    assert all(earlier < later for earlier, later in itertools.pairwise(instants)), "each movement is a later one"
    balances = itertools.accumulate((units for _, _, units in listed), initial=row.quantity_on_hand)
    operation_id = f"test/{uuid.uuid4()}"
    rows = [
        item._asdict()
        | {
            "movement_type": movement_type,
            "quantity": units,
            "balance_after": balance,
            "reference_id": reference,
            "operation_id": operation_id,
            "created_at": at,
        }
        for (at, movement_type, units), balance in zip(listed, list(balances)[1:], strict=True)
    ]
    connection.execute(_MOVE, rows)
    kept = {"on_hand": rows[-1]["balance_after"], "moved_at": instants[-1]}
    connection.execute(_KEEP, item._asdict() | kept)
    tell_again(connection, item.warehouse_id)


class Past:
    """What has happened to items, at instants of a test's choosing."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.engine = shop.engine

    def item(
        self,
        since: datetime | None = None,
        *,
        units: int = 100_000,
        warehouse: int | None = None,
        product: int | None = None,
    ) -> ItemKey:
        """An item that had these units from then on; None: it has never had any."""
        item = self._shop.item(0, warehouse=warehouse, product=product)
        if since is not None:
            self.happened(item, (since, MovementType.ADJUSTMENT, units))
        return item

    def happened(self, item: ItemKey, *moved: Moved) -> None:
        """All of this has happened to the item."""
        with self.engine.begin() as connection:
            write(connection, item, moved)

    def sold(self, item: ItemKey, *sales: tuple[datetime, int]) -> None:
        """So many units were sold at these instants."""
        self.happened(item, *((at, MovementType.SALE, -units) for at, units in sales))

    def seller(
        self,
        *daily: int,
        until: date = YESTERDAY,
        units: int = 100_000,
        warehouse: int | None = None,
        product: int | None = None,
    ) -> ItemKey:
        """An item that sold so many units on each of these days, the last one of which is ``until``; in UTC.

        It came on the first of them.
        """
        days = [until - (len(daily) - 1 - number) * A_DAY for number in range(len(daily))]
        since = datetime.combine(days[0], time.min, UTC)
        item = self.item(since, units=units, warehouse=warehouse, product=product)
        sales = [(datetime.combine(day, _NOON, UTC), sold) for day, sold in zip(days, daily, strict=True) if sold]
        if sales:
            self.sold(item, *sales)
        return item

    def supplied(
        self,
        *daily: int,
        unit_cost: str = "40",
        lead_time_days: str = "7",
        units: int = 100_000,
        warehouse: int | None = None,
    ) -> ItemKey:
        """The same, and a supplier has it."""
        item = self.seller(*daily, units=units, warehouse=warehouse)
        supply(self.engine, item, self._shop.supplier(), unit_cost=unit_cost, lead_time_days=lead_time_days)
        return item

    def imported(self, item: ItemKey, *daily: tuple[str, int]) -> None:
        """An earlier system sold so many units on these days."""
        query = text("INSERT INTO imported_demand VALUES (:product_id, :warehouse_id, :day, :quantity)")
        rows = [item._asdict() | {"day": day, "quantity": quantity} for day, quantity in daily]
        with self.engine.begin() as connection:
            connection.execute(query, rows)

    def measured(
        self,
        item: ItemKey,
        supplier_id: int,
        *,
        orders: int = 0,
        days: str | None = None,
        deviation: str | None = None,
        agreed_deviation: str | None = None,
    ) -> None:
        """How long the supplier has taken, and how much that differs by agreement."""
        query = text("""
            UPDATE product_suppliers
            SET lead_times_measured = :orders, measured_lead_time_days = :days,
                measured_lead_time_deviation_days = :deviation, lead_time_deviation_days = :agreed_deviation
            WHERE (product_id, supplier_id) = (:product_id, :supplier_id)
        """)
        values = {
            "product_id": item.product_id,
            "supplier_id": supplier_id,
            "orders": orders,
            "days": days and Decimal(days),
            "deviation": deviation and Decimal(deviation),
            "agreed_deviation": agreed_deviation and Decimal(agreed_deviation),
        }
        with self.engine.begin() as connection:
            assert connection.execute(query, values).rowcount == 1
