"""The tables that several processes share: the catalogue, the stock and its ledger, operations, imports and plans.

The tables of a document are in its own room, such as `database.transfer`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

from database.columns import (
    DAYS,
    INSTANT,
    MEASURED_DAYS,
    METADATA,
    MONEY,
    closing,
    composite_key,
    counter,
    identity,
    item_as_primary_key,
    item_key,
    key_of,
    movement,
    needed,
    reference,
)


def _catalogue(name: str, key: str, called: str, *columns: SchemaItem) -> Table:
    """A table of the catalogue: an import may bring the key, and finds a row by the unique column ``called``."""
    unique = UniqueConstraint(called, name=f"{name}_{called}_key")
    in_any_case = Index(f"{name}_{called}_in_any_case", text(f"lower({called})"))
    return Table(name, METADATA, identity(key, given=True), needed(called, Text), *columns, unique, in_any_case)


NO_LETTERS = "-_/.:<>&@+"
"""Signs between the words of a SKU or a name. PostgreSQL would take some for a part of a number or an address."""
WORDS_OF_A_PRODUCT = (
    f"to_tsvector('simple'::regconfig, translate((sku || ' '::text) || name, '{NO_LETTERS}'::text, "
    f"'{' ' * len(NO_LETTERS)}'::text))"
)
"""The words by which a product is searched for (`database.product_search`)."""

products = _catalogue(
    "products",
    "product_id",
    "sku",
    needed("name", Text),
    Column("description", Text),
    Column("category_id", BigInteger),
    Column("unit_cost", MONEY),
    Column("unit_price", MONEY),
    Column("weight_kg", MONEY),
    Column("dimensions_cm", JSONB),
    needed("is_active", Boolean, server_default=text("true")),
    needed("tracking", Text, server_default=text("'NONE'")),
    Column("minimum_days_left", Integer),
    Column("minimum_days_at_receipt", Integer),
    needed("base_unit", Text, server_default=text("'EACH'")),
    Index("products_words", text(WORDS_OF_A_PRODUCT), postgresql_using="gin"),
)

former_skus = Table(
    "former_skus",
    METADATA,
    identity("former_sku_id"),
    needed("sku", Text),
    reference("products.product_id"),
    needed("renamed_at", INSTANT),
    needed("renamed_by", Text),
    needed("operation_id", Text),
    Column("taken_back_at", INSTANT),
    Index(
        "former_skus_sku_in_any_case",
        text("lower(sku)"),
        unique=True,
        postgresql_where=text("taken_back_at IS NULL"),
    ),
    Index("former_skus_product", "product_id"),
)
"""The SKUs that products had before they were renamed (`database.former_skus`)."""

product_barcodes = Table(
    "product_barcodes",
    METADATA,
    Column("barcode", Text, primary_key=True),
    reference("products.product_id"),
    needed("unit", Text),
    needed("quantity", BigInteger),
    Index("product_barcodes_barcode_in_any_case", text("lower(barcode)")),
    Index("product_barcodes_product", "product_id"),
)
"""What a barcode means: one product, in a pack of so many base units. A GTIN is kept with all of its 14 digits."""

warehouses = _catalogue(
    "warehouses",
    "warehouse_id",
    "name",
    Column("address", Text),
    needed("timezone", Text, server_default=text("'UTC'")),
    Column("capacity_sqft", Numeric(18, 2)),
    needed("priority", Integer, server_default=text("100")),
)

suppliers = _catalogue(
    "suppliers",
    "supplier_id",
    "name",
    Column("email", Text),
    Column("review_days", Text),
    Column("minimum_order_value", MONEY),
    needed("joint_orders", Boolean, server_default=text("false")),
    Column("line_cost", MONEY),
)

product_suppliers = Table(
    "product_suppliers",
    METADATA,
    key_of("products.product_id"),
    key_of("suppliers.supplier_id"),
    needed("is_preferred", Boolean, server_default=text("false")),
    needed("unit_cost", MONEY),
    needed("lead_time_days", DAYS),
    Column("lead_time_deviation_days", DAYS),
    needed("minimum_order_quantity", BigInteger, server_default=text("1")),
    needed("pack_size", BigInteger, server_default=text("1")),
    counter("lead_times_measured"),
    Column("measured_lead_time_days", MEASURED_DAYS),
    Column("measured_lead_time_deviation_days", MEASURED_DAYS),
    Column("last_unit_cost", MONEY),
    Column("price_breaks", JSONB),
    Column("minimum_days_at_receipt", Integer),
    Index("product_suppliers_one_preferred", "product_id", unique=True, postgresql_where=text("is_preferred")),
    Index("product_suppliers_supplier", "supplier_id"),
)

product_units = Table(
    "product_units",
    METADATA,
    identity("product_unit_id"),
    reference("products.product_id"),
    needed("unit", Text),
    Column("supplier_id", ForeignKey("suppliers.supplier_id")),
    Column("quantity", BigInteger),
    UniqueConstraint("product_id", "unit", "supplier_id", name="product_units_key", postgresql_nulls_not_distinct=True),
)
"""Packs: base units in each, the house's own and those of suppliers; without a quantity, there is none any more."""

inventory_items = Table(
    "inventory_items",
    METADATA,
    identity("item_id"),
    reference("products.product_id"),
    reference("warehouses.warehouse_id"),
    counter("quantity_on_hand"),
    counter("quantity_reserved"),
    counter("quantity_buffer"),
    counter("quantity_unavailable"),
    Column(
        "quantity_available",
        BigInteger,
        Computed("quantity_on_hand - quantity_reserved - quantity_buffer - quantity_unavailable", persisted=True),
    ),
    Column("reorder_point", BigInteger),
    Column("reorder_quantity", BigInteger),
    Column("last_counted_at", INSTANT),
    Column("last_moved_at", INSTANT),
    needed("planning", Text, server_default=text("'auto'")),
    needed("last_count_was_off", Boolean, server_default=text("false")),
    Column(
        "is_below_reorder_point",
        Boolean,
        Computed(
            "coalesce("
            "quantity_on_hand - quantity_reserved - quantity_buffer - quantity_unavailable < reorder_point, false)",
            persisted=True,
        ),
        nullable=False,
    ),
    needed("is_tracked", Boolean, server_default=text("false")),
    UniqueConstraint("warehouse_id", "product_id", name="inventory_items_item_key"),
    Index("inventory_items_product", "product_id"),
    Index("inventory_items_below", "warehouse_id", "product_id", postgresql_where=text("is_below_reorder_point")),
    Index("inventory_items_tracked", "warehouse_id", "product_id", postgresql_where=text("is_tracked")),
)

stock_movements = Table(
    "stock_movements",
    METADATA,
    identity("movement_id"),
    needed("product_id", BigInteger),
    needed("warehouse_id", BigInteger),
    needed("movement_type", Text),
    needed("reference_id", Text),
    *movement(),
    Column("occurred_at", INSTANT),
    Column("lot_number", Text),
    Column("lot_balance_after", BigInteger),
    item_key("stock_movements_item"),
    composite_key("stock_movements_lot", "lot_items", "warehouse_id", "product_id", "lot_number"),
    Index("stock_movements_by_item", "warehouse_id", "product_id", "created_at", "movement_id"),
    Index("stock_movements_by_reference", "reference_id"),
    Index(
        "stock_movements_by_lot",
        "product_id",
        "lot_number",
        "warehouse_id",
        "created_at",
        "movement_id",
        postgresql_where=text("lot_number IS NOT NULL"),
    ),
    Index(
        "stock_movements_booked_later",
        "warehouse_id",
        "product_id",
        "occurred_at",
        postgresql_where=text("occurred_at IS NOT NULL"),
    ),
    Index("stock_movements_by_time", "created_at", postgresql_using="brin"),
)

operations = Table(
    "operations",
    METADATA,
    Column("operation_id", Text, primary_key=True),
    needed("kind", Text),
    needed("fingerprint", LargeBinary),
    Column("result", JSONB),
    needed("performed_by", Text),
    needed("workflow_id", Text),
    needed("run_id", Text),
    needed("created_at", INSTANT, server_default=text("clock_timestamp()")),
    Index("operations_by_age", "created_at"),
)

refused_operations = Table(
    "refused_operations",
    METADATA,
    Column("operation_id", Text, primary_key=True),
    needed("as_of", INSTANT),
    needed("refusal", Text),
    needed("refused_at", INSTANT, server_default=text("clock_timestamp()")),
    Index("refused_operations_by_age", "refused_at"),
)

item_classes = Table(
    "item_classes",
    METADATA,
    *item_as_primary_key(),
    needed("count_class", Text),
    needed("demand", BigInteger),
    needed("classified_at", INSTANT),
    item_key("item_classes_item"),
)


def _demand_table(name: str, *columns: SchemaItem) -> Table:
    """Units of demand by item and day."""
    return Table(
        name,
        METADATA,
        key_of("warehouses.warehouse_id"),
        key_of("products.product_id"),
        Column("day", Date, primary_key=True),
        needed("quantity", BigInteger),
        *columns,
    )


imported_demand = _demand_table("imported_demand", needed("exclude", Boolean, server_default=text("false")))
daily_demand = _demand_table("daily_demand")

demand_days = Table(
    "demand_days",
    METADATA,
    key_of("warehouses.warehouse_id"),
    needed("through", Date),
)

import_pages = Table(
    "import_pages",
    METADATA,
    Column("import_id", Text, primary_key=True),
    Column("page", Integer, primary_key=True),
    needed("rows", JSONB),
    needed("row_count", Integer),
    needed("staged_at", INSTANT),
)

audit_findings = Table(
    "audit_findings",
    METADATA,
    identity("finding_id"),
    needed("kind", Text),
    Column("warehouse_id", ForeignKey("warehouses.warehouse_id")),
    Column("product_id", ForeignKey("products.product_id")),
    needed("document", Text, server_default=text("''")),
    needed("expected", BigInteger),
    needed("actual", BigInteger),
    needed("status", Text, server_default=text("'OPEN'")),
    needed("first_seen_at", INSTANT),
    needed("last_seen_at", INSTANT),
    needed("workflow_id", Text),
    needed("run_id", Text),
    *closing(),
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
    *item_as_primary_key(),
    Column("since", INSTANT, primary_key=True),
    Column("reorder_point", BigInteger),
    item_key("reorder_points_item"),
)
