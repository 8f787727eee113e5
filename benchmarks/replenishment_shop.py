"""A large shop in the database, for `benchmarks.replenishment_scale`: written by SQL, past the ledger's triggers."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

WAREHOUSES = 10
BELOW_EVERY = 100
"""One item in this number is below its reorder point."""
COVERED_EVERY = 5
"""One in this number of those is on order."""

_CATALOGUE = """
INSERT INTO products (product_id, sku, name)
    SELECT n, 'SKU-' || n, 'product ' || n FROM generate_series(1, :products) n;
INSERT INTO warehouses (warehouse_id, name, timezone)
    SELECT n, 'warehouse ' || n, (ARRAY['Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + n % 3]
    FROM generate_series(1, :warehouses) n;
INSERT INTO suppliers (supplier_id, name) SELECT n, 'supplier ' || n FROM generate_series(1, 50) n;
-- Every third product has a second supplier.
INSERT INTO product_suppliers (product_id, supplier_id, is_preferred, unit_cost, lead_time_days, pack_size)
    SELECT n, 1 + (n / 7 + other * 13) % 50, other = 0, 1 + n % 40, 3 + n % 18, 1 + n % 3 * 5
    FROM generate_series(1, :products) n, generate_series(0, 1) other WHERE other = 0 OR n % 3 = 0;
"""

# A few items are at their point, so that a hold takes them below it.
_ITEMS = """
INSERT INTO inventory_items (warehouse_id, product_id, quantity_on_hand, reorder_point, reorder_quantity)
    SELECT warehouse, product, 1000, CASE WHEN (product + warehouse) % :every = 0 THEN 1001 ELSE product % 1001 END, 500
    FROM generate_series(1, :warehouses) warehouse, generate_series(1, :products) product;
"""

_ORDERS = """
-- A hundred open orders of each warehouse, and all those of the past.
INSERT INTO purchase_orders (po_id, po_number, supplier_id, warehouse_id, status, requested_by, reason, created_at,
        total, required_approvals, approval_policy, over_delivery_percent, submitted_at, closed_at, closed_by,
        operation_id, workflow_id, run_id)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'PO-' || n, 1 + n % 50, 1 + n % :warehouses, CASE WHEN is_open THEN 'CONFIRMED' ELSE 'RECEIVED' END,
        'planning', 'low', now(), 0, 0, '{}', 0, now(), CASE WHEN NOT is_open THEN now() END,
        CASE WHEN NOT is_open THEN 'receipt' END, 'PO-' || n, 'PO-' || n, 'run'
    FROM generate_series(1, :warehouses * 100 + :products / 5) n,
        LATERAL (SELECT n <= :warehouses * 100 AS is_open) AS which;
INSERT INTO purchase_order_lines (po_id, line_number, product_id, qty, unit_cost, quantity_received,
        quantity_receivable)
    SELECT po_id, line, 1 + (po_id * 37 + line * 11) % :products, 100, 1, 100, 100
    FROM purchase_orders, generate_series(1, 10) line WHERE status = 'RECEIVED';
-- On order: some of what is below its point, and ten times as much that isn't.
INSERT INTO purchase_order_lines (po_id, line_number, product_id, qty, unit_cost, quantity_receivable)
    SELECT po_id, row_number() OVER (PARTITION BY po_id), product_id, 100, 1, 100
    FROM (
        SELECT warehouse_id, product_id, row_number() OVER (PARTITION BY warehouse_id ORDER BY product_id) % 100 AS slot
        FROM inventory_items
        WHERE (product_id + warehouse_id) % (:every * :covered_every) = 0
            OR (product_id + warehouse_id) % (:every * :covered_every / 10) = 1
    ) AS wanted JOIN purchase_orders USING (warehouse_id)
    WHERE status = 'CONFIRMED' AND slot = (po_id - 1) / :warehouses;

INSERT INTO transfer_orders (transfer_id, transfer_number, from_warehouse_id, to_warehouse_id, status, requested_by,
        created_at, dispatched_at, closed_at, closed_by, operation_id, workflow_id, run_id)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'T-' || n, 1 + n % :warehouses, 1 + (n + 1) % :warehouses,
        CASE WHEN is_open THEN 'IN_TRANSIT' ELSE 'RECEIVED' END, 'planning', now(), now(),
        CASE WHEN NOT is_open THEN now() END, CASE WHEN NOT is_open THEN 'receipt' END, 'T-' || n, 'T-' || n, 'run'
    FROM generate_series(1, :warehouses * 50 + :products / 20) n,
        LATERAL (SELECT n <= :warehouses * 50 AS is_open) AS which;
INSERT INTO transfer_order_lines (transfer_id, line_number, product_id, quantity, dispatched, received, in_transit)
    SELECT transfer_id, line, 1 + (transfer_id * 101 + line * 13) % :products, 10, 10,
        CASE status WHEN 'RECEIVED' THEN 10 ELSE 0 END, CASE status WHEN 'RECEIVED' THEN 0 ELSE 10 END
    FROM transfer_orders, generate_series(1, 10) line;
"""

_DEMAND_KNOWN = """
INSERT INTO demand_days (warehouse_id, through) SELECT warehouse_id, CAST(:today AS date) - 2 FROM warehouses
"""

# Day by day, in order; day 0 is yesterday. The sales of an item on a day are the same in both.
_DEMAND = """
INSERT INTO daily_demand (warehouse_id, product_id, day, quantity)
    SELECT warehouse, product, CAST(:today AS date) - 1 - :day, 1 + (product * 31 + :day * 17) % 20
    FROM generate_series(1, :selling) warehouse, generate_series(1, :products) product
    WHERE (product + :day) % :demand_every = 0
"""
_SALES = """
INSERT INTO stock_movements (warehouse_id, product_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    SELECT warehouse_id, product, 'SALE', -(1 + (product * 31 + :day * 17) % 20), 1000, sale,
        'shop', 'fulfilled ORDER ' || sale, 'reservation-' || sale || '/fulfill/all', 'reservation-' || sale,
        '019aa000-0000-7000-8000-000000000000',
        (CAST(:today AS date) - 1 - :day)::timestamp AT TIME ZONE timezone + n * 80000.0 / :sales * interval '1 second'
    FROM warehouses, generate_series(0, :sales - 1) n,
        LATERAL (SELECT 1 + (n * (:products / :sales) + :day) % :products AS product) AS sold,
        LATERAL (SELECT :day || '-' || warehouse_id || '-' || product AS sale) AS named
    WHERE warehouse_id <= :selling
    ORDER BY n, warehouse_id
"""


@dataclass(frozen=True)
class Shop:
    """How large.

    Attributes:
        products: Each warehouse has an item of each.
        days: Of demand, in the warehouses that sell. On the first of them the ledger has each of their items, so that
            all are known for as long.
        sales: A day, in the ledger, in each of these.
        as_of: When it is.
        selling: How many warehouses sell, the first ones.
        demand_every: On one day in so many each item has demand; 1: every day.
    """

    products: int
    days: int
    sales: int
    as_of: datetime
    selling: int = 1
    demand_every: int = 1

    @property
    def planned(self) -> int:
        """How many items have demand, and are planned."""
        return self.products * self.selling

    def fill(self, engine: Engine) -> None:
        """Write all of it into a database that is empty."""
        with engine.begin() as connection:
            # No triggers and no checks of foreign keys: the rows written here are right, and many.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
            key = connection.execute(
                text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'daily_demand_pkey'")
            ).scalar_one()
            connection.execute(text("ALTER TABLE daily_demand DROP CONSTRAINT daily_demand_pkey"))
            for statement in f"{_CATALOGUE}{_ITEMS}{_ORDERS}{_DEMAND_KNOWN}".split(";\n"):
                self._write(connection, statement)
            for day in reversed(range(self.days)):
                self._write(connection, _SALES, day)
                if day:  # Yesterday isn't rolled up yet.
                    self._write(connection, _DEMAND, day)
            connection.execute(text(f"ALTER TABLE daily_demand ADD CONSTRAINT daily_demand_pkey {key}"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM (ANALYZE)"))

    def _write(self, connection: Connection, statement: str, day: int = 0) -> None:
        numbers = {
            "products": self.products,
            "warehouses": WAREHOUSES,
            "selling": self.selling,
            "every": BELOW_EVERY,
            "covered_every": COVERED_EVERY,
            "demand_every": self.demand_every,
            "sales": self.products if day == self.days - 1 else self.sales,
            "today": self.as_of.date(),
            "day": day,
        }
        wanted = text(statement).compile().params
        connection.execute(text(statement), {name: numbers[name] for name in wanted})
