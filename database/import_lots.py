"""Lots in files of stock: what may be wrong with those that rows name, and the lock on those that are known."""

from typing import Any

from sqlalchemy import ColumnElement, Select, String, Table, and_, case, cast, exists, func, select, text
from sqlalchemy.engine import Connection

from database.import_file import LAST_DAY, LOT, Incoming
from database.import_problem import problem
from database.lot import lot_items, lots
from database.tables import inventory_items, products, warehouses

_LOOK = ": look at the package"

# As `database.lot.lock_lots`, for all rows of the file at once.
_LOCK = text("""
    SELECT count(*) FROM (
        SELECT DISTINCT product_id, lower(lot_number) AS folded FROM incoming WHERE lot_number IS NOT NULL
        ORDER BY product_id, folded OFFSET 0) AS coming
    CROSS JOIN LATERAL (
        SELECT lot.product_id FROM lots AS lot
        WHERE lot.product_id = coming.product_id AND lower(lot.lot_number) = coming.folded
        FOR KEY SHARE) AS locked
""")


def lock_known_lots(connection: Connection, incoming: Incoming) -> None:
    """Lock the known lots of a file against a change of their status, in their order: before any item is locked."""
    if LOT in incoming.table.c:
        connection.execute(_LOCK)


def faults_of_lots(incoming: Incoming) -> list[Select[Any]]:
    """Checks of the lots of a file of stock, each a query as of `problem`."""
    rows = incoming.table
    known = rows.join(products, products.c.product_id == rows.c.product_id)
    unnamed = problem(
        rows.c.line,
        LOT,
        case(
            (
                products.c.tracking == "SERIAL",
                "is tracked by serial number: name the number of the unit; several units are several rows",
            ),
            else_="is tracked by lot: name the lot of these units; several lots are several rows",
        ),
    ).select_from(known)
    if LOT not in rows.c:
        of_none = [_day_of_no_lot(rows)] if LAST_DAY in rows.c else []
        return [unnamed.where(_is_tracked(rows)), *of_none]
    unwanted = problem(rows.c.line, LOT, "isn't tracked by lot or serial number: leave the lot out").select_from(known)
    checks = [
        unnamed.where(rows.c[LOT].is_(None), _is_tracked(rows)),
        unwanted.where(rows.c[LOT].is_not(None), ~_is_tracked(rows)),
        *_spelled_otherwise(rows),
        *_serials(rows, known),
    ]
    return [*checks, *_days(rows)] if LAST_DAY in rows.c else checks


def _is_tracked(rows: Table) -> ColumnElement[bool]:
    """Whether units of the row's product have lots, where they are; its product is joined.

    In a database that gets the catalogue from another one, an item goes on as it was, as wherever units come.
    """
    item = inventory_items.c
    of_row = and_(item.warehouse_id == rows.c.warehouse_id, item.product_id == rows.c.product_id)
    goes_on = exists().where(of_row, ~item.is_tracked)
    return and_(products.c.tracking != "NONE", ~goes_on)


def _is_lot(rows: Table, *, in_any_case: bool = False) -> ColumnElement[bool]:
    """The condition for a known lot to be that of a row."""
    known, given = lots.c.lot_number, rows.c[LOT]
    alike = func.lower(known) == func.lower(given) if in_any_case else known == given
    return and_(lots.c.product_id == rows.c.product_id, alike)


def _spelled_otherwise(rows: Table) -> list[Select[Any]]:
    """Lots that differ from known ones, or from ones of the file, by upper and lower case alone."""
    differs = "differs by upper and lower case alone from "
    other = and_(_is_lot(rows, in_any_case=True), lots.c.lot_number != rows.c[LOT])
    together = {"partition_by": [rows.c.product_id, func.lower(rows.c[LOT])], "order_by": rows.c.line}
    each = (
        select(
            rows.c.line,
            rows.c[LOT].label("lot"),
            func.first_value(rows.c.line).over(**together).label("first"),  # type: ignore[arg-type]
            func.first_value(rows.c[LOT]).over(**together).label("first_lot"),  # type: ignore[arg-type]
        )
        .where(rows.c[LOT].is_not(None), rows.c.product_id.is_not(None))
        .subquery()
    )
    return [
        problem(rows.c.line, LOT, f"{differs}lot ", lots.c.lot_number, ": write it as it is").select_from(
            rows.join(lots, other)
        ),
        problem(each.c.line, LOT, f"{differs}the lot on line ", each.c.first).where(each.c.lot != each.c.first_lot),
    ]


def _serials(rows: Table, known: Any) -> list[Select[Any]]:
    """Serial numbers of several units, or of a unit that is elsewhere as well."""
    is_serial = and_(products.c.tracking == "SERIAL", rows.c[LOT].is_not(None))
    number = ["serial number ", rows.c[LOT]]
    several = problem(rows.c.line, "quantity", *number, " is of one unit, not of ", rows.c.quantity)
    same = {"partition_by": [rows.c.product_id, rows.c[LOT]], "order_by": rows.c.line}
    each = (
        select(
            rows.c.line,
            rows.c[LOT].label("lot"),
            rows.c.warehouse_id,
            func.first_value(rows.c.line).over(**same).label("first"),  # type: ignore[arg-type]
            func.first_value(rows.c.warehouse_id).over(**same).label("first_place"),  # type: ignore[arg-type]
        )
        .select_from(known)
        .where(is_serial, rows.c.quantity > 0)
        .subquery()
    )
    there = and_(
        lot_items.c.product_id == rows.c.product_id,
        lot_items.c.lot_number == rows.c[LOT],
        lot_items.c.warehouse_id != rows.c.warehouse_id,
        lot_items.c.quantity_on_hand > 0,
    )
    elsewhere = problem(rows.c.line, LOT, *number, " is on hand in ", warehouses.c.name, " already: look at the unit")
    return [
        several.select_from(known).where(is_serial, rows.c.quantity > 1),
        problem(each.c.line, LOT, "serial number ", each.c.lot, " is on one unit, and on line ", each.c.first).where(
            each.c.warehouse_id != each.c.first_place
        ),
        elsewhere.select_from(
            known.join(lot_items, there).join(warehouses, warehouses.c.warehouse_id == lot_items.c.warehouse_id)
        ).where(is_serial, rows.c.quantity > 0),
    ]


def _days(rows: Table) -> list[Select[Any]]:
    """Days of no lot, and days that aren't those of their lot."""
    day = rows.c[LAST_DAY]
    books = rows.join(lots, _is_lot(rows))
    with_day = {"partition_by": [rows.c.product_id, func.lower(rows.c[LOT])], "order_by": rows.c.line}
    each = (
        select(
            rows.c.line,
            day.label("day"),
            func.first_value(rows.c.line).over(**with_day).label("first"),  # type: ignore[arg-type]
            func.first_value(day).over(**with_day).label("first_day"),  # type: ignore[arg-type]
        )
        .where(rows.c[LOT].is_not(None), rows.c.product_id.is_not(None), day.is_not(None))
        .subquery()
    )
    of_lot = ["lot ", rows.c[LOT]]
    return [
        _day_of_no_lot(rows).where(rows.c[LOT].is_(None)),
        problem(
            rows.c.line,
            LAST_DAY,
            *(*of_lot, " expires on ", cast(lots.c.expires_on, String), ", not ", cast(day, String), _LOOK),
        )
        .select_from(books)
        .where(lots.c.expires_on != day),
        problem(rows.c.line, LAST_DAY, *of_lot, " was made on ", cast(lots.c.made_on, String), _LOOK)
        .select_from(books)
        .where(lots.c.made_on > day),
        problem(each.c.line, LAST_DAY, "isn't the day on line ", each.c.first, ", of the same lot", _LOOK).where(
            each.c.day != each.c.first_day
        ),
    ]


def _day_of_no_lot(rows: Table) -> Select[Any]:
    return problem(rows.c.line, LAST_DAY, "is the day of a lot: name the lot").where(rows.c[LAST_DAY].is_not(None))
