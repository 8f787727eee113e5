"""A whole file in the database: its rows beside the tables that they are for, checked and written set by set.

The rows of a file, whatever they are, become a temporary table ``incoming``: the columns of the file, and for what a
row names (a SKU, a warehouse) the id behind it, null if there is none. Every check and every write is then one
statement over all rows, for ten of them as for a million.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import Connection
from sqlalchemy.types import TypeEngine

from database.locks import lock_table
from database.tables import (
    import_pages,
    imported_demand,
    inventory_items,
    product_suppliers,
    products,
    suppliers,
    warehouses,
)
from stockkeeper.contracts.import_file import Applied, ApplyImportStep
from stockkeeper.domain.import_file import COLUMNS, NEEDED_WHEN_NEW, PROBLEMS_NAMED, BadRow, ImportKind, refusal

_VALUE_SHOWN = 80


@dataclass(frozen=True)
class Target:
    """Where the rows of a kind of file go: a table, and the key by which a row is the same one."""

    table: Table
    key: tuple[str, ...]
    id: str | None = None
    """The id that a file may bring along."""

    def type_of(self, name: str) -> TypeEngine[Any]:
        """How the database stores a column of the file. Opening stock becomes a movement, so it is no column there."""
        return self.table.c[name].type if name in self.table.c else BigInteger()


TARGETS: Mapping[ImportKind, Target] = {
    ImportKind.PRODUCTS: Target(products, ("sku",), "product_id"),
    ImportKind.WAREHOUSES: Target(warehouses, ("name",), "warehouse_id"),
    ImportKind.SUPPLIERS: Target(suppliers, ("name",), "supplier_id"),
    ImportKind.PRODUCT_SUPPLIERS: Target(product_suppliers, ("product_id", "supplier_id")),
    ImportKind.STOCK: Target(inventory_items, ("warehouse_id", "product_id")),
    ImportKind.DEMAND: Target(imported_demand, ("warehouse_id", "product_id", "day")),
}

_NAMED_BY: Mapping[str, tuple[str, Column[Any]]] = {
    "sku": ("product_id", products.c.sku),
    "product_id": ("product_id", products.c.product_id),
    "warehouse": ("warehouse_id", warehouses.c.name),
    "warehouse_id": ("warehouse_id", warehouses.c.warehouse_id),
    "supplier": ("supplier_id", suppliers.c.name),
    "supplier_id": ("supplier_id", suppliers.c.supplier_id),
}
"""What a column of a file names: the id that it stands for, and where it is looked up."""


@dataclass(frozen=True)
class Incoming:
    """The rows of a file in the temporary table.

    Attributes:
        kind: What they are.
        table: The temporary table.
        references: Columns that name something else, each with the column of ``table`` that has its id.
        values: Columns that are written as they came.
    """

    kind: ImportKind
    table: Table
    references: Mapping[str, str]
    values: tuple[str, ...]

    @property
    def target(self) -> Target:
        """Where the rows go."""
        return TARGETS[self.kind]

    def matches(self, table: FromClause) -> ColumnElement[bool]:
        """A row of ``table`` has the key of an incoming row."""
        return and_(*(table.c[name] == self.table.c[name] for name in self.target.key))


def load(connection: Connection, step: ApplyImportStep) -> Incoming:
    """Put the staged rows into ``incoming``, with the ids of what they name. Locks nothing."""
    groups = COLUMNS[step.kind].one_of
    references = {name: _NAMED_BY[name][0] for group in groups for name in group if name in step.columns}
    target = TARGETS[step.kind]
    values = tuple(name for name in step.columns if name not in references and name not in (*target.key, target.id))
    own = [name for name in step.columns if name not in references]
    given = (
        func.jsonb_to_recordset(import_pages.c.rows)
        .table_valued(
            column("line", BigInteger),
            *(column(name, target.type_of(name) if name in own else _NAMED_BY[name][1].type) for name in step.columns),
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
        *(Column(id_name, BigInteger) for id_name in references.values()),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    named: FromClause = import_pages.join(given, true())
    for name in references:
        at = _NAMED_BY[name][1]
        named = named.outerjoin(at.table, at == given.c[name])
    chosen = [
        given.c.line,
        *(given.c[name] for name in own),
        *(cast(given.c[name], Text) for name in references),
        *(_NAMED_BY[name][1].table.c[id_name] for name, id_name in references.items()),
    ]
    table.create(connection)
    rows = select(*chosen).select_from(named).where(import_pages.c.import_id == step.import_id)
    connection.execute(insert(table).from_select([each.name for each in table.columns], rows))
    connection.execute(text("ANALYZE incoming"))
    return Incoming(step.kind, table, references, values)


def require_sound(connection: Connection, incoming: Incoming) -> None:
    """Every row names what is there, and no two rows are about the same thing.

    Raises:
        InvalidRequest: With the first bad rows.
    """
    rows, target = incoming.table, incoming.target
    checks = [_unknown(rows, name, id_name) for name, id_name in incoming.references.items()]
    checks.append(_repeated(rows, target.key, target.key[0] if len(target.key) == 1 else None))
    if target.id is not None and target.id in rows.c:
        checks += [_repeated(rows, [target.id], target.id), *_other_id(incoming, target.id)]
    if "is_preferred" in rows.c:
        twice = _repeated(rows, ["product_id"], "is_preferred", only=rows.c.is_preferred)
        checks.append(twice)
    if missing := [name for name in NEEDED_WHEN_NEW.get(incoming.kind, ()) if name not in rows.c]:
        checks.append(_lacking(incoming, missing))
    refuse_if_any(connection, checks)


def refuse_if_any(connection: Connection, checks: Iterable[Select[Any]]) -> None:
    """Run checks, each a query for line, column and message.

    Raises:
        InvalidRequest: They found something: the first rows by line, and how many there are.
    """
    found = union_all(*checks).subquery()
    problems = connection.execute(
        select(found.c.line, found.c.column, found.c.message, func.count().over().label("total"))
        .order_by(found.c.line, found.c.column)
        .limit(PROBLEMS_NAMED)
    ).all()
    if problems:
        raise refusal([BadRow(bad.line, bad.column, bad.message) for bad in problems], problems[0].total)


def problem(line: ColumnElement[Any], column_name: str | None, *message: Any) -> Select[Any]:
    """The columns of a check: where, and what is wrong; the parts of the message are put together."""
    parts = [each if isinstance(each, ColumnElement) else literal(each, String) for each in message]
    return select(
        line.label("line"),
        (null() if column_name is None else literal(column_name, String)).cast(Text).label("column"),
        func.concat(*parts).label("message"),
    )


def upsert(connection: Connection, incoming: Incoming) -> Applied:
    """Insert what is new and change what is different, by the natural key; only columns of the file are written.

    The caller holds the target's lock (`lock_target`), so that what is new stays new.
    """
    rows, target = incoming.table, incoming.target
    there = target.table
    counted = connection.execute(
        select(
            func.count().label("rows"),
            func.count().filter(there.c[target.key[0]].is_(None)).label("inserted"),
            func.count().filter(and_(there.c[target.key[0]].is_not(None), _differs(incoming))).label("updated"),
        ).select_from(rows.outerjoin(there, incoming.matches(there)))
    ).one()
    if "is_preferred" in incoming.values:
        _unprefer(connection, rows)
    if counted.updated:
        connection.execute(
            update(there)
            .values({name: rows.c[name] for name in incoming.values})
            .where(incoming.matches(there), _differs(incoming))
        )
    if counted.inserted:
        brought = [target.id] if target.id is not None and target.id in rows.c else []
        written = [*target.key, *brought, *incoming.values]
        is_there = select(there).where(incoming.matches(there)).correlate(rows).exists()
        new = select(*(rows.c[name] for name in written)).where(~is_there).order_by(rows.c.line)
        connection.execute(insert(there).from_select(written, new))
        for name in brought:
            _count_on_after(connection, there, rows.c[name])
    return Applied(
        rows=counted.rows,
        inserted=counted.inserted,
        updated=counted.updated,
        unchanged=counted.rows - counted.inserted - counted.updated,
    )


def lock_target(connection: Connection, kind: ImportKind) -> None:
    """Lock the table that these rows are for against other writers."""
    lock_table(connection, TARGETS[kind].table)


def _differs(incoming: Incoming) -> ColumnElement[bool]:
    there = incoming.target.table
    return or_(*(there.c[name].is_distinct_from(incoming.table.c[name]) for name in incoming.values), false())


def _unknown(rows: Table, name: str, id_name: str) -> Select[Any]:
    noun = id_name.removesuffix("_id")
    what = f"there is no {noun} with id " if name == id_name else f"there is no {noun} "
    shown = func.left(rows.c[f"given_{name}"], _VALUE_SHOWN)
    return problem(rows.c.line, name, what, shown).where(rows.c[id_name].is_(None))


def _repeated(
    rows: Table, key: Sequence[str], column_name: str | None, *, only: ColumnElement[bool] | None = None
) -> Select[Any]:
    same = {"partition_by": [rows.c[name] for name in key], "order_by": rows.c.line}
    numbered = select(
        rows.c.line,
        func.first_value(rows.c.line).over(**same).label("first"),  # type: ignore[arg-type]
        func.row_number().over(**same).label("number"),  # type: ignore[arg-type]
    ).where(*(rows.c[name].is_not(None) for name in key), *([] if only is None else [only]))
    each = numbered.subquery()
    what = "another supplier is preferred on line " if only is not None else "is the same as on line "
    return problem(each.c.line, column_name, what, each.c.first).where(each.c.number > 1)


def _other_id(incoming: Incoming, id_name: str) -> list[Select[Any]]:
    """A row that brings an id must not say another one than is known, nor one that is somebody else's."""
    rows, target = incoming.table, incoming.target
    there, [key] = target.table, target.key
    same_key = problem(rows.c.line, id_name, f"this {key} has the id ", there.c[id_name]).select_from(
        rows.join(there, there.c[key] == rows.c[key])
    )
    same_id = problem(rows.c.line, id_name, "this id is that of ", func.left(there.c[key], _VALUE_SHOWN)).select_from(
        rows.join(there, there.c[id_name] == rows.c[id_name])
    )
    return [same_key.where(there.c[id_name] != rows.c[id_name]), same_id.where(there.c[key] != rows.c[key])]


def _lacking(incoming: Incoming, missing: Sequence[str]) -> Select[Any]:
    rows, there = incoming.table, incoming.target.table
    new = and_(there.c[incoming.target.key[0]].is_(None), *(rows.c[name].is_not(None) for name in incoming.target.key))
    message = f"is new, and needs {' and '.join(missing)}"
    return problem(rows.c.line, None, message).select_from(rows.outerjoin(there, incoming.matches(there))).where(new)


def _unprefer(connection: Connection, rows: Table) -> None:
    """A product has one preferred supplier: the one that was gives way first."""
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
    """The database counts on after the largest id that was brought. It never counts back."""
    sequence = cast(func.pg_get_serial_sequence(table.name, ids.name), REGCLASS)
    largest = select(func.max(ids)).scalar_subquery()
    connection.execute(select(func.setval(sequence, func.greatest(func.nextval(sequence), largest))))
