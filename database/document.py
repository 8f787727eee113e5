"""Common parts of documents in the database: a header with a unique number, and numbered lines.

The room of a document (`database.transfer`, `database.purchase_order`, ...) has its tables and all of its SQL: lock,
read, insert, update. What all documents do alike is written here once; their lock is in `database.locks`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    TextClause,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.schema import SchemaItem

from database.columns import INSTANT, METADATA, closing, identity, key_of, needed, origin, reference
from database.operations import Operation
from stockkeeper.domain.conflicts import twin_of


@dataclass(frozen=True)
class Document:
    """One kind of document.

    Attributes:
        name: For people, such as "purchase order".
        header: The table with a row per document.
        number: The column of that table with the document's own number.
        lines: The table with its lines.
        shown: The header as answers show it, by ``:number``; None: the document's room has a reading of its own.
        lines_shown: Its lines as answers show them, by ``:key``.
        lines_name: The name of the lines in answers.
    """

    name: str
    header: Table
    number: Column[Any]
    lines: Table
    shown: TextClause | None = None
    lines_shown: TextClause | None = None
    lines_name: str = "lines"

    @property
    def key(self) -> Column[Any]:
        """The header's primary key."""
        return self.header.primary_key.columns[0]


def document_table(name: str, *columns: SchemaItem, key: str, number: str, initial: str | None = None) -> Table:
    """The header table of a kind of document, with the columns that all documents have.

    Args:
        name: The table.
        columns: The columns that only this kind of document has.
        key: Its primary key.
        number: Its unique number.
        initial: The default of ``status``; None: there is none.
    """
    return Table(
        name,
        METADATA,
        identity(key),
        needed(number, Text),
        needed("status", Text, server_default=None if initial is None else text(f"'{initial}'")),
        needed("requested_by", Text),
        needed("created_at", INSTANT),
        *columns,
        *closing(),
        *origin(),
        Index(f"{name}_folded", text(f"lower({number})")),
        UniqueConstraint(number, name=f"{name}_{number}_key"),
    )


def line_table(name: str, header: Table, *columns: SchemaItem) -> Table:
    """The lines of a kind of document: each has its place, from 1, and one product."""
    key = header.primary_key.columns[0]
    return Table(
        name,
        METADATA,
        key_of(f"{header.name}.{key.name}"),
        Column("line_number", Integer, primary_key=True),
        reference("products.product_id"),
        *columns,
    )


def is_stored(connection: Connection, document: Document, number: str) -> bool:
    """Whether there is a document by this number. Locks nothing; documents are never deleted."""
    found = select(document.key).where(document.number == number)
    return connection.execute(found).one_or_none() is not None


def insert_document(
    connection: Connection,
    operation: Operation,
    document: Document,
    lines: Iterable[Mapping[str, Any]] = (),
    **header: Any,
) -> int:
    """Insert a document. Its number's unique constraint is the only lock.

    Args:
        connection: The transaction.
        operation: The operation and the run behind it, which the header keeps.
        document: The kind of document.
        lines: Its lines in order; they get their ``line_number`` from 1.
        header: The other columns of the header.

    Returns:
        The header's primary key.
    """
    _require_no_twin(connection, document, header[document.number.name])
    inserted = insert(document.header).values(**header, **operation.origin).returning(document.key)
    key: int = connection.execute(inserted).scalar_one()
    if numbered := [{document.key.name: key, "line_number": number, **line} for number, line in enumerate(lines, 1)]:
        connection.execute(insert(document.lines), numbered)
    return key


def number_alike(connection: Connection, document: Document, number: str) -> str | None:
    """A stored number that differs from this one by upper and lower case alone, if there is one. Locks nothing."""
    folded = func.lower(document.number) == func.lower(number)
    found = select(document.number).where(folded, document.number != number).order_by(document.key).limit(1)
    alike: str | None = connection.execute(found).scalar()
    return alike


def _require_no_twin(connection: Connection, document: Document, number: str) -> None:
    """Refuse a new number that differs from a stored one by upper and lower case alone.

    Raises:
        InvalidRequest: With the stored number.
    """
    twin = number_alike(connection, document, number)
    if twin is not None:
        raise twin_of(document.name, number, twin)


def update_document(connection: Connection, document: Document, key: int, **values: Any) -> None:
    """Change columns of a header. The caller has locked it."""
    connection.execute(update(document.header).where(document.key == key).values(**values))


def close_document(
    connection: Connection,
    operation: Operation,
    document: Document,
    key: int,
    status: str,
    as_of: datetime,
    *,
    reason: str | None = None,
    **values: Any,
) -> None:
    """End a document: its final status, when, by which operation and why. The caller has locked it."""
    closed = {"closed_at": as_of, "closed_by": operation.operation_id, "closed_reason": reason}
    update_document(connection, document, key, status=status, **closed, **values)


def fields_of(row: Row[Any], kind: type) -> dict[str, Any]:
    """The columns of a row that a dataclass has as fields of the same name."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in row._asdict().items() if name in names}


def read_document(connection: Connection, document: Document, number: str, **of: Any) -> dict[str, Any]:
    """A document as answers show it, with its lines. Locks nothing.

    Args:
        connection: The transaction.
        document: The kind of document.
        number: Its number; it has to be stored.
        of: Further parameters of ``lines_shown``.
    """
    if document.shown is None or document.lines_shown is None:
        raise TypeError(f"{document.name}: it has a reading of its own")
    header = read_rows(connection, document.shown, {"number": number})[0]
    lines = read_rows(connection, document.lines_shown, of | {"key": header[document.key.name]})
    return header | {document.lines_name: lines}


def read_rows(connection: Connection, statement: TextClause, of: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a statement, by column name."""
    return [dict(row) for row in connection.execute(statement, of).mappings()]
