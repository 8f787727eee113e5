"""Checks of an imported file's rows against the database, each one statement over all rows.

Messages go to the person who imports the file, with the line and the column.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    exists,
    func,
    or_,
    select,
    union_all,
)
from sqlalchemy.engine import Connection

from database.clock import day_of
from database.import_file import LOT, Incoming, measured_columns
from database.import_lots import faults_of_lots
from database.import_problem import problem
from database.import_units import faults
from database.names import PRODUCTS, SUPPLIERS, WAREHOUSES, suggestions
from database.tables import inventory_items, products, warehouses
from database.transfer import transfer_order_lines
from stockkeeper.domain.import_file import NEEDED_WHEN_NEW, PROBLEMS_NAMED, BadRow, ImportKind, refusal
from stockkeeper.domain.names import did_you_mean

_VALUE_SHOWN = 80
_LOOKED_UP = {"sku": PRODUCTS, "warehouse": WAREHOUSES, "supplier": SUPPLIERS}


def require_sound(connection: Connection, incoming: Incoming, as_of: datetime) -> None:
    """Check that the names in all rows exist, that no two rows have the same key, and that no demand is of the future.

    Args:
        connection: The transaction.
        incoming: The rows.
        as_of: The workflow's time; today is its day, where the warehouse is.

    Raises:
        InvalidRequest: With the first bad rows.
    """
    bad, total = bad_rows(connection, incoming, as_of, most=PROBLEMS_NAMED)
    if bad:
        raise refusal(bad, total)


def bad_rows(connection: Connection, incoming: Incoming, as_of: datetime, *, most: int) -> tuple[list[BadRow], int]:
    """The first bad rows by line, and how many there are; see `require_sound`."""
    rows, target = incoming.table, incoming.target
    checks = [_unknown(rows, name, id_name) for name, id_name in incoming.references.items()]
    key = (*target.key, LOT) if LOT in rows.c else target.key
    checks.append(_repeated(rows, key, key[0] if len(key) == 1 else None, among=_complete(incoming)))
    if len(target.key) == 1:
        checks += _twins(incoming, target.key[0])
    if target.id is not None and target.id in rows.c:
        checks += [_repeated(rows, [target.id], target.id), *_other_id(incoming, target.id)]
    if "is_preferred" in rows.c:
        twice = _repeated(rows, ["product_id"], "is_preferred", only=rows.c.is_preferred)
        checks.append(twice)
    if missing := [name for name in NEEDED_WHEN_NEW.get(incoming.kind, ()) if name not in rows.c]:
        checks.append(_lacking(incoming, missing))
    if "tracking" in rows.c:
        checks.append(_tracked_with_stock(incoming))
    if measured := measured_columns(incoming.kind, rows.c.keys()):
        checks += [problem(rows.c.line, name, *said).where(which) for name, said, which in faults(rows, measured)]
    if "base_unit" in rows.c:
        checks.append(_other_base_unit(rows))
    return _found(connection, [*checks, *_of_its_kind(connection, incoming, as_of)], most)


def _of_its_kind(connection: Connection, incoming: Incoming, as_of: datetime) -> list[Select[Any]]:
    match incoming.kind:
        case ImportKind.STOCK:
            return faults_of_lots(incoming)
        case ImportKind.BARCODES:
            return [_of_another_product(incoming)]
        case ImportKind.DEMAND:
            return _of_the_future(connection, incoming.table, as_of)
        case _:
            return []


def _found(connection: Connection, checks: Iterable[Select[Any]], most: int) -> tuple[list[BadRow], int]:
    """The answers of checks, each a query for line, column and message; the first few with the nearest names."""
    found = union_all(*checks).subquery()
    problems = connection.execute(
        select(found.c.line, found.c.column, found.c.message, found.c.looked_for, func.count().over())
        .order_by(found.c.line, found.c.column)
        .limit(most)
    ).all()
    named = [
        BadRow(
            line,
            name,
            message + (_suggestion(connection, name, looked_for) if place < PROBLEMS_NAMED else ""),
        )
        for place, (line, name, message, looked_for, _) in enumerate(problems)
    ]
    return named, problems[0][-1] if problems else 0


def _suggestion(connection: Connection, column_name: str | None, looked_for: str | None) -> str:
    """The nearest name, where a row names something that isn't there."""
    if looked_for is None or column_name not in _LOOKED_UP:
        return ""
    return did_you_mean(suggestions(connection, _LOOKED_UP[column_name], [looked_for]))


def _complete(incoming: Incoming) -> ColumnElement[bool]:
    """Whether a row has its whole key: a name that isn't there is no key, and one that isn't given may be."""
    rows, may_lack = incoming.table, incoming.target.may_lack
    known = (rows.c[name].is_not(None) for name in incoming.target.key if name not in may_lack)
    not_given = (
        or_(rows.c[id_name].is_not(None), rows.c[f"given_{name}"].is_(None))
        for name, id_name in incoming.references.items()
        if id_name in may_lack
    )
    return and_(*known, *not_given)


def _unknown(rows: Table, name: str, id_name: str) -> Select[Any]:
    noun = id_name.removesuffix("_id")
    what = f"there is no {noun} with id " if name == id_name else f"there is no {noun} "
    shown = func.left(rows.c[f"given_{name}"], _VALUE_SHOWN)
    looked_for = None if name == id_name else rows.c[f"given_{name}"]
    isnt_there = and_(rows.c[id_name].is_(None), rows.c[f"given_{name}"].is_not(None))
    return problem(rows.c.line, name, what, shown, looked_for=looked_for).where(isnt_there)


def _twins(incoming: Incoming, key: str) -> list[Select[Any]]:
    """New names that differ from known ones, or from ones of the file, by upper and lower case alone."""
    rows, there = incoming.table, incoming.target.table
    alike = and_(func.lower(there.c[key]) == func.lower(rows.c[key]), there.c[key] != rows.c[key])
    same = there.alias("same")
    is_there = select(same).where(same.c[key] == rows.c[key]).correlate(rows).exists()
    together = {"partition_by": func.lower(rows.c[key]), "order_by": rows.c.line}
    each = select(
        rows.c.line,
        rows.c[key].label("name"),
        func.first_value(rows.c.line).over(**together).label("first"),  # type: ignore[arg-type]
        func.first_value(rows.c[key]).over(**together).label("first_name"),  # type: ignore[arg-type]
    ).subquery()
    return [
        problem(rows.c.line, key, "differs by upper and lower case alone from ", func.left(there.c[key], _VALUE_SHOWN))
        .select_from(rows.join(there, alike))
        .where(~is_there),
        problem(each.c.line, key, "differs by upper and lower case alone from line ", each.c.first).where(
            each.c.name != each.c.first_name
        ),
    ]


def _repeated(
    rows: Table,
    key: Sequence[str],
    column_name: str | None,
    *,
    only: ColumnElement[bool] | None = None,
    among: ColumnElement[bool] | None = None,
) -> Select[Any]:
    same = {"partition_by": [rows.c[name] for name in key], "order_by": rows.c.line}
    numbered = select(
        rows.c.line,
        func.first_value(rows.c.line).over(**same).label("first"),  # type: ignore[arg-type]
        func.row_number().over(**same).label("number"),  # type: ignore[arg-type]
    )
    whole = and_(*(rows.c[name].is_not(None) for name in key)) if among is None else among
    numbered = numbered.where(whole, *([] if only is None else [only]))
    each = numbered.subquery()
    what = "another supplier is preferred on line " if only is not None else "is the same as on line "
    return problem(each.c.line, column_name, what, each.c.first).where(each.c.number > 1)


def _other_base_unit(rows: Table) -> Select[Any]:
    """Known products that can't be counted in another unit any more, because numbers of the old one are there."""
    because = func.base_unit_is_needed_by(products.c.product_id)
    other = and_(products.c.sku == rows.c.sku, products.c.base_unit != rows.c.base_unit)
    return (
        problem(
            rows.c.line,
            "base_unit",
            *("can't change from ", products.c.base_unit, " to ", rows.c.base_unit, ": ", because),
            "; a product that is counted in another unit is a new one, with a SKU of its own",
        )
        .select_from(rows.join(products, other))
        .where(because.is_not(None))
    )


def _of_the_future(connection: Connection, rows: Table, as_of: datetime) -> list[Select[Any]]:
    """Days after today, by the calendar of each warehouse."""
    found = select(warehouses.c.warehouse_id, warehouses.c.timezone).where(
        warehouses.c.warehouse_id.in_(select(rows.c.warehouse_id))
    )
    days: dict[date, list[int]] = {}
    for warehouse_id, timezone in connection.execute(found):
        days.setdefault(day_of(as_of, timezone), []).append(warehouse_id)
    return [
        problem(rows.c.line, "day", f"must not be in the future: today is {today}").where(
            rows.c.warehouse_id.in_(there), rows.c.day > today
        )
        for today, there in sorted(days.items())
    ]


def _other_id(incoming: Incoming, id_name: str) -> list[Select[Any]]:
    """Rows that bring an id: the known key has another id, or the id belongs to another key."""
    rows, target = incoming.table, incoming.target
    there, [key] = target.table, target.key
    same_key = problem(rows.c.line, id_name, f"this {key} has the id ", there.c[id_name]).select_from(
        rows.join(there, there.c[key] == rows.c[key])
    )
    same_id = problem(rows.c.line, id_name, "this id is that of ", func.left(there.c[key], _VALUE_SHOWN)).select_from(
        rows.join(there, there.c[id_name] == rows.c[id_name])
    )
    return [same_key.where(there.c[id_name] != rows.c[id_name]), same_id.where(there.c[key] != rows.c[key])]


def _tracked_with_stock(incoming: Incoming) -> Select[Any]:
    """Products with units on a shelf or on a truck: nobody has said which of them would be of which lot."""
    rows, there = incoming.table, incoming.target.table
    other = and_(incoming.matches(there), there.c.tracking != rows.c.tracking)
    item, line = inventory_items, transfer_order_lines
    has_stock = or_(
        exists().where(item.c.product_id == there.c.product_id, item.c.quantity_on_hand > 0),
        exists().where(line.c.product_id == there.c.product_id, line.c.in_transit > 0),
    )
    advice = ": adjust its stock to 0, import this row again, then its stock by lot"
    stays = problem(rows.c.line, "tracking", "has stock, so its tracking stays ", there.c.tracking, advice)
    return stays.select_from(rows.join(there, other)).where(has_stock)


def _of_another_product(incoming: Incoming) -> Select[Any]:
    """Barcodes that mean another product: whoever scans them would get the wrong goods."""
    rows, there = incoming.table, incoming.target.table
    is_of_another = and_(incoming.matches(there), there.c.product_id != rows.c.product_id)
    known = rows.join(there, is_of_another).join(products, products.c.product_id == there.c.product_id)
    sku = func.left(products.c.sku, _VALUE_SHOWN)
    advice = "; take it away there first, by `stockkeeper product forget-barcode`"
    return problem(rows.c.line, "barcode", "is a barcode of ", sku, advice).select_from(known)


def _lacking(incoming: Incoming, missing: Sequence[str]) -> Select[Any]:
    rows, there = incoming.table, incoming.target.table
    new = and_(there.c[incoming.target.key[0]].is_(None), *(rows.c[name].is_not(None) for name in incoming.target.key))
    message = f"is new, and needs {' and '.join(missing)}"
    return problem(rows.c.line, None, message).select_from(rows.outerjoin(there, incoming.matches(there))).where(new)
