"""The cycle count in the database: its tables, and what locks, reads and changes them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Connection,
    Date,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from database.columns import DAYS, INSTANT, METADATA, composite_key, counter, key_of, needed, reference
from database.document import Document, close_document, document_table, read_document, update_document
from database.document_list import DocumentList, name_of_warehouse, over_lines
from database.locks import lock_document
from database.operations import Operation
from database.tables import inventory_items
from stockkeeper.domain.cycle_count import (
    COUNT_LINE,
    CountEntry,
    CountEvent,
    CountLine,
    CountStatus,
    CycleCount,
    Recorded,
    RootCause,
    Tolerance,
    status_of,
)
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.promise import Promise
from stockkeeper.domain.stock import ItemKey, Level

cycle_counts = document_table(
    "cycle_counts",
    reference("warehouses.warehouse_id"),
    needed("tolerance_units", BigInteger),
    needed("tolerance_percent", DAYS),
    Index("cycle_counts_open", "warehouse_id", postgresql_where=text("status IN ('COUNTING', 'REVIEW')")),
    key="count_id",
    number="count_number",
    initial="COUNTING",
)

cycle_count_lines = Table(
    "cycle_count_lines",
    METADATA,
    key_of("cycle_counts.count_id"),
    key_of("products.product_id"),
    Column("lot_number", Text, primary_key=True, server_default=text("''")),
    Column("expires_on", Date),
    Column("best_before", Date),
    Column("made_on", Date),
    Column("counted_by", Text),
    Column("counted_quantity", BigInteger),
    Column("system_quantity", BigInteger),
    Column("delta", BigInteger, Computed("counted_quantity - system_quantity", persisted=True)),
    Column("root_cause", Text),
    needed("line_number", Integer),
    needed("status", Text, server_default=text("'COUNTING'")),
    needed("would_end", JSONB, server_default=text("'[]'")),
    Column("count_class", Text),
    Column("approved_by", Text),
    Column("posted_at", INSTANT),
    Column("posted_by", Text),
    UniqueConstraint("count_id", "line_number", name="cycle_count_lines_place"),
    Index("cycle_count_lines_by_product", "product_id"),
    Index("cycle_count_lines_by_time", "posted_at", postgresql_using="brin"),
)

cycle_count_entries = Table(
    "cycle_count_entries",
    METADATA,
    Column("count_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    Column("lot_number", Text, primary_key=True, server_default=text("''")),
    Column("entry_number", Integer, primary_key=True),
    needed("counted_by", Text),
    needed("counted_quantity", BigInteger),
    needed("system_quantity", BigInteger),
    needed("within_tolerance", Boolean),
    Column("root_cause", Text),
    needed("counted_at", INSTANT),
    counter("last_correction"),
    needed("operation_id", Text),
    composite_key("cycle_count_entries_line", "cycle_count_lines", "count_id", "product_id", "lot_number"),
    Index(
        "cycle_count_entries_distinct", "count_id", "product_id", "lot_number", text("lower(counted_by)"), unique=True
    ),
)

_SHOWN = text("""
    SELECT count_id, count_number, warehouse_id, warehouses.name AS warehouse, status, requested_by,
        created_at AS requested_at, closed_reason
    FROM cycle_counts JOIN warehouses USING (warehouse_id)
    WHERE count_number = :number
""")

# Counting is blind: the system's quantity is left out until the line is posted.
_LINES_SHOWN = text("""
    SELECT product_id, sku, nullif(line.lot_number, '') AS lot_number,
        coalesce(line.expires_on, lots.expires_on) AS expires_on,
        line.status, counted_quantity, counted_by, root_cause, approved_by,
        CASE WHEN line.status = 'POSTED' THEN system_quantity END AS system_quantity,
        CASE WHEN line.status = 'POSTED' THEN delta END AS delta,
        line.status = 'REVIEW' AND would_end <> '[]' AS needs_approval
    FROM cycle_count_lines AS line JOIN products USING (product_id)
    LEFT JOIN lots USING (product_id, lot_number)
    WHERE count_id = :key AND (:product_id IS NULL OR product_id = :product_id AND line.lot_number = :lot_number)
    ORDER BY line_number
""").bindparams(bindparam("product_id", type_=BigInteger), bindparam("lot_number", type_=Text))

CYCLE_COUNT = Document("count", cycle_counts, cycle_counts.c.count_number, cycle_count_lines, _SHOWN, _LINES_SHOWN)

LIST = DocumentList(
    CYCLE_COUNT,
    warehouses=("warehouse_id",),
    facts={
        "warehouse": name_of_warehouse("cycle_counts.warehouse_id"),
        "items": over_lines(CYCLE_COUNT, "count(*)"),
        "to_count": over_lines(CYCLE_COUNT, f"count(*) FILTER (WHERE listed.status = '{CountStatus.COUNTING}')"),
        "in_review": over_lines(CYCLE_COUNT, f"count(*) FILTER (WHERE listed.status = '{CountStatus.REVIEW}')"),
        "requested_by": "requested_by",
    },
)

_LINES = text("""
    SELECT product_id, status, would_end, lot_number, expires_on, best_before, made_on
    FROM cycle_count_lines WHERE count_id = :count_id ORDER BY line_number
""")

_ENTRIES = text("""
    SELECT counted_by, counted_quantity, system_quantity, root_cause, counted_at, last_correction
    FROM cycle_count_entries WHERE (count_id, product_id, lot_number) = (:count_id, :product_id, :lot_number)
    ORDER BY entry_number
""")

_LAST_CORRECTION = text("""
    SELECT movement_id FROM stock_movements
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND movement_type = 'ADJUSTMENT'
    ORDER BY created_at DESC, movement_id DESC
    LIMIT 1
""")

_LAST_CORRECTION_OF_LOT = text("""
    SELECT movement_id FROM stock_movements
    WHERE (warehouse_id, product_id, lot_number) = (:warehouse_id, :product_id, :lot_number)
        AND movement_type = 'ADJUSTMENT'
    ORDER BY created_at DESC, movement_id DESC
    LIMIT 1
""")

# A line for each lot of which units are on hand, the first expired first; one for a product that has none.
_INSERT_LINES = text("""
    INSERT INTO cycle_count_lines (count_id, product_id, lot_number, line_number, count_class)
    SELECT :count_id, line.product_id, coalesce(lot_number, ''), row_number() OVER (
            ORDER BY place, coalesce(expires_on, best_before), lots.created_at, lot_number),
        count_class
    FROM unnest(:product_ids) WITH ORDINALITY AS line (product_id, place)
    LEFT JOIN (SELECT product_id, count_class FROM item_classes WHERE warehouse_id = :warehouse_id) AS class
        USING (product_id)
    LEFT JOIN (
        SELECT product_id, lot_number FROM lot_items WHERE warehouse_id = :warehouse_id AND quantity_on_hand > 0
    ) AS there USING (product_id)
    LEFT JOIN lots USING (product_id, lot_number)
""").bindparams(bindparam("product_ids", type_=ARRAY(BigInteger)))

_ADD_LINE = text("""
    INSERT INTO cycle_count_lines (count_id, product_id, lot_number, line_number, count_class)
    VALUES (:count_id, :product_id, :lot_number, :line_number, (
        SELECT count_class FROM cycle_count_lines WHERE (count_id, product_id) = (:count_id, :product_id)
        ORDER BY line_number LIMIT 1))
""")

_LOT = text("""
    SELECT lot.lot_number, expires_on, best_before, made_on, coalesce(quantity_on_hand, 0) AS on_hand,
        coalesce(quantity_reserved, 0) AS reserved, coalesce(quantity_unavailable, 0) AS unavailable
    FROM lots AS lot LEFT JOIN lot_items AS there
        ON (there.warehouse_id, there.product_id, there.lot_number) = (:warehouse_id, lot.product_id, lot.lot_number)
    WHERE lot.product_id = :product_id AND lower(lot.lot_number) = lower(:lot_number)
""")


def lock_cycle_count(
    connection: Connection, count_number: str, product_id: int | None = None, lot_number: str | None = None
) -> CycleCount:
    """Lock a count's row, and read the count as it is then.

    Args:
        connection: The transaction.
        count_number: Which.
        product_id: The product of the one line to read with its entries, since a count may be long; None: all without.
        lot_number: The lot of that line; None: the one without a lot.

    Raises:
        InvalidRequest: There is no such count.
    """
    row = lock_document(connection, CYCLE_COUNT, count_number)
    key = product_id, lot_number or ""
    of = {"count_id": row.count_id, "product_id": product_id, "lot_number": key[1]}
    entries = [_entry(*entry) for entry in connection.execute(_ENTRIES, of)]
    return CycleCount(
        count_id=row.count_id,
        count_number=row.count_number,
        warehouse_id=row.warehouse_id,
        tolerance=Tolerance(row.tolerance_units, row.tolerance_percent),
        lines=[
            CountLine(
                line.product_id,
                CountStatus(line.status),
                entries if (line.product_id, line.lot_number) == key else [],
                line.would_end,
                LotFacts(*line[3:]) if line.lot_number else None,
            )
            for line in connection.execute(_LINES, of)
        ],
    )


def _entry(by: str, counted: int, system: int, cause: str | None, at: datetime, last_correction: int) -> CountEntry:
    return CountEntry(by, counted, system, RootCause(cause) if cause else None, at, last_correction)


def read_cycle_count(
    connection: Connection, count_number: str, product_id: int | None = None, lot_number: str | None = None
) -> dict[str, Any]:
    """The count as answers show it, with all of its lines or that of one product or lot. Locks nothing."""
    return read_document(connection, CYCLE_COUNT, count_number, product_id=product_id, lot_number=lot_number or "")


def insert_count_lines(connection: Connection, count_id: int, warehouse_id: int, product_ids: Collection[int]) -> int:
    """Insert the lines of a new count, each with the class that its item has now; how many there are.

    Lots that come at this moment may be missing: whoever counts finds them.
    """
    of = {"count_id": count_id, "warehouse_id": warehouse_id, "product_ids": list(product_ids)}
    return connection.execute(_INSERT_LINES, of).rowcount


def give_line_to_lot(connection: Connection, count: CycleCount, line: CountLine, instead_of: CountLine | None) -> None:
    """Give a lot that was found its line: a new one, or that of its product, which nobody has counted yet.

    Args:
        connection: The transaction. The caller has locked the count.
        count: The count, with that line.
        line: The line.
        instead_of: The line that it takes the place of; None: it is behind all others.
    """
    product_id, lot_number = line.key
    of = {"count_id": count.count_id, "product_id": product_id, "lot_number": lot_number}
    if instead_of is None:
        connection.execute(_ADD_LINE, {**of, "line_number": len(count.lines)})
    else:
        _update_lines(connection, count, [instead_of], {"lot_number": lot_number})


def read_lot(connection: Connection, item: ItemKey, lot_number: str) -> tuple[LotFacts | None, Level]:
    """A lot by its number in any case: what is known of it, and its level in a warehouse; the caller has locked that.

    Returns:
        Its facts, None if it isn't known; and its units here.
    """
    row = connection.execute(_LOT, item._asdict() | {"lot_number": lot_number}).one_or_none()
    if row is None:
        return None, Level()
    return LotFacts(*row[:4]), Level(row.on_hand, row.reserved, unavailable=row.unavailable)


def insert_entry(
    connection: Connection, operation: Operation, count: CycleCount, line: CountLine, recorded: Recorded
) -> None:
    """Insert a recorded count; it stays, whether it is posted or not. The caller has locked the count and the item."""
    values = {"entry_number": len(line.entries) + 1, "within_tolerance": recorded.within_tolerance}
    product_id, lot_number = line.key
    of = {"count_id": count.count_id, "product_id": product_id, "lot_number": lot_number}
    of["operation_id"] = operation.operation_id
    connection.execute(insert(cycle_count_entries).values(**of, **values, **asdict(recorded.entry)))


def review_count_line(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    line: CountLine,
    entry: CountEntry,
    ending: Sequence[Promise],
    as_of: datetime,
) -> None:
    """Show an entry on its line, which waits in REVIEW, and the holds that it would end. The count is locked."""
    shown = {"status": CountStatus.REVIEW, "would_end": [each._asdict() for each in ending], **_shown(entry)}
    _update_lines(connection, count, [line], shown | _said(line))
    _update_status(connection, operation, count, {line.key: CountStatus.REVIEW}, as_of)


def post_count_line(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    line: CountLine,
    entry: CountEntry,
    cause: RootCause | None,
    approver: str | None,
    as_of: datetime,
) -> None:
    """Close a line whose variance has been booked, and keep on the item when it was counted.

    The caller has locked the count and the item.

    Args:
        connection: The transaction.
        operation: The step that posts it.
        count: The count.
        line: The line.
        entry: The entry that is posted.
        cause: Why it differs from the system's quantity; None: it doesn't.
        approver: Who approved it; None: it needed no approval.
        as_of: The workflow's time.
    """
    posted: dict[str, Any] = {
        "approved_by": approver,
        "posted_at": as_of,
        "posted_by": operation.operation_id,
        "root_cause": cause,
    }
    if approver is None:
        posted["would_end"] = []  # An earlier count would have ended holds; this one doesn't.
    values = {"status": CountStatus.POSTED, **_shown(entry), **_said(line), **posted}
    _update_lines(connection, count, [line], values)
    items, was_off = inventory_items.c, not count.tolerance.allows(entry.counted_quantity, entry.system_quantity)
    counted: dict[str, Any] = {"last_counted_at": entry.counted_at, "last_count_was_off": was_off}
    if any(each.product_id == line.product_id and each.status is CountStatus.POSTED for each in count.lines):
        # Of several lots the latest counts, and each that was off.
        counted["last_counted_at"] = func.greatest(items.last_counted_at, entry.counted_at)
        if not was_off:
            del counted["last_count_was_off"]
    connection.execute(
        update(inventory_items)
        .where(items.warehouse_id == count.warehouse_id, items.product_id == line.product_id)
        .values(counted)
    )
    _update_status(connection, operation, count, {line.key: CountStatus.POSTED}, as_of)


def cancel_count_lines(
    connection: Connection, operation: Operation, count: CycleCount, reason: str, as_of: datetime
) -> None:
    """Cancel all lines that aren't final. The caller has locked the count."""
    given_up = [line for line in count.lines if not COUNT_LINE.is_final(line.status)]
    cancelled = {line.key: COUNT_LINE.next(line.status, CountEvent.CANCEL) for line in given_up}
    _update_lines(connection, count, given_up, {"status": CountStatus.CANCELLED})
    _update_status(connection, operation, count, cancelled, as_of, reason=reason)


def _shown(entry: CountEntry) -> dict[str, Any]:
    """The columns of a line that repeat its latest entry."""
    names = ("counted_by", "counted_quantity", "system_quantity", "root_cause")
    return {name: getattr(entry, name) for name in names}


def _said(line: CountLine) -> dict[str, Any]:
    """The columns of a line that have what its counters have read on the lot."""
    days = ("expires_on", "best_before", "made_on")
    return {} if line.lot is None else {name: getattr(line.lot, name) for name in days}


def _update_lines(
    connection: Connection, count: CycleCount, changed: Collection[CountLine], values: Mapping[str, Any]
) -> None:
    lines = cycle_count_lines.c
    keys = [line.key for line in changed]
    connection.execute(
        update(cycle_count_lines)
        .where(lines.count_id == count.count_id, tuple_(lines.product_id, lines.lot_number).in_(keys))
        .values(values)
    )


def _update_status(
    connection: Connection,
    operation: Operation,
    count: CycleCount,
    changed: Mapping[tuple[int, str], CountStatus],
    as_of: datetime,
    *,
    reason: str | None = None,
) -> None:
    """Derive the count's status from its lines, some of which have changed; with the last one the count is closed."""
    status = status_of(changed.get(line.key, line.status) for line in count.lines)
    if status is count.status:
        return
    if COUNT_LINE.is_final(status):
        close_document(connection, operation, CYCLE_COUNT, count.count_id, status, as_of, reason=reason)
    else:
        update_document(connection, CYCLE_COUNT, count.count_id, status=status)


def last_posted_at(connection: Connection, item: ItemKey, lot_number: str = "") -> datetime | None:
    """When a count of the item, or of its lot, was last posted. The caller has locked the item: no other one comes."""
    found: datetime | None = connection.execute(
        select(func.max(cycle_count_lines.c.posted_at))
        .join_from(cycle_count_lines, cycle_counts)
        .where(
            cycle_counts.c.warehouse_id == item.warehouse_id,
            cycle_count_lines.c.product_id == item.product_id,
            cycle_count_lines.c.lot_number == lot_number,
        )
    ).scalar_one()
    return found


def last_correction(connection: Connection, item: ItemKey, lot_number: str = "") -> int:
    """The movement_id of the latest ADJUSTMENT of an item, or its lot; 0: none. The caller has locked the item.

    Its place in the ledger and not its time: clocks differ, and steps wait for locks.
    """
    statement = _LAST_CORRECTION_OF_LOT if lot_number else _LAST_CORRECTION
    found: int | None = connection.execute(statement, item._asdict() | {"lot_number": lot_number}).scalar_one_or_none()
    return found or 0
