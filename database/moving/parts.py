"""What a warehouse takes along: the rows of each table, and which of them stay as well.

Keys stay what they are, since runs and callers have them; `devstack.databases` lets each database count in a range of
its own. Only keys that no run and no caller has are given anew: those of items, of movements, which have to grow
with time, of places in a queue, and of findings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_ORDERS = "po_id IN (SELECT po_id FROM purchase_orders WHERE warehouse_id = %(warehouse)s)"
_COUNTS = "count_id IN (SELECT count_id FROM cycle_counts WHERE warehouse_id = %(warehouse)s)"
_RETURNS = "return_id IN (SELECT return_id FROM returns WHERE warehouse_id = %(warehouse)s)"
_ADJUSTMENTS = "adjustment_id IN (SELECT adjustment_id FROM adjustments WHERE warehouse_id = %(warehouse)s)"
_INSPECTIONS = "inspection_id IN (SELECT inspection_id FROM inspections WHERE warehouse_id = %(warehouse)s)"
_HOLDS = "reservation_id IN (SELECT reservation_id FROM reservations WHERE warehouse_id = %(warehouse)s)"
_OWN = "warehouse_id = %(warehouse)s"

_WAITS = """wait_id IN (
    SELECT wait_id FROM waiting_lines GROUP BY wait_id
    HAVING bool_and(warehouse_id IS NOT DISTINCT FROM %(warehouse)s))"""

_TRANSFERS = "%(warehouse)s IN (from_warehouse_id, to_warehouse_id)"
_OF_TRANSFERS = f"transfer_id IN (SELECT transfer_id FROM transfer_orders WHERE {_TRANSFERS})"  # noqa: S608

# A difference of a transfer is known at both of its ends.
_DIFFERENCES = """(document_type, document_number) IN (
    SELECT 'purchase order', po_number FROM purchase_orders WHERE warehouse_id = %(warehouse)s
    UNION ALL SELECT 'return', return_number FROM returns WHERE warehouse_id = %(warehouse)s
    UNION ALL SELECT 'count', count_number FROM cycle_counts WHERE warehouse_id = %(warehouse)s
    UNION ALL SELECT 'adjustment', adjustment_number FROM adjustments WHERE warehouse_id = %(warehouse)s
    UNION ALL SELECT 'inspection', inspection_number FROM inspections WHERE warehouse_id = %(warehouse)s
    UNION ALL SELECT 'transfer', transfer_number FROM transfer_orders
        WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id))"""

# Of the runs whose document or hold is this warehouse's alone. An order over several warehouses, and a transfer, whose
# other end stays, is over by the time of the switch: nothing of it is asked for again.
RUNS = """
    SELECT workflow_id FROM purchase_orders WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM cycle_counts WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM returns WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM adjustments WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM inspections WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM waits JOIN waiting_lines USING (wait_id) WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM reservations WHERE warehouse_id = %(warehouse)s
    UNION SELECT workflow_id FROM transfer_orders
        WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id)
            AND CASE WHEN from_warehouse_id = %(warehouse)s THEN destination_at ELSE source_at END IS NOT NULL
    EXCEPT SELECT workflow_id FROM waits JOIN waiting_lines USING (wait_id)
        WHERE warehouse_id IS DISTINCT FROM %(warehouse)s
    EXCEPT SELECT workflow_id FROM reservations WHERE warehouse_id <> %(warehouse)s
    EXCEPT SELECT workflow_id FROM transfer_orders
        WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id)
            AND CASE WHEN from_warehouse_id = %(warehouse)s THEN destination_at ELSE source_at END IS NULL
"""
"""The workflow ids of runs whose documents leave with a warehouse."""


@dataclass(frozen=True)
class Part:
    """Rows of a table that belong to a warehouse.

    Attributes:
        table: The table.
        where: Which rows, as a condition on the table's own columns.
        leaves: Whether they are deleted where they were; else they stay there as well.
        stays: Which of them stay there as well, if only some do.
        anew: Columns that the new database gives itself.
        order: By which the rows are inserted, where keys given anew have to grow by it.
        if_new: Whether the new database may have some of them already, which are kept.
        replaces: Whether the new database's own rows of the warehouse, which it begins for every one, give way.
    """

    table: str
    where: str
    leaves: bool = True
    stays: str = "false"
    anew: Sequence[str] = ()
    order: str = ""
    if_new: bool = False
    replaces: bool = False


# Of files and of small changes of an item, which no run has: what belongs to the warehouse alone leaves with it, and
# a file is known wherever it has stated a quantity. Numbers of findings are each database's own, and so are decisions.
_IMPORTS = f"""operation_id IN (
    SELECT operation_id FROM imported_files JOIN stated_quantities USING (import_id) WHERE {_OWN})"""  # noqa: S608
_OF_ITEMS = "kind IN ('set_buffer', 'set_planning') AND result ->> 'warehouse_id' = cast(%(warehouse)s AS text)"

OPERATIONS = Part("operations", f"workflow_id IN ({RUNS}) OR {_OF_ITEMS} OR {_IMPORTS}", stays=_IMPORTS, if_new=True)
TRANSFERS = Part("transfer_orders", _TRANSFERS, leaves=False)
TRANSFER_LINES = Part("transfer_order_lines", _OF_TRANSFERS, leaves=False)
TRANSIT = Part("transit_movements", _OF_TRANSFERS, leaves=False)
ORDERS = Part("purchase_orders", _OWN)
ORDER_LINES = Part("purchase_order_lines", _ORDERS)
LEAD_TIMES = Part("supplier_lead_times", _ORDERS)
MOVEMENTS = Part("stock_movements", _OWN, anew=("movement_id",), order="movement_id")

PARTS: Sequence[Part] = (
    # What is found by rows of another table comes before it.
    OPERATIONS,
    Part(
        "refused_operations",
        f"""EXISTS (
            SELECT FROM ({RUNS}) AS run
            WHERE workflow_id = split_part(operation_id, '/', 1)
                OR workflow_id LIKE '%%/%%' AND starts_with(operation_id, workflow_id || '/'))""",
        if_new=True,
    ),
    Part(
        "approved_differences",
        f"approval_id IN (SELECT approval_id FROM difference_approvals WHERE {_DIFFERENCES})",  # noqa: S608
        leaves=False,
        if_new=True,
    ),
    Part("difference_approvals", _DIFFERENCES, leaves=False, if_new=True),
    Part(
        "imported_files",
        f"import_id IN (SELECT import_id FROM stated_quantities WHERE {_OWN})",  # noqa: S608
        leaves=False,
        anew=("position",),
        order="position",
        if_new=True,
    ),
    Part("reservation_releases", _HOLDS),
    Part("given_way", _OWN),
    Part("purchase_order_return_lines", _ORDERS),
    Part("purchase_order_returns", _ORDERS),
    Part("purchase_order_receipt_lines", _ORDERS),
    Part("purchase_order_receipts", _ORDERS),
    Part("purchase_order_approvals", _ORDERS),
    Part("purchase_order_amendments", _ORDERS),
    ORDER_LINES,
    LEAD_TIMES,
    Part("replenishment_cycles", _OWN),
    Part("cycle_count_entries", _COUNTS),
    Part("cycle_count_lines", _COUNTS),
    Part("return_inspection_lots", _RETURNS),
    Part("return_inspection_lines", _RETURNS),
    Part("return_inspections", _RETURNS),
    Part("return_lines", _RETURNS),
    Part("adjustment_lines", _ADJUSTMENTS),
    # Those that are or were there, and those that were lost on their way: a transfer's lots are known at both ends.
    Part(
        "lots",
        f"""(product_id, lot_number) IN (
            SELECT product_id, lot_number FROM lot_items WHERE {_OWN}
            UNION SELECT product_id, lot_number FROM transit_movements JOIN transfer_order_lines
                USING (transfer_id, line_number) WHERE {_OF_TRANSFERS} AND lot_number IS NOT NULL)""",  # noqa: S608
        leaves=False,
        if_new=True,
    ),
    Part("inspection_decision_lines", _INSPECTIONS),
    Part("inspection_decisions", _INSPECTIONS),
    Part("inspection_lines", _INSPECTIONS),
    TRANSIT,
    TRANSFER_LINES,
    TRANSFERS,
    Part("waits", _WAITS),
    Part("waiting_lines", _WAITS),
    ORDERS,
    Part("cycle_counts", _OWN),
    Part("returns", _OWN),
    Part("adjustments", _OWN),
    Part("inspections", _OWN),
    Part("reservation_lots", _OWN),
    Part("reservations", _OWN),
    MOVEMENTS,
    Part("unavailable_stock", _OWN),
    Part("lot_items", _OWN),
    Part("audit_findings", _OWN, anew=("finding_id",), order="finding_id"),
    Part("item_classes", _OWN),
    Part("item_plans", _OWN),
    Part("plan_months", _OWN),
    Part("reorder_points", _OWN),
    Part("stated_quantities", _OWN),
    Part("stated_lots", _OWN),
    Part("refused_demand", _OWN),
    Part("imported_demand", _OWN),
    Part("daily_demand", _OWN, replaces=True),
    Part("demand_days", _OWN, replaces=True),
    Part("warehouse_hindsights", _OWN, replaces=True),
    Part("inventory_items", _OWN, anew=("item_id",)),
)
"""All of them; tests compare the tables with those of the schema."""

STAY = frozenset(
    {
        # The catalogue, which is replicated, and what a database knows of itself.
        "products", "former_skus", "product_barcodes", "warehouses", "suppliers", "product_suppliers", "product_units",
        "warehouse_homes",
        "this_database", "warehouse_moves", "moved_runs", "schema_revisions", "alembic_version",
        # What this database has told others.
        "outbox", "events", "event_log",
        # A recall is of all warehouses: it stays where it was begun, and follows them.
        "recalls", "recall_lines",
        # Files on their way.
        "import_pages",
    }
)  # fmt: skip
"""Tables of which a warehouse takes nothing along."""
