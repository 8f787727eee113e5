"""The tables as queries name them.

The migrations make them, with every constraint; a test holds the two against each other, so that a column that is
only in one of them is found. What stands here is what a query needs to know: names, types, keys and indexes.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()

_MONEY = Numeric(18, 6)
_DAYS = Numeric(9, 3)
_MEASURED_DAYS = Numeric(12, 6)
_INSTANT = DateTime(timezone=True)


def _id(name: str, *, given: bool = False) -> Column[int]:
    """A key that the database counts up; ``given``: unless a file brings its own."""
    return Column(name, BigInteger, Identity(always=not given), primary_key=True)


def _needed(name: str, kind: object, *args: object, **kwargs: object) -> Column[object]:
    return Column(name, kind, *args, nullable=False, **kwargs)  # type: ignore[arg-type]


def _item_key(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["warehouse_id", "product_id"],
        ["inventory_items.warehouse_id", "inventory_items.product_id"],
        name=name,
    )


products = Table(
    "products",
    METADATA,
    _id("product_id", given=True),
    _needed("sku", Text),
    _needed("name", Text),
    Column("description", Text),
    Column("category_id", BigInteger),
    Column("unit_cost", _MONEY),
    Column("unit_price", _MONEY),
    Column("weight_kg", _MONEY),
    Column("dimensions_cm", JSONB),
    _needed("is_active", Boolean, server_default=text("true")),
    UniqueConstraint("sku", name="products_sku_key"),
)

warehouses = Table(
    "warehouses",
    METADATA,
    _id("warehouse_id", given=True),
    _needed("name", Text),
    Column("address", Text),
    _needed("timezone", Text, server_default=text("'UTC'")),
    Column("capacity_sqft", Numeric(18, 2)),
    UniqueConstraint("name", name="warehouses_name_key"),
)

suppliers = Table(
    "suppliers",
    METADATA,
    _id("supplier_id", given=True),
    _needed("name", Text),
    Column("email", Text),
    UniqueConstraint("name", name="suppliers_name_key"),
)

product_suppliers = Table(
    "product_suppliers",
    METADATA,
    Column("product_id", ForeignKey("products.product_id"), primary_key=True),
    Column("supplier_id", ForeignKey("suppliers.supplier_id"), primary_key=True),
    _needed("is_preferred", Boolean, server_default=text("false")),
    _needed("unit_cost", _MONEY),
    _needed("lead_time_days", _DAYS),
    Column("lead_time_deviation_days", _DAYS),
    _needed("minimum_order_quantity", BigInteger, server_default=text("1")),
    _needed("pack_size", BigInteger, server_default=text("1")),
    _needed("lead_times_measured", BigInteger, server_default=text("0")),
    Column("measured_lead_time_days", _MEASURED_DAYS),
    Column("measured_lead_time_deviation_days", _MEASURED_DAYS),
    Column("last_unit_cost", _MONEY),
    Index("product_suppliers_one_preferred", "product_id", unique=True, postgresql_where=text("is_preferred")),
    Index("product_suppliers_supplier", "supplier_id"),
)

inventory_items = Table(
    "inventory_items",
    METADATA,
    _id("item_id"),
    _needed("product_id", BigInteger, ForeignKey("products.product_id")),
    _needed("warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("quantity_on_hand", BigInteger, server_default=text("0")),
    _needed("quantity_reserved", BigInteger, server_default=text("0")),
    Column("quantity_available", BigInteger, Computed("quantity_on_hand - quantity_reserved", persisted=True)),
    Column("reorder_point", BigInteger),
    Column("reorder_quantity", BigInteger),
    Column("last_counted_at", _INSTANT),
    Column("last_moved_at", _INSTANT),
    _needed("planning", Text, server_default=text("'auto'")),
    _needed("last_count_was_off", Boolean, server_default=text("false")),
    Column(
        "is_below_reorder_point",
        Boolean,
        Computed("coalesce(quantity_on_hand - quantity_reserved < reorder_point, false)", persisted=True),
        nullable=False,
    ),
    UniqueConstraint("warehouse_id", "product_id", name="inventory_items_item_key"),
    Index("inventory_items_product", "product_id"),
    Index("inventory_items_below", "warehouse_id", "product_id", postgresql_where=text("is_below_reorder_point")),
)

stock_movements = Table(
    "stock_movements",
    METADATA,
    _id("movement_id"),
    _needed("product_id", BigInteger),
    _needed("warehouse_id", BigInteger),
    _needed("movement_type", Text),
    _needed("quantity", BigInteger),
    _needed("balance_after", BigInteger),
    _needed("reference_id", Text),
    _needed("performed_by", Text),
    _needed("reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    _needed("created_at", _INSTANT),
    _item_key("stock_movements_item"),
    Index("stock_movements_by_item", "warehouse_id", "product_id", "created_at", "movement_id"),
    Index("stock_movements_by_reference", "reference_id"),
    Index("stock_movements_by_time", "created_at", postgresql_using="brin"),
)

reservations = Table(
    "reservations",
    METADATA,
    _id("reservation_id"),
    _needed("product_id", BigInteger),
    _needed("warehouse_id", BigInteger),
    _needed("quantity", BigInteger),
    _needed("quantity_fulfilled", BigInteger, server_default=text("0")),
    _needed("reference_type", Text),
    _needed("reference_id", Text),
    _needed("status", Text, server_default=text("'ACTIVE'")),
    Column("expires_at", _INSTANT),
    _needed("created_at", _INSTANT),
    _needed("performed_by", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    _item_key("reservations_item"),
    Index("reservations_by_reference", "reference_type", "reference_id"),
    Index("reservations_by_item", "warehouse_id", "product_id", "created_at"),
    Index(
        "reservations_open_by_item",
        "warehouse_id",
        "product_id",
        "expires_at",
        postgresql_where=text("status = 'ACTIVE'"),
    ),
)

operations = Table(
    "operations",
    METADATA,
    Column("operation_id", Text, primary_key=True),
    _needed("kind", Text),
    _needed("fingerprint", LargeBinary),
    Column("result", JSONB),
    _needed("performed_by", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    _needed("created_at", _INSTANT, server_default=text("clock_timestamp()")),
    Index("operations_by_age", "created_at"),
)

purchase_orders = Table(
    "purchase_orders",
    METADATA,
    _id("po_id"),
    _needed("po_number", Text),
    _needed("supplier_id", BigInteger, ForeignKey("suppliers.supplier_id")),
    _needed("warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("status", Text, server_default=text("'DRAFT'")),
    Column("expected_delivery_date", Date),
    _needed("requested_by", Text),
    _needed("reason", Text),
    _needed("created_at", _INSTANT),
    _needed("total", Numeric(38, 6)),
    _needed("required_approvals", Integer),
    _needed("approval_policy", JSONB),
    _needed("over_delivery_percent", _DAYS),
    Column("submitted_at", _INSTANT),
    Column("confirmed_at", _INSTANT),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    UniqueConstraint("po_number", name="purchase_orders_po_number_key"),
    UniqueConstraint("po_id", "requested_by", name="purchase_orders_requester"),
    Index("purchase_orders_by_supplier", "supplier_id"),
    Index(
        "purchase_orders_open",
        "warehouse_id",
        postgresql_where=text("status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')"),
    ),
    Index("purchase_orders_unstarted", "po_id", postgresql_where=text("run_id = ''")),
)

purchase_order_lines = Table(
    "purchase_order_lines",
    METADATA,
    Column("po_id", ForeignKey("purchase_orders.po_id"), primary_key=True),
    Column("line_number", Integer, primary_key=True),
    _needed("product_id", BigInteger, ForeignKey("products.product_id")),
    _needed("qty", BigInteger),
    _needed("unit_cost", _MONEY),
    _needed("quantity_received", BigInteger, server_default=text("0")),
    _needed("quantity_rejected", BigInteger, server_default=text("0")),
    _needed("quantity_receivable", BigInteger),
    Column("note", Text),
    Index("purchase_order_lines_by_product", "product_id"),
    Index("purchase_order_lines_owed", "product_id", postgresql_where=text("quantity_received < qty")),
)

purchase_order_approvals = Table(
    "purchase_order_approvals",
    METADATA,
    Column("po_id", BigInteger, primary_key=True),
    Column("approver", Text, primary_key=True),
    _needed("requested_by", Text),
    _needed("approved_at", _INSTANT),
    Column("note", Text),
    _needed("operation_id", Text),
    ForeignKeyConstraint(
        ["po_id", "requested_by"],
        ["purchase_orders.po_id", "purchase_orders.requested_by"],
        name="purchase_order_approvals_of",
    ),
    Index("purchase_order_approvals_distinct", "po_id", text("lower(approver)"), unique=True),
)

purchase_order_receipts = Table(
    "purchase_order_receipts",
    METADATA,
    Column("po_id", ForeignKey("purchase_orders.po_id"), primary_key=True),
    Column("receipt_id", Text, primary_key=True),
    _needed("received_at", _INSTANT),
    _needed("received_by", Text),
    _needed("operation_id", Text),
)

purchase_order_receipt_lines = Table(
    "purchase_order_receipt_lines",
    METADATA,
    Column("po_id", BigInteger, primary_key=True),
    Column("receipt_id", Text, primary_key=True),
    Column("line_number", Integer, primary_key=True),
    _needed("quantity", BigInteger),
    _needed("quantity_rejected", BigInteger),
    ForeignKeyConstraint(
        ["po_id", "receipt_id"],
        ["purchase_order_receipts.po_id", "purchase_order_receipts.receipt_id"],
        name="purchase_order_receipt_lines_receipt",
    ),
    ForeignKeyConstraint(
        ["po_id", "line_number"],
        ["purchase_order_lines.po_id", "purchase_order_lines.line_number"],
        name="purchase_order_receipt_lines_line",
    ),
)

supplier_lead_times = Table(
    "supplier_lead_times",
    METADATA,
    Column("po_id", ForeignKey("purchase_orders.po_id"), primary_key=True),
    Column("product_id", ForeignKey("products.product_id"), primary_key=True),
    _needed("supplier_id", BigInteger, ForeignKey("suppliers.supplier_id")),
    _needed("lead_time_days", _MEASURED_DAYS),
    Index("supplier_lead_times_of", "supplier_id", "product_id"),
)

transfer_orders = Table(
    "transfer_orders",
    METADATA,
    _id("transfer_id"),
    _needed("transfer_number", Text),
    _needed("from_warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("to_warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("status", Text, server_default=text("'PENDING'")),
    _needed("requested_by", Text),
    _needed("created_at", _INSTANT),
    Column("expected_transit_hours", Double),
    Column("dispatched_at", _INSTANT),
    Column("due_at", _INSTANT),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    UniqueConstraint("transfer_number", name="transfer_orders_transfer_number_key"),
)

transfer_order_lines = Table(
    "transfer_order_lines",
    METADATA,
    Column("transfer_id", ForeignKey("transfer_orders.transfer_id"), primary_key=True),
    Column("line_number", Integer, primary_key=True),
    _needed("product_id", BigInteger, ForeignKey("products.product_id")),
    _needed("quantity", BigInteger),
    _needed("received", BigInteger, server_default=text("0")),
    _needed("damaged", BigInteger, server_default=text("0")),
    _needed("written_off", BigInteger, server_default=text("0")),
    _needed("dispatched", BigInteger, server_default=text("0")),
    _needed("returned", BigInteger, server_default=text("0")),
    _needed("in_transit", BigInteger, server_default=text("0")),
    Index("transfer_order_lines_in_transit", "product_id", postgresql_where=text("in_transit > 0")),
)

transit_movements = Table(
    "transit_movements",
    METADATA,
    _id("transit_movement_id"),
    _needed("transfer_id", BigInteger),
    _needed("line_number", Integer),
    _needed("kind", Text),
    _needed("quantity", BigInteger),
    _needed("balance_after", BigInteger),
    Column("receipt_id", Text),
    _needed("performed_by", Text),
    _needed("reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    _needed("created_at", _INSTANT),
    ForeignKeyConstraint(
        ["transfer_id", "line_number"],
        ["transfer_order_lines.transfer_id", "transfer_order_lines.line_number"],
        name="transit_movements_line",
    ),
    Index(
        "transit_movements_once",
        "transfer_id",
        "line_number",
        "kind",
        text("coalesce(receipt_id, '')"),
        unique=True,
    ),
)

cycle_counts = Table(
    "cycle_counts",
    METADATA,
    _id("count_id"),
    _needed("count_number", Text),
    _needed("warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("status", Text, server_default=text("'COUNTING'")),
    _needed("requested_by", Text),
    _needed("created_at", _INSTANT),
    _needed("tolerance_units", BigInteger),
    _needed("tolerance_percent", _DAYS),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    UniqueConstraint("count_number", name="cycle_counts_count_number_key"),
    Index("cycle_counts_open", "warehouse_id", postgresql_where=text("status IN ('COUNTING', 'REVIEW')")),
)

cycle_count_lines = Table(
    "cycle_count_lines",
    METADATA,
    Column("count_id", ForeignKey("cycle_counts.count_id"), primary_key=True),
    Column("product_id", ForeignKey("products.product_id"), primary_key=True),
    Column("counted_by", Text),
    Column("counted_quantity", BigInteger),
    Column("system_quantity", BigInteger),
    Column("delta", BigInteger, Computed("counted_quantity - system_quantity", persisted=True)),
    Column("root_cause", Text),
    _needed("line_number", Integer),
    _needed("status", Text, server_default=text("'COUNTING'")),
    Column("count_class", Text),
    Column("approved_by", Text),
    Column("posted_at", _INSTANT),
    Column("posted_by", Text),
    UniqueConstraint("count_id", "line_number", name="cycle_count_lines_place"),
    Index("cycle_count_lines_by_product", "product_id"),
    Index("cycle_count_lines_by_time", "posted_at", postgresql_using="brin"),
)

cycle_count_entries = Table(
    "cycle_count_entries",
    METADATA,
    Column("count_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    Column("entry_number", Integer, primary_key=True),
    _needed("counted_by", Text),
    _needed("counted_quantity", BigInteger),
    _needed("system_quantity", BigInteger),
    _needed("within_tolerance", Boolean),
    Column("root_cause", Text),
    _needed("counted_at", _INSTANT),
    _needed("last_correction", BigInteger, server_default=text("0")),
    _needed("operation_id", Text),
    ForeignKeyConstraint(
        ["count_id", "product_id"],
        ["cycle_count_lines.count_id", "cycle_count_lines.product_id"],
        name="cycle_count_entries_line",
    ),
    Index("cycle_count_entries_distinct", "count_id", "product_id", text("lower(counted_by)"), unique=True),
)

item_classes = Table(
    "item_classes",
    METADATA,
    Column("warehouse_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    _needed("count_class", Text),
    _needed("demand", BigInteger),
    _needed("classified_at", _INSTANT),
    _item_key("item_classes_item"),
)

returns = Table(
    "returns",
    METADATA,
    _id("return_id"),
    _needed("return_number", Text),
    _needed("warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("reference_id", Text),
    _needed("status", Text, server_default=text("'EXPECTED'")),
    _needed("requested_by", Text),
    _needed("created_at", _INSTANT),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    UniqueConstraint("return_number", name="returns_return_number_key"),
    Index("returns_by_reference", "reference_id"),
)

return_lines = Table(
    "return_lines",
    METADATA,
    Column("return_id", ForeignKey("returns.return_id"), primary_key=True),
    Column("line_number", Integer, primary_key=True),
    _needed("product_id", BigInteger, ForeignKey("products.product_id")),
    _needed("quantity", BigInteger),
    _needed("restocked", BigInteger, server_default=text("0")),
    _needed("scrapped", BigInteger, server_default=text("0")),
)

return_inspections = Table(
    "return_inspections",
    METADATA,
    Column("return_id", ForeignKey("returns.return_id"), primary_key=True),
    Column("inspection_id", Text, primary_key=True),
    _needed("inspected_at", _INSTANT),
    _needed("inspected_by", Text),
    _needed("operation_id", Text),
)

return_inspection_lines = Table(
    "return_inspection_lines",
    METADATA,
    Column("return_id", BigInteger, primary_key=True),
    Column("line_number", Integer, primary_key=True),
    Column("inspection_id", Text, primary_key=True),
    _needed("restocked", BigInteger),
    _needed("scrapped", BigInteger),
    ForeignKeyConstraint(
        ["return_id", "inspection_id"],
        ["return_inspections.return_id", "return_inspections.inspection_id"],
        name="return_inspection_lines_inspection",
    ),
    ForeignKeyConstraint(
        ["return_id", "line_number"],
        ["return_lines.return_id", "return_lines.line_number"],
        name="return_inspection_lines_line",
    ),
)

adjustments = Table(
    "adjustments",
    METADATA,
    _id("adjustment_id"),
    _needed("adjustment_number", Text),
    _needed("warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    _needed("status", Text),
    _needed("reason", Text),
    _needed("requested_by", Text),
    _needed("created_at", _INSTANT),
    _needed("value", Numeric(38, 6)),
    _needed("unvalued_units", BigInteger),
    _needed("needs_approval", Boolean),
    _needed("remind_after_hours", Double),
    _needed("cancel_after_hours", Double),
    Column("approved_by", Text),
    Column("approval_note", Text),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    _needed("operation_id", Text),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    UniqueConstraint("adjustment_number", name="adjustments_adjustment_number_key"),
)

adjustment_lines = Table(
    "adjustment_lines",
    METADATA,
    Column("adjustment_id", ForeignKey("adjustments.adjustment_id"), primary_key=True),
    Column("line_number", Integer, primary_key=True),
    _needed("product_id", BigInteger, ForeignKey("products.product_id")),
    _needed("quantity", BigInteger),
    Column("unit_cost", _MONEY),
)

imported_demand = Table(
    "imported_demand",
    METADATA,
    Column("warehouse_id", ForeignKey("warehouses.warehouse_id"), primary_key=True),
    Column("product_id", ForeignKey("products.product_id"), primary_key=True),
    Column("day", Date, primary_key=True),
    _needed("quantity", BigInteger),
)

daily_demand = Table(
    "daily_demand",
    METADATA,
    Column("warehouse_id", ForeignKey("warehouses.warehouse_id"), primary_key=True),
    Column("product_id", ForeignKey("products.product_id"), primary_key=True),
    Column("day", Date, primary_key=True),
    _needed("quantity", BigInteger),
)

demand_days = Table(
    "demand_days",
    METADATA,
    Column("warehouse_id", ForeignKey("warehouses.warehouse_id"), primary_key=True),
    _needed("through", Date),
)

item_plans = Table(
    "item_plans",
    METADATA,
    Column("warehouse_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    _needed("supplier_id", BigInteger, ForeignKey("suppliers.supplier_id")),
    _needed("days", Integer),
    _needed("daily_mean", Double),
    _needed("daily_deviation", Double),
    _needed("lead_time_days", Double),
    Column("lead_time_deviation_days", Double),
    _needed("service_level", Double),
    _needed("safety_stock", Double),
    _needed("economic_order_quantity", Double),
    _needed("reorder_point", BigInteger),
    _needed("reorder_quantity", BigInteger),
    _needed("planned_at", _INSTANT),
    _item_key("item_plans_item"),
)

REORDER_NUMBERS = Sequence("reorder_numbers", metadata=METADATA)

import_pages = Table(
    "import_pages",
    METADATA,
    Column("import_id", Text, primary_key=True),
    Column("page", Integer, primary_key=True),
    _needed("rows", JSONB),
    _needed("row_count", Integer),
    _needed("staged_at", _INSTANT),
)

audit_findings = Table(
    "audit_findings",
    METADATA,
    _id("finding_id"),
    _needed("kind", Text),
    Column("warehouse_id", ForeignKey("warehouses.warehouse_id")),
    Column("product_id", ForeignKey("products.product_id")),
    _needed("document", Text, server_default=text("''")),
    _needed("expected", BigInteger),
    _needed("actual", BigInteger),
    _needed("status", Text, server_default=text("'OPEN'")),
    _needed("first_seen_at", _INSTANT),
    _needed("last_seen_at", _INSTANT),
    _needed("workflow_id", Text),
    _needed("run_id", Text),
    Column("closed_at", _INSTANT),
    Column("closed_by", Text),
    Column("closed_reason", Text),
    Column("operation_id", Text),
    Index(
        "audit_findings_once",
        "kind",
        text("coalesce(warehouse_id, 0)"),
        text("coalesce(product_id, 0)"),
        "document",
        unique=True,
        postgresql_where=text("status IN ('OPEN', 'ACCEPTED')"),
    ),
)

reorder_points = Table(
    "reorder_points",
    METADATA,
    Column("warehouse_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    Column("since", _INSTANT, primary_key=True),
    Column("reorder_point", BigInteger),
    _item_key("reorder_points_item"),
)
