"""What the rows of a file would change, beside the table that they are for. Nothing is written."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Text,
    and_,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)

from database.import_file import LOT, Incoming, Upserted, differs
from database.order_terms import price_breaks_of, price_breaks_written

_VALUE_SHOWN = 80
_BREAKS = "price_breaks"


def keys_by_line(connection: Connection, incoming: Incoming) -> dict[int, str]:
    """What each row is about, as the file calls it: ``TEA-100 in Hamburg``."""
    rows = incoming.table
    names: list[ColumnElement[Any]] = [rows.c[f"given_{name}"] for name in incoming.references] or [
        rows.c[incoming.target.key[0]]
    ]
    names += [cast(rows.c[name], Text) for name in ("day", "barcode", "unit") if name in incoming.target.key]
    if LOT in rows.c:
        names.append(rows.c[LOT])
    found = connection.execute(select(rows.c.line, func.concat_ws(", ", *names)))
    return {row[0]: row[1] for row in found}


def changes_of(
    connection: Connection, incoming: Incoming, wrong: Collection[int], *, most: int
) -> tuple[Upserted, list[dict[str, Any]], int]:
    """How many rows would be new and updated, the first changes by line, and the number of changes.

    Args:
        connection: The transaction.
        incoming: The rows.
        wrong: Lines of bad rows, which are left out.
        most: Changes at most.
    """
    rows, there = incoming.table, incoming.target.table
    joined = rows.outerjoin(there, incoming.matches(there))
    right = rows.c.line.not_in(wrong) if wrong else literal(value=True)
    is_new, is_known = there.c[incoming.target.key[0]].is_(None), there.c[incoming.target.key[0]].is_not(None)
    counted = connection.execute(
        select(
            func.count(),
            func.count().filter(is_new),
            func.count().filter(and_(is_known, differs(incoming))),
        )
        .select_from(joined)
        .where(right)
    ).one()
    each: list[Select[Any]] = [
        select(
            rows.c.line,
            literal("new", String).label("what"),
            null().cast(Text).label("column"),
            null().cast(Text).label("before"),
            null().cast(Text).label("after"),
        )
        .select_from(joined)
        .where(right, is_new)
    ]
    each += [
        select(
            rows.c.line,
            literal("updated", String),
            literal(name, String),
            _begins(there.c[name]),
            _begins(rows.c[name]),
        )
        .select_from(joined)
        .where(right, is_known, there.c[name].is_distinct_from(rows.c[name]))
        for name in incoming.values
    ]
    found = union_all(*each).subquery()
    changes = connection.execute(
        select(found, func.count().over().label("total")).order_by(found.c.line, found.c.column).limit(most)
    ).all()
    keys = keys_by_line(connection, incoming)
    shown = [
        {"line": row.line, "what": row.what, "key": keys[row.line]}
        | {"column": row.column, "before": _shown(row.column, row.before), "after": _shown(row.column, row.after)}
        for row in changes
    ]
    return Upserted(*counted), shown, changes[0].total if changes else 0


def _begins(cell: ColumnElement[Any]) -> ColumnElement[Any]:
    """The beginning of a cell; price breaks whole, which are shown in another way than they are kept."""
    kept = cast(cell, Text)
    return kept if cell.key == _BREAKS else func.left(kept, _VALUE_SHOWN)


def _shown(column: str | None, value: str | None) -> str | None:
    """The beginning of a cell; price breaks as a file has them."""
    if value is not None and column == _BREAKS:
        value = price_breaks_written(price_breaks_of(json.loads(value)))
    return value if value is None else value[:_VALUE_SHOWN]
