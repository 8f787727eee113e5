"""Checks of an imported file's rows against the database, each one statement over all rows.

Messages go to the person who imports the file, with the line and the column.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    Table,
    Text,
    and_,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.engine import Connection

from database.clock import day_of
from database.import_file import Incoming
from database.names import PRODUCTS, SUPPLIERS, WAREHOUSES, suggestions
from database.tables import warehouses
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
    checks.append(_repeated(rows, target.key, target.key[0] if len(target.key) == 1 else None))
    if len(target.key) == 1:
        checks += _twins(incoming, target.key[0])
    if target.id is not None and target.id in rows.c:
        checks += [_repeated(rows, [target.id], target.id), *_other_id(incoming, target.id)]
    if "is_preferred" in rows.c:
        twice = _repeated(rows, ["product_id"], "is_preferred", only=rows.c.is_preferred)
        checks.append(twice)
    if missing := [name for name in NEEDED_WHEN_NEW.get(incoming.kind, ()) if name not in rows.c]:
        checks.append(_lacking(incoming, missing))
    if incoming.kind is ImportKind.DEMAND:
        checks += _of_the_future(connection, incoming.table, as_of)
    return _found(connection, checks, most)


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


def problem(
    line: ColumnElement[Any], column_name: str | None, *message: Any, looked_for: ColumnElement[Any] | None = None
) -> Select[Any]:
    """The columns of a check: line, column, and the message, which is put together from its parts.

    Args:
        line: The line.
        column_name: The column with the fault, if it is one column's.
        message: Texts and values.
        looked_for: The name that isn't there, if that is the fault.
    """
    parts = [each if isinstance(each, ColumnElement) else literal(each, String) for each in message]
    return select(
        line.label("line"),
        (null() if column_name is None else literal(column_name, String)).cast(Text).label("column"),
        func.concat(*parts).label("message"),
        (null() if looked_for is None else looked_for).cast(Text).label("looked_for"),
    )


def _unknown(rows: Table, name: str, id_name: str) -> Select[Any]:
    noun = id_name.removesuffix("_id")
    what = f"there is no {noun} with id " if name == id_name else f"there is no {noun} "
    shown = func.left(rows.c[f"given_{name}"], _VALUE_SHOWN)
    looked_for = None if name == id_name else rows.c[f"given_{name}"]
    return problem(rows.c.line, name, what, shown, looked_for=looked_for).where(rows.c[id_name].is_(None))


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


def _lacking(incoming: Incoming, missing: Sequence[str]) -> Select[Any]:
    rows, there = incoming.table, incoming.target.table
    new = and_(there.c[incoming.target.key[0]].is_(None), *(rows.c[name].is_not(None) for name in incoming.target.key))
    message = f"is new, and needs {' and '.join(missing)}"
    return problem(rows.c.line, None, message).select_from(rows.outerjoin(there, incoming.matches(there))).where(new)
