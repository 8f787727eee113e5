"""Products, warehouses and opening stock, new ones for every test."""

import itertools
import uuid
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import BigInteger, Connection, Engine, bindparam, insert, text, update
from sqlalchemy.dialects.postgresql import ARRAY

from database import ledger, operations, tables
from database.locks import lock_items
from database.operations import Operation
from database.stock_rows import Moving
from devstack.databases import give_home
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.folding import tell_again

_numbers = itertools.count(1)


def new_reference(prefix: str = "order") -> str:
    """A reference that nobody has used."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


_SOLD_WEEKLY = text("""
    INSERT INTO imported_demand (warehouse_id, product_id, day, quantity)
    SELECT :warehouse_id, :product_id, current_date - ago, (:units)[ago % 7 + 1]
    FROM generate_series(0, :days) AS ago
""").bindparams(bindparam("units", type_=ARRAY(BigInteger)))


class Shop:
    """Makes what a test sells."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._run = uuid.uuid4().hex[:6]

    def product(self, *, is_active: bool = True, unit_cost: Decimal | None = None) -> int:
        """A new product's id."""
        number = next(_numbers)
        names = {"sku": f"SKU-{self._run}-{number}", "name": f"Product {number}"}
        values = {**names, "is_active": is_active, "unit_cost": unit_cost}
        with self.engine.begin() as connection:
            added = connection.execute(insert(tables.products).values(values).returning(tables.products.c.product_id))
            return int(added.scalar_one())

    def warehouse(self, timezone: str = "UTC", *, priority: int = 100) -> int:
        """A new warehouse's id."""
        name = f"Warehouse {self._run}-{next(_numbers)}"
        with self.engine.begin() as connection:
            added = connection.execute(
                insert(tables.warehouses)
                .values(name=name, timezone=timezone, priority=priority)
                .returning(tables.warehouses.c.warehouse_id)
            )
            return int(added.scalar_one())

    def keep_in(self, warehouse: int, database: str) -> None:
        """Let another of several databases keep a new warehouse."""
        give_home(self.engine, warehouse, database)

    def supplier(self, email: str | None = None) -> int:
        """A new supplier's id."""
        values = {"name": f"Supplier {self._run}-{next(_numbers)}", "email": email}
        with self.engine.begin() as connection:
            added = connection.execute(
                insert(tables.suppliers).values(values).returning(tables.suppliers.c.supplier_id)
            )
            return int(added.scalar_one())

    def supply(self, product: int, supplier: int, *, unit_cost: Decimal, lead_time_days: int, pack: int) -> None:
        """Let a supplier have a product, in packs."""
        values = {"product_id": product, "supplier_id": supplier, "unit_cost": unit_cost, "pack_size": pack}
        with self.engine.begin() as connection:
            terms = insert(tables.product_suppliers).values(values | {"lead_time_days": lead_time_days})
            connection.execute(terms)

    def set_point(self, item: tuple[int, int], point: int, quantity: int) -> None:
        """Order so much of an item, of this warehouse and product, when less than its point is available."""
        column = tables.inventory_items.c
        this = (column.warehouse_id == item[0]) & (column.product_id == item[1])
        values = {"reorder_point": point, "reorder_quantity": quantity, "planning": "manual"}
        with self.engine.begin() as connection:
            connection.execute(update(tables.inventory_items).where(this).values(values))
            tell_again(connection, item[0])

    def sold_weekly(self, item: tuple[int, int], units: Sequence[int], weeks: int) -> None:
        """So many units of an item were sold on each day of every week, in an earlier system."""
        values = {"warehouse_id": item[0], "product_id": item[1], "units": list(units), "days": 7 * weeks}
        with self.engine.begin() as connection:
            connection.execute(_SOLD_WEEKLY, values)

    def item(self, units: int, *, product: int | None = None, warehouse: int | None = None) -> ItemKey:
        """An item with this opening stock, of a new product in a new warehouse unless told otherwise."""
        item = ItemKey(warehouse or self.warehouse(), product or self.product())
        with self.engine.begin() as connection:
            connection.execute(
                insert(tables.inventory_items).values(warehouse_id=item.warehouse_id, product_id=item.product_id)
            )
        if units:
            self.move(item, units)
        return item

    def items(self, count: int, units: int) -> list[ItemKey]:
        """Items of new products in one new warehouse, in lock order."""
        warehouse = self.warehouse()
        return [self.item(units, warehouse=warehouse) for _ in range(count)]

    def move(self, item: ItemKey, *units: int) -> None:
        """Adjust an item's stock, a movement for each number, all in one statement."""
        operation = Operation(f"test/{uuid.uuid4()}", "adjust", {}, "tests", "test", "test")
        with self.engine.begin() as connection:
            operations.once(connection, operation, lambda: _adjust(connection, operation, item, units))


def _adjust(connection: Connection, operation: Operation, item: ItemKey, units: tuple[int, ...]) -> dict[str, int]:
    lock_items(connection, [item])
    lines = [Moving(item, each) for each in units]
    ledger.move(connection, operation, MovementType.ADJUSTMENT, lines, reference_id="opening", reason="opening stock")
    return {}
