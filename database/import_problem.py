"""A check of an imported file's rows: a query for line, column and message of those that are bad."""

from typing import Any

from sqlalchemy import ColumnElement, Select, String, Text, func, literal, null, select


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
