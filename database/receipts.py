"""Receipts of a document: the goods that came in parts, each part under an id of its own and never booked twice.

A purchase order's receipts and a return's inspections are the same tables under other names. A transfer's receipts are
entries in `database.transit`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, Table, Text, desc, func, select, text
from sqlalchemy.types import BigInteger, Integer

from database.columns import INSTANT, METADATA, composite_key, key_of, needed
from database.document import Document, read_document
from database.operations import Operation
from database.pipeline import Statement, instants, numbers, send, texts
from stockkeeper.domain.conflicts import twin_of
from stockkeeper.domain.receipt import Taken


@dataclass(frozen=True)
class Receipts:
    """Tables and columns of a kind of document's receipts.

    Attributes:
        document_lines: The lines of the document.
        header: A row per receipt.
        lines: A row per line of the document that a receipt brought something of.
        key: The column with the document's key, in all three tables.
        receipt_id: The column with the receipt's id, in ``header`` and ``lines``.
        at: When it came.
        by: Who took it in.
        accepted: Units that entered stock, in ``lines``.
        unfit: Units on top of these that didn't, in ``lines``.
        sum_accepted: The same of all receipts, in ``document_lines``.
        sum_unfit: The same of all receipts, in ``document_lines``.
    """

    document_lines: Table
    header: Table
    lines: Table
    key: str
    receipt_id: str
    at: str
    by: str
    accepted: str
    unfit: str
    sum_accepted: str
    sum_unfit: str


def receipt_tables(
    document: Document,
    name: str,
    *,
    came: tuple[str, str],
    units: tuple[str, str],
    sums: tuple[str, str] | None = None,
) -> Receipts:
    """The two tables of a kind of document's receipts, ``{name}s`` and ``{name}_lines``.

    Args:
        document: The kind of document.
        name: One receipt, as the tables' names begin; its last word is that of the column with a receipt's own id.
        came: The columns for when it came and who took it in.
        units: The columns for accepted and unfit units of a receipt's line.
        sums: The columns for their sums in the document's line; None: they have the same names.
    """
    (at, by), (accepted, unfit) = came, units
    receipt = name.rpartition("_")[2]
    receipt_id = f"{receipt}_id"
    key = document.key.name
    header = Table(
        f"{name}s",
        METADATA,
        key_of(f"{document.header.name}.{key}"),
        Column(receipt_id, Text, primary_key=True),
        needed(at, INSTANT),
        needed(by, Text),
        needed("operation_id", Text),
        Column("booked_at", INSTANT, server_default=text("clock_timestamp()")),
    )
    lines = Table(
        f"{name}_lines",
        METADATA,
        Column(key, BigInteger, primary_key=True),
        Column(receipt_id, Text, primary_key=True),
        Column("line_number", Integer, primary_key=True),
        needed(accepted, BigInteger),
        needed(unfit, BigInteger),
        composite_key(f"{name}_lines_{receipt}", header.name, key, receipt_id),
        composite_key(f"{name}_lines_line", document.lines.name, key, "line_number"),
    )
    return Receipts(document.lines, header, lines, key, receipt_id, *came, *units, *(sums or units))


def receipt_lots(receipts: Receipts, name: str) -> Table:
    """The table ``{name}_lots``: of tracked products, the units of each lot in a line of a receipt."""
    return Table(
        f"{name}_lots",
        METADATA,
        Column(receipts.key, BigInteger, primary_key=True),
        Column(receipts.receipt_id, Text, primary_key=True),
        Column("line_number", Integer, primary_key=True),
        Column("lot_number", Text, primary_key=True),
        needed(receipts.accepted, BigInteger),
        needed(receipts.unfit, BigInteger),
        composite_key(f"{name}_lots_line", receipts.lines, receipts.key, "line_number", receipts.receipt_id),
    )


def booked(connection: Connection, receipts: Receipts, document_key: int, receipt_id: str) -> dict[int, Taken]:
    """Units that a receipt brought, by product; empty if there is no such receipt."""
    lines, of = receipts.lines.c, receipts.document_lines.c
    rows = connection.execute(
        select(of.product_id, func.sum(lines[receipts.accepted]), func.sum(lines[receipts.unfit]))
        .join_from(
            receipts.lines,
            receipts.document_lines,
            (lines[receipts.key] == of[receipts.key]) & (lines.line_number == of.line_number),
        )
        .where(lines[receipts.key] == document_key, lines[receipts.receipt_id] == receipt_id)
        .group_by(of.product_id)
    )
    return {product_id: Taken(int(accepted), int(unfit)) for product_id, accepted, unfit in rows}


def insert_receipt(
    connection: Connection,
    operation: Operation,
    receipts: Receipts,
    document_key: int,
    receipt_id: str,
    taken: Mapping[int, Taken],
    as_of: datetime,
    *,
    corrects: str | None = None,
    reason: str | None = None,
) -> None:
    """Insert a receipt with its lines, and add its units to the document's lines. The caller has locked the document.

    Args:
        connection: The transaction.
        operation: Who took it in.
        receipts: The tables.
        document_key: The document.
        receipt_id: The receipt's own id.
        taken: Units by line number, lines without any left out.
        as_of: The workflow's time.
        corrects: The receipt that it corrects.
        reason: Why it does.
    """
    _require_no_twin(connection, receipts, document_key, receipt_id)
    booked = BookedReceipt(document_key, receipt_id, taken, as_of, operation, corrects, reason)
    send(connection, insert_receipts(receipts, [booked]))


class BookedReceipt(NamedTuple):
    """A receipt to be inserted.

    Attributes:
        document_key: The document, which is locked.
        receipt_id: The receipt's own id.
        taken: Units by line number, lines without any left out.
        at: When it came.
        operation: Who took it in.
        corrects: The receipt that it corrects, if the tables have corrections.
        reason: Why it does.
        unfit_reason: Why units didn't enter stock, if the tables have corrections.
    """

    document_key: int
    receipt_id: str
    taken: Mapping[int, Taken]
    at: datetime
    operation: Operation
    corrects: str | None = None
    reason: str | None = None
    unfit_reason: str | None = None


def insert_receipts(receipts: Receipts, booked: Sequence[BookedReceipt]) -> list[Statement]:
    """Insert receipts with their lines, and add their units to the documents' lines; one at most of each document."""
    headers, lines, sums = _texts_of(receipts)
    shares = [(each, number, share) for each in booked for number, share in each.taken.items()]
    units = (
        numbers(each.document_key for each, _, _ in shares),
        numbers(number for _, number, _ in shares),
        numbers(share.accepted for _, _, share in shares),
        numbers(share.unfit for _, _, share in shares),
    )
    values = [
        numbers(each.document_key for each in booked),
        texts(each.receipt_id for each in booked),
        instants(each.at for each in booked),
        texts(each.operation.performed_by for each in booked),
        texts(each.operation.operation_id for each in booked),
    ]
    if "corrects" in receipts.header.c:
        values += [texts(each.corrects for each in booked), texts(each.reason for each in booked)]
        values += [texts(each.unfit_reason for each in booked)]
    return [
        Statement(headers, values),
        Statement(lines, (*units, texts(each.receipt_id for each, _, _ in shares))),
        Statement(sums, units),
    ]


@cache
def _texts_of(receipts: Receipts) -> tuple[str, str, str]:
    """The statements of a kind of document: its receipts, their lines, and the sums in the document's lines."""
    key, receipt_id = receipts.key, receipts.receipt_id
    named = ("corrects", "reason", "unfit_reason") if "corrects" in receipts.header.c else ()
    more, arrays = "".join(f", {name}" for name in named), ", %s::text[]" * len(named)
    headers = f"""
        INSERT INTO {receipts.header.name} ({key}, {receipt_id}, {receipts.at}, {receipts.by}, operation_id{more})
        SELECT * FROM unnest(
            %s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[]{arrays})
    """  # noqa: S608 - names of tables and columns only
    lines = f"""
        INSERT INTO {receipts.lines.name} ({key}, line_number, {receipts.accepted}, {receipts.unfit}, {receipt_id})
        SELECT * FROM unnest(%s::bigint[], %s::integer[], %s::bigint[], %s::bigint[], %s::text[])
    """  # noqa: S608 - names of tables and columns only
    sums = f"""
        UPDATE {receipts.document_lines.name} AS line
        SET {receipts.sum_accepted} = line.{receipts.sum_accepted} + came.accepted,
            {receipts.sum_unfit} = line.{receipts.sum_unfit} + came.unfit
        FROM unnest(%s::bigint[], %s::integer[], %s::bigint[], %s::bigint[])
            AS came (document_key, line_number, accepted, unfit)
        WHERE line.{key} = came.document_key AND line.line_number = came.line_number
    """  # noqa: S608 - names of tables and columns only
    return headers, lines, sums


def _require_no_twin(connection: Connection, receipts: Receipts, document_key: int, receipt_id: str) -> None:
    """Refuse a receipt whose id differs from that of a booked one by upper and lower case alone.

    Raises:
        InvalidRequest: With the booked one.
    """
    header = receipts.header.c
    known = header[receipts.receipt_id]
    twin = connection.execute(
        select(known)
        .where(header[receipts.key] == document_key, func.lower(known) == func.lower(receipt_id), known != receipt_id)
        .limit(1)
    ).scalar()
    if twin is not None:
        raise twin_of("delivery" if receipts.receipt_id == "receipt_id" else "inspection", receipt_id, twin)


def read_receipts(connection: Connection, receipts: Receipts, document_key: int, most: int) -> list[dict[str, Any]]:
    """The latest receipts, at most ``most``, oldest first, each with the sums of its lines. Locks nothing."""
    header, lines = receipts.header.c, receipts.lines.c
    receipt_id, at = header[receipts.receipt_id], header[receipts.at]
    found = (
        select(
            receipt_id.label("receipt_id"),
            at.label("at"),
            header[receipts.by].label("performed_by"),
            func.sum(lines[receipts.accepted]).label("accepted"),
            func.sum(lines[receipts.unfit]).label("unfit"),
        )
        .join_from(
            receipts.header,
            receipts.lines,
            (header[receipts.key] == lines[receipts.key]) & (receipt_id == lines[receipts.receipt_id]),
        )
        .where(header[receipts.key] == document_key)
        .group_by(header[receipts.key], receipt_id)
        .order_by(desc(at), desc(receipt_id))
        .limit(most)
    )
    return [dict(row) for row in connection.execute(found).mappings()][::-1]


def read_with_receipts(
    connection: Connection, document: Document, number: str, receipts: Receipts, most: int, *, name: str = "receipts"
) -> dict[str, Any]:
    """A document as answers show it, with its latest receipts, at most ``most``, under this name. Locks nothing."""
    read = read_document(connection, document, number)
    return read | {name: read_receipts(connection, receipts, read[receipts.key], most)}
