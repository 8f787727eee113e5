"""The rows of an imported file in the database, beside the table that they are for.

The rows, of whatever kind, become a temporary table ``incoming``: the columns of the file, and for each name in a row
(a SKU, a warehouse) the id behind it, NULL if there is none. Every check (`database.import_file_checks`) and every
write is then one statement over all rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    FromClause,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    column,
    false,
    func,
    insert,
    null,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from database.import_units import UNIT, convert, units_columns
from database.locks import lock_table
from database.tables import (
    former_skus,
    import_pages,
    imported_demand,
    inventory_items,
    product_barcodes,
    product_suppliers,
    product_units,
    products,
    suppliers,
    warehouses,
)
from stockkeeper.domain.import_file import COLUMNS, MEASURED, ImportKind

LOT, LAST_DAY = "lot_number", "expires_on"
"""The columns of a file of stock for the lot of tracked units."""
_BESIDE: Mapping[str, TypeEngine[Any]] = {UNIT: Text(), LOT: Text(), LAST_DAY: Date()}
"""Columns of files that aren't columns of the table, unless they are whole numbers."""


@dataclass(frozen=True)
class Target:
    """The table for the rows of a kind of file, and the natural key by which an existing row is found."""

    table: Table
    key: tuple[str, ...]
    id: str | None = None
    """The column with the row's id, which a file may bring along."""
    may_lack: frozenset[str] = frozenset()
    """Columns of the key that may be NULL, which is a value like any other."""

    def type_of(self, name: str) -> TypeEngine[Any]:
        """The type of a column of the file. Opening stock becomes a movement, and so it isn't a column of the table."""
        if name in self.table.c:
            return self.table.c[name].type
        return _BESIDE.get(name) or BigInteger()


TARGETS: Mapping[ImportKind, Target] = {
    ImportKind.PRODUCTS: Target(products, ("sku",), "product_id"),
    ImportKind.WAREHOUSES: Target(warehouses, ("name",), "warehouse_id"),
    ImportKind.SUPPLIERS: Target(suppliers, ("name",), "supplier_id"),
    ImportKind.PRODUCT_SUPPLIERS: Target(product_suppliers, ("product_id", "supplier_id")),
    ImportKind.BARCODES: Target(product_barcodes, ("barcode",)),
    ImportKind.STOCK: Target(inventory_items, ("warehouse_id", "product_id")),
    ImportKind.DEMAND: Target(imported_demand, ("warehouse_id", "product_id", "day")),
    ImportKind.UNITS: Target(product_units, ("product_id", "unit", "supplier_id"), may_lack=frozenset({"supplier_id"})),
}

_NAMED_BY: Mapping[str, tuple[str, Column[Any]]] = {
    "sku": ("product_id", products.c.sku),
    "product_id": ("product_id", products.c.product_id),
    "warehouse": ("warehouse_id", warehouses.c.name),
    "warehouse_id": ("warehouse_id", warehouses.c.warehouse_id),
    "supplier": ("supplier_id", suppliers.c.name),
    "supplier_id": ("supplier_id", suppliers.c.supplier_id),
}
"""For each column that names another row: the id that it stands for, and the column in which it is looked up."""


@dataclass(frozen=True)
class Incoming:
    """The rows of a file in the temporary table.

    Attributes:
        kind: The kind of file.
        table: The temporary table.
        references: Columns that name a row of another table, each with the column of ``table`` that has its id.
        values: Columns that are written as they are, and ids that aren't part of the key.
    """

    kind: ImportKind
    table: Table
    references: Mapping[str, str]
    values: tuple[str, ...]

    @property
    def target(self) -> Target:
        """The table for the rows."""
        return TARGETS[self.kind]

    def matches(self, table: FromClause) -> ColumnElement[bool]:
        """The condition for a row of ``table`` to have the key of an incoming row."""
        may_lack = self.target.may_lack
        return and_(
            *(
                table.c[name].is_not_distinct_from(self.table.c[name])
                if name in may_lack
                else table.c[name] == self.table.c[name]
                for name in self.target.key
            )
        )


class Upserted(NamedTuple):
    """How many rows a file had, and how many of them were inserted and updated; the others changed nothing."""

    rows: int
    inserted: int
    updated: int


_STAGE = text("""
    INSERT INTO import_pages (import_id, page, rows, row_count, staged_at)
    VALUES (:import_id, :page, CAST(:rows AS jsonb), :row_count, :staged_at)
    ON CONFLICT (import_id, page) DO UPDATE
    SET rows = excluded.rows, row_count = excluded.row_count, staged_at = excluded.staged_at
""").bindparams(bindparam("rows", type_=String))


def stage(
    connection: Connection, import_id: str, page: int, rows: bytes, *, row_count: int, staged_at: datetime
) -> None:
    """Store the rows of a page, as JSON, until the file is whole. The same page again replaces it."""
    of_page = {"import_id": import_id, "page": page, "row_count": row_count, "staged_at": staged_at}
    connection.execute(_STAGE, of_page | {"rows": rows.decode()})


def load(connection: Connection, kind: ImportKind, import_id: str, columns: Sequence[str]) -> Incoming:
    """Put the staged rows of an import into ``incoming``, with the ids behind the names in them. Locks nothing."""
    groups = [*COLUMNS[kind].one_of, *COLUMNS[kind].at_most_one_of]
    references = {name: _NAMED_BY[name][0] for group in groups for name in group if name in columns}
    target = TARGETS[kind]
    measured = measured_columns(kind, columns)
    not_written = {*references, *target.key, target.id, *([UNIT] if measured else [])}
    values = (
        *(id_name for id_name in references.values() if id_name not in target.key),
        *(name for name in columns if name not in not_written),
    )
    lacking = sorted(target.may_lack - set(references.values()))
    own = [name for name in columns if name not in references]

    def given_type(name: str) -> TypeEngine[Any]:
        if name in measured:
            return Numeric()
        return target.type_of(name) if name in own else _NAMED_BY[name][1].type

    given = (
        func.jsonb_to_recordset(import_pages.c.rows)
        .table_valued(
            column("line", BigInteger),
            *(column(name, given_type(name)) for name in columns),
            name="given",
        )
        .render_derived(with_types=True)
    )
    table = Table(
        "incoming",
        MetaData(),
        Column("line", BigInteger),
        *(Column(name, target.type_of(name)) for name in own),
        *(Column(f"given_{name}", Text) for name in references),
        *(Column(id_name, BigInteger) for id_name in [*references.values(), *lacking]),
        *units_columns(measured),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    named: FromClause = import_pages.join(given, true())
    for name in references:
        at = _NAMED_BY[name][1]
        named = named.outerjoin(at.table, at == given.c[name])
    chosen = [
        given.c.line,
        *(null() if name in measured else given.c[name] for name in own),
        *(cast(given.c[name], Text) for name in references),
        *(_NAMED_BY[name][1].table.c[id_name] for name, id_name in references.items()),
        *(null() for _ in lacking),
        *(given.c[name] for name in measured),
    ]
    table.create(connection)
    rows = select(*chosen).select_from(named).where(import_pages.c.import_id == import_id)
    connection.execute(insert(table).from_select([each.name for each in list(table.columns)[: len(chosen)]], rows))
    for name, id_name in references.items():
        if name != id_name:
            _find_in_any_case(connection, table, name, id_name)
    if "sku" in columns:
        _find_by_former_sku(connection, kind, table)
    if measured:
        convert(connection, table, measured)
    connection.execute(text("ANALYZE incoming"))
    return Incoming(kind, table, references, values)


def measured_columns(kind: ImportKind, columns: Collection[str]) -> list[str]:
    """The quantities of a file that are counted in the units that its rows name; none in a file without that column."""
    return [name for name in MEASURED.get(kind, ()) if name in columns] if UNIT in columns else []


def _find_in_any_case(connection: Connection, table: Table, name: str, id_name: str) -> None:
    """Give rows whose name isn't there the id of the only one that differs from it by upper and lower case alone."""
    at, given = _NAMED_BY[name][1], table.c[f"given_{name}"]
    number = at.table.c[id_name]
    only = select(func.min(number)).where(func.lower(at) == func.lower(given)).having(func.count() == 1)
    connection.execute(update(table).values({id_name: only.scalar_subquery()}).where(table.c[id_name].is_(None)))


def _find_by_former_sku(connection: Connection, kind: ImportKind, table: Table) -> None:
    """Let rows with the SKU that a product had mean that product, under the SKU that it has."""
    if kind is ImportKind.PRODUCTS:
        given, found, missing = table.c.sku, products.c.sku, ~table.c.sku.in_(select(products.c.sku))
    else:
        given, found, missing = table.c.given_sku, products.c.product_id, table.c.product_id.is_(None)
    had = and_(func.lower(former_skus.c.sku) == func.lower(given), former_skus.c.taken_back_at.is_(None))
    now = products.c.product_id == former_skus.c.product_id
    into = table.c.sku if kind is ImportKind.PRODUCTS else table.c.product_id
    connection.execute(update(table).values({into: found}).where(missing, had, now))


def upsert(connection: Connection, incoming: Incoming) -> Upserted:
    """Insert new rows and update different ones, by the natural key; only columns of the file are written.

    The caller holds the target's lock (`lock_target`), so that a new row stays new.
    """
    rows, target = incoming.table, incoming.target
    there = target.table
    counted = connection.execute(
        select(
            func.count().label("rows"),
            func.count().filter(there.c[target.key[0]].is_(None)).label("inserted"),
            func.count().filter(and_(there.c[target.key[0]].is_not(None), differs(incoming))).label("updated"),
        ).select_from(rows.outerjoin(there, incoming.matches(there)))
    ).one()
    if "is_preferred" in incoming.values:
        _unprefer(connection, rows)
    if counted.updated:
        connection.execute(
            update(there)
            .values({name: rows.c[name] for name in incoming.values})
            .where(incoming.matches(there), differs(incoming))
        )
    if counted.inserted:
        brought = [target.id] if target.id is not None and target.id in rows.c else []
        written = [*target.key, *brought, *incoming.values]
        is_there = select(there).where(incoming.matches(there)).correlate(rows).exists()
        new = select(*(rows.c[name] for name in written)).where(~is_there).order_by(rows.c.line)
        connection.execute(insert(there).from_select(written, new))
        for name in brought:
            _count_on_after(connection, there, rows.c[name])
    return Upserted(counted.rows, counted.inserted, counted.updated)


def lock_target(connection: Connection, kind: ImportKind) -> None:
    """Lock the table for these rows against other writers."""
    lock_table(connection, TARGETS[kind].table)


def differs(incoming: Incoming) -> ColumnElement[bool]:
    """Whether a row of the file has another value than its row of the target."""
    there = incoming.target.table
    return or_(*(there.c[name].is_distinct_from(incoming.table.c[name]) for name in incoming.values), false())


def _unprefer(connection: Connection, rows: Table) -> None:
    """Clear the preference for other suppliers of these products first: a product has one preferred supplier."""
    preferred = product_suppliers.c.is_preferred
    connection.execute(
        update(product_suppliers)
        .values(is_preferred=False)
        .where(
            preferred,
            rows.c.is_preferred,
            product_suppliers.c.product_id == rows.c.product_id,
            product_suppliers.c.supplier_id != rows.c.supplier_id,
        )
    )


def _count_on_after(connection: Connection, table: Table, ids: ColumnElement[int]) -> None:
    """Let the identity column go on after the largest id of the file. It never goes back."""
    sequence = cast(func.pg_get_serial_sequence(table.name, ids.name), REGCLASS)
    largest = select(func.max(ids)).scalar_subquery()
    connection.execute(select(func.setval(sequence, func.greatest(func.nextval(sequence), largest))))
