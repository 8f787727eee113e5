"""Columns that several tables have, and the metadata that all tables belong to.

The migrations make the tables, with every constraint; a test compares both, so that a column that is only in one of
them is found. A `Table` here has what a query needs: names, types, keys and indexes.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)

METADATA = MetaData()

MONEY = Numeric(18, 6)
TOTAL = Numeric(38, 6)
DAYS = Numeric(9, 3)
MEASURED_DAYS = Numeric(12, 6)
INSTANT = DateTime(timezone=True)


def identity(name: str, *, given: bool = False) -> Column[int]:
    """A primary key that the database counts up; ``given``: an import may bring its own."""
    return Column(name, BigInteger, Identity(always=not given), primary_key=True)


def needed(name: str, kind: object, *args: object, **kwargs: object) -> Column[object]:
    """A column that is NOT NULL."""
    return Column(name, kind, *args, nullable=False, **kwargs)  # type: ignore[arg-type]


def counter(name: str) -> Column[object]:
    """Units that are added up; they begin with none."""
    return needed(name, BigInteger, server_default=text("0"))


def key_of(column: str, *, name: str | None = None) -> Column[object]:
    """A part of the primary key that is another table's key: ``key_of("products.product_id")``."""
    return Column(name or column.split(".")[1], ForeignKey(column), primary_key=True)


def reference(column: str, *, name: str | None = None) -> Column[object]:
    """A NOT NULL foreign key: ``reference("warehouses.warehouse_id")``."""
    return needed(name or column.split(".")[1], BigInteger, ForeignKey(column))


def composite_key(name: str, table: Table | str, *columns: str) -> ForeignKeyConstraint:
    """A foreign key of several columns, which have the same names in both tables."""
    return ForeignKeyConstraint(columns, [f"{table}.{column}" for column in columns], name=name)


def item_key(name: str) -> ForeignKeyConstraint:
    """The foreign key to the inventory item of a row."""
    return composite_key(name, "inventory_items", "warehouse_id", "product_id")


def item_as_primary_key() -> tuple[Column[int], Column[int]]:
    """The primary key, or its first part, of a table with rows per inventory item."""
    return Column("warehouse_id", BigInteger, primary_key=True), Column("product_id", BigInteger, primary_key=True)


def origin() -> tuple[Column[object], ...]:
    """The operation that made a row, and the workflow run that asked for it."""
    return needed("operation_id", Text), needed("workflow_id", Text), needed("run_id", Text)


def movement() -> tuple[Column[object], ...]:
    """The columns of an append-only row by which a balance changes."""
    return (
        needed("quantity", BigInteger),
        needed("balance_after", BigInteger),
        needed("performed_by", Text),
        needed("reason", Text),
        *origin(),
        needed("created_at", INSTANT),
    )


def closing() -> tuple[Column[object], ...]:
    """When, by which operation and why a row was closed; NULL while it is open."""
    return Column("closed_at", INSTANT), Column("closed_by", Text), Column("closed_reason", Text)


def lot_columns() -> tuple[Column[object], ...]:
    """What a line of a document says of the lot of its units; NULL: the product isn't tracked."""
    return Column("lot_number", Text), Column("expires_on", Date), Column("best_before", Date), Column("made_on", Date)
