"""Files in the order in which they took effect, and the last one that stated each item's quantity.

By them a file is recognised that nothing later has changed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    case,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert

from database.columns import METADATA, identity, item_as_primary_key, item_key, needed
from database.operations import Operation, result_of
from database.tables import stock_movements
from stockkeeper.domain.import_file import OPENING_STOCK, ImportKind

_LOT = "lot_number"

imported_files = Table(
    "imported_files",
    METADATA,
    identity("position"),
    needed("kind", Text),
    needed("import_id", Text),
    needed("application", Integer),
    needed("operation_id", Text),
    UniqueConstraint("import_id", "application", name="imported_files_import_id_application_key"),
    Index("imported_files_by_kind", "kind", "position"),
)


stated_quantities = Table(
    "stated_quantities",
    METADATA,
    *item_as_primary_key(),
    needed("import_id", Text),
    item_key("stated_quantities_item"),
)


stated_lots = Table(
    "stated_lots",
    METADATA,
    *item_as_primary_key(),
    Column("lot_number", Text, primary_key=True),
    needed("import_id", Text),
    item_key("stated_lots_item"),
)


@dataclass(frozen=True)
class Earlier:
    """An earlier import of a file.

    Attributes:
        applications: How often it was applied.
        result: Of the last time, if no other file of its kind took effect since; else None.
    """

    applications: int
    result: Any | None


def read_earlier(connection: Connection, import_id: str) -> Earlier:
    """The earlier imports of a file. Locks nothing."""
    file = imported_files.c
    last = connection.execute(
        select(file.kind, file.position, file.application, file.operation_id)
        .where(file.import_id == import_id)
        .order_by(file.application.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return Earlier(0, None)
    newest = connection.execute(select(func.max(file.position)).where(file.kind == last.kind)).scalar_one()
    current = result_of(connection, last.operation_id) if newest == last.position else None
    return Earlier(last.application, current)


def keep_import(connection: Connection, operation: Operation, kind: ImportKind, import_id: str) -> None:
    """Note that a file takes effect now. The caller holds the locks of its rows, so that the order is right."""
    file = imported_files.c
    application = select(func.coalesce(func.max(file.application), 0) + 1).where(file.import_id == import_id)
    connection.execute(
        insert(imported_files).values(
            kind=kind,
            import_id=import_id,
            application=application.scalar_subquery(),
            operation_id=operation.operation_id,
        )
    )


def applications_of(connection: Connection, import_id: str) -> int:
    """How often a file was applied."""
    count = select(func.count()).select_from(imported_files).where(imported_files.c.import_id == import_id)
    return int(connection.execute(count).scalar_one())


def said_by(rows: Table, import_id: str) -> ColumnElement[bool]:
    """Whether this file was the last to say the quantity of a row's item, or of its lot if it names one."""
    of_item = _said_by(rows, stated_quantities, import_id)
    if _LOT not in rows.c:
        return of_item
    return case((rows.c[_LOT].is_(None), of_item), else_=_said_by(rows, stated_lots, import_id))


def _key_of(stated: Table) -> list[str]:
    return [column.name for column in stated.primary_key.columns]


def _said_by(rows: Table, stated: Table, import_id: str) -> ColumnElement[bool]:
    of_row = (stated.c[name] == rows.c[name] for name in _key_of(stated))
    return select(stated.c.import_id == import_id).where(*of_row).correlate(rows).scalar_subquery().is_(true())


def keep_quantities(connection: Connection, rows: Table, import_id: str, skipped: Collection[int]) -> None:
    """Note for the items and lots of a stock file that it was the last to say their quantity.

    The caller has locked the items. By the items the files of a warehouse are found (`database.moving`), so those of
    lots are noted as well.
    """
    _keep(connection, rows, stated_quantities, import_id, skipped)
    if _LOT in rows.c:
        _keep(connection, rows, stated_lots, import_id, skipped)


def _keep(connection: Connection, rows: Table, stated: Table, import_id: str, skipped: Collection[int]) -> None:
    key = [rows.c[name] for name in _key_of(stated)]
    said = select(*key, literal(import_id, Text)).order_by(*key)
    if _LOT in rows.c:
        # Several lots of an item are several rows.
        said = said.distinct().where(*(each.is_not(None) for each in key))
    if skipped:
        said = said.where(rows.c.line.not_in(skipped))
    new = insert(stated).from_select([*_key_of(stated), "import_id"], said)
    replaced = {"import_id": new.excluded.import_id}
    connection.execute(new.on_conflict_do_update(index_elements=list(stated.primary_key.columns), set_=replaced))


def warehouses_in_use(connection: Connection, rows: Table) -> set[int]:
    """The warehouses of these rows that have movements other than opening stock."""
    moved = stock_movements.c
    places = select(rows.c.warehouse_id).distinct().subquery()
    other = select(moved.movement_id).where(moved.warehouse_id == places.c.warehouse_id, moved.reason != OPENING_STOCK)
    return set(connection.execute(select(places.c.warehouse_id).where(other.exists())).scalars())
