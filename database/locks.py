"""Everything that is locked, and in which order: one page.

The order is the same for everybody, so nobody waits in a circle:

1. the operation (`database.operations.once` inserts it, which makes a repeat wait for the first),
2. the document, where there is a row for it (a purchase order, a transfer, a count, a return, an adjustment), after the
   audit's finding about it; or the whole table of an import into the catalogue,
3. the inventory items, sorted by (warehouse_id, product_id),
4. the supplier, for everything that its performance is kept in.

A reservation has no row of its own above its lines. Its lines are guarded by their items: whoever reads a line to
decide on it, or changes it, holds the lock of the line's item. That is what lets a buyer who is short of stock release
somebody else's overdue hold without a lock of the other's: having locked the item is enough.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.tables import stock_movements
from stockkeeper.domain.adjustment import AdjustedLine, Adjustment, AdjustmentStatus
from stockkeeper.domain.customer_return import CustomerReturn, ReturnedLine, ReturnStatus
from stockkeeper.domain.cycle_count import CountEntry, CountLine, CountStatus, CycleCount, RootCause, Tolerance
from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.purchase_order import OrderedLine, PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.reservation import HeldLine, ItemHold, ReservationEvent, ReservationStatus, status_of
from stockkeeper.domain.stock import ItemKey, Level
from stockkeeper.domain.stock_audit import Finding, FindingKind, FindingStatus
from stockkeeper.domain.transfer import Transfer, TransferredLine, TransferStatus

ITEM_ARRAYS = (bindparam("warehouse_ids", type_=ARRAY(BigInteger)), bindparam("product_ids", type_=ARRAY(BigInteger)))
"""How a statement over many items takes them; `item_arrays` gives the values."""

_LOCK_ITEMS = text("""
    SELECT item.warehouse_id, item.product_id, item.quantity_on_hand, item.quantity_reserved
    FROM inventory_items AS item
    JOIN unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id)
        USING (warehouse_id, product_id)
    ORDER BY item.warehouse_id, item.product_id
    FOR NO KEY UPDATE OF item
""").bindparams(*ITEM_ARRAYS)

_CREATE_ITEMS = text("""
    INSERT INTO inventory_items (warehouse_id, product_id)
    SELECT warehouse_id, product_id
    FROM unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id)
    ORDER BY warehouse_id, product_id
    ON CONFLICT DO NOTHING
""").bindparams(*ITEM_ARRAYS)

_LOCK_ITEMS_OF_RESERVATION = text("""
    SELECT item.item_id
    FROM inventory_items AS item
    WHERE (item.warehouse_id, item.product_id) IN (
        SELECT warehouse_id, product_id FROM reservations
        WHERE reference_type = :reference_type AND reference_id = :reference_id)
    ORDER BY item.warehouse_id, item.product_id
    FOR NO KEY UPDATE OF item
""")

_HELD_LINES = text("""
    SELECT reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, status, expires_at
    FROM reservations
    WHERE reference_type = :reference_type AND reference_id = :reference_id
    ORDER BY reservation_id
""")

_OVERDUE_LINES = text("""
    SELECT reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, status, expires_at
    FROM reservations
    JOIN unnest(:warehouse_ids, :product_ids) AS short (warehouse_id, product_id)
        USING (warehouse_id, product_id)
    WHERE status = 'ACTIVE' AND expires_at <= :as_of
    ORDER BY reservation_id
""").bindparams(*ITEM_ARRAYS)

_OPEN_HOLDS = text("""
    SELECT reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, status, expires_at,
        reference_type, reference_id, workflow_id
    FROM reservations
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND status = 'ACTIVE'
    ORDER BY reservation_id
""")

_LOCK_PURCHASE_ORDER = text("""
    SELECT po_id, po_number, supplier_id, warehouse_id, status, requested_by, required_approvals
    FROM purchase_orders WHERE po_number = :po_number
    FOR NO KEY UPDATE
""")

_APPROVERS = text("SELECT approver FROM purchase_order_approvals WHERE po_id = :po_id ORDER BY approved_at, approver")

_LOCK_TRANSFER = text("""
    SELECT transfer_id, transfer_number, from_warehouse_id, to_warehouse_id, status, expected_transit_hours
    FROM transfer_orders WHERE transfer_number = :transfer_number
    FOR NO KEY UPDATE
""")

_TRANSFER_LINES = text("""
    SELECT line_number, product_id, quantity, in_transit
    FROM transfer_order_lines WHERE transfer_id = :transfer_id
    ORDER BY line_number
""")

_LOCK_CYCLE_COUNT = text("""
    SELECT count_id, count_number, warehouse_id, tolerance_units, tolerance_percent
    FROM cycle_counts WHERE count_number = :count_number
    FOR NO KEY UPDATE
""")

_COUNT_LINES = text("""
    SELECT product_id, status FROM cycle_count_lines WHERE count_id = :count_id ORDER BY line_number
""")

_COUNT_ENTRIES = text("""
    SELECT counted_by, counted_quantity, system_quantity, root_cause, counted_at, last_correction
    FROM cycle_count_entries WHERE (count_id, product_id) = (:count_id, :product_id)
    ORDER BY entry_number
""")

_LOCK_RETURN = text("""
    SELECT return_id, return_number, warehouse_id, reference_id, status
    FROM returns WHERE return_number = :return_number
    FOR NO KEY UPDATE
""")

_RETURN_LINES = text("""
    SELECT line_number, product_id, quantity, restocked, scrapped
    FROM return_lines WHERE return_id = :return_id
    ORDER BY line_number
""")

_LOCK_ADJUSTMENT = text("""
    SELECT adjustment_id, adjustment_number, warehouse_id, status, reason, requested_by, approved_by
    FROM adjustments WHERE adjustment_number = :adjustment_number
    FOR NO KEY UPDATE
""")

_ADJUSTMENT_LINES = text("""
    SELECT product_id, quantity, unit_cost
    FROM adjustment_lines WHERE adjustment_id = :adjustment_id
    ORDER BY line_number
""")

_LOCK_FINDING = text("""
    SELECT finding_id, kind, warehouse_id, product_id, document, expected, actual, status
    FROM audit_findings WHERE finding_id = :finding_id
    FOR NO KEY UPDATE
""")

# The days of a new warehouse begin with its first movement, wherever in the world it is; if there is none yet, now. So
# it costs no pass over everybody's ledger.
_BEGIN_DEMAND = text("""
    INSERT INTO demand_days (warehouse_id, through)
    SELECT warehouse_id, least((
        SELECT min(created_at) FROM stock_movements AS moved WHERE moved.warehouse_id = new.warehouse_id
        ), :as_of)::date - 2
    FROM warehouses AS new
    WHERE NOT EXISTS (SELECT 1 FROM demand_days AS known WHERE known.warehouse_id = new.warehouse_id)
    ORDER BY warehouse_id
    ON CONFLICT DO NOTHING
""").bindparams(bindparam("as_of", type_=stock_movements.c.created_at.type))

_LOCK_DEMAND = text("SELECT warehouse_id FROM demand_days ORDER BY warehouse_id FOR NO KEY UPDATE")

_LOCK_SUPPLIER = text("SELECT supplier_id FROM suppliers WHERE supplier_id = :supplier_id FOR NO KEY UPDATE")

_ORDER_LINES = text("""
    SELECT line_number, product_id, qty, unit_cost, quantity_received, quantity_rejected, quantity_receivable
    FROM purchase_order_lines WHERE po_id = :po_id
    ORDER BY line_number
""")


def item_arrays(items: Iterable[ItemKey]) -> dict[str, list[int]]:
    """The items as two arrays side by side, the way statements over many items take them."""
    keys = sorted(items)
    return {"warehouse_ids": [key.warehouse_id for key in keys], "product_ids": [key.product_id for key in keys]}


def lock_table(connection: Connection, table: Table) -> None:
    """Let nobody else write to this table until the end of the transaction, so that what isn't in it stays out of it.

    For an import, which decides row by row what is new. Readers and the checks of foreign keys go on.
    """
    connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


def lock_items(connection: Connection, items: Iterable[ItemKey]) -> dict[ItemKey, Level]:
    """Lock these items and read what they have.

    NO KEY UPDATE, because nobody changes their key: a foreign key's check on the item doesn't have to wait.

    Returns:
        A level for each item that has a row; one that has none was never stocked, and there is nothing to lock.
    """
    rows = connection.execute(_LOCK_ITEMS, item_arrays(set(items)))
    return {
        ItemKey(row.warehouse_id, row.product_id): Level(row.quantity_on_hand, row.quantity_reserved) for row in rows
    }


def lock_or_create_items(connection: Connection, items: Iterable[ItemKey]) -> dict[ItemKey, Level]:
    """The same for goods that come in: an item that the warehouse never held begins with nothing."""
    wanted = set(items)
    connection.execute(_CREATE_ITEMS, item_arrays(wanted))
    return lock_items(connection, wanted)


def lock_reservation(connection: Connection, reference_type: str, reference_id: str) -> list[HeldLine]:
    """Lock a reservation by its items, and read its lines as they are then; empty if there are none."""
    of = {"reference_type": reference_type, "reference_id": reference_id}
    connection.execute(_LOCK_ITEMS_OF_RESERVATION, of)
    return read_reservation(connection, reference_type, reference_id)


def lock_given_way(connection: Connection, reference_type: str, reference_id: str) -> list[HeldLine]:
    """The same for a hold of which a line has given way, because what it was promised isn't there.

    Raises:
        InvalidState: None of its lines has. Nobody ends a hold by saying so.
    """
    lines = lock_reservation(connection, reference_type, reference_id)
    if (status := status_of(lines)) is not ReservationStatus.CANCELLED:
        what = f"the hold of {reference_type} {reference_id}"
        raise InvalidState.of(what, status, ReservationEvent.GIVE_WAY)
    return lines


def read_reservation(connection: Connection, reference_type: str, reference_id: str) -> list[HeldLine]:
    """A reservation's lines in the order they were asked for. Locks nothing: not for deciding."""
    rows = connection.execute(_HELD_LINES, {"reference_type": reference_type, "reference_id": reference_id})
    return [_held_line(row) for row in rows]


def overdue_lines(connection: Connection, items: Iterable[ItemKey], as_of: datetime) -> list[HeldLine]:
    """Lines that are still held on these items although their deadline has come. The caller has locked the items."""
    rows = connection.execute(_OVERDUE_LINES, item_arrays(items) | {"as_of": as_of})
    return [_held_line(row) for row in rows]


def open_holds(connection: Connection, item: ItemKey) -> list[ItemHold]:
    """Everybody who holds something of this item, in the order in which they came. The caller has locked the item."""
    found: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in connection.execute(_OPEN_HOLDS, item._asdict()):
        found.setdefault((row.reference_type, row.reference_id), []).append(row)
    return [
        ItemHold(reference_type, reference_id, rows[0].workflow_id, [_held_line(row) for row in rows])
        for (reference_type, reference_id), rows in found.items()
    ]


def lock_purchase_order(connection: Connection, po_number: str) -> PurchaseOrder | None:
    """Lock a purchase order's own row, and read the order as it is then; None if there is none."""
    order = connection.execute(_LOCK_PURCHASE_ORDER, {"po_number": po_number}).one_or_none()
    if order is None:
        return None
    of = {"po_id": order.po_id}
    return PurchaseOrder(
        po_id=order.po_id,
        po_number=order.po_number,
        supplier_id=order.supplier_id,
        warehouse_id=order.warehouse_id,
        status=PurchaseOrderStatus(order.status),
        requested_by=order.requested_by,
        required_approvals=order.required_approvals,
        approvers=list(connection.execute(_APPROVERS, of).scalars()),
        lines=[OrderedLine(*row) for row in connection.execute(_ORDER_LINES, of)],
    )


def lock_transfer(connection: Connection, transfer_number: str) -> Transfer | None:
    """Lock a transfer's own row, and read the transfer as it is then; None if there is none."""
    order = connection.execute(_LOCK_TRANSFER, {"transfer_number": transfer_number}).one_or_none()
    if order is None:
        return None
    return Transfer(
        transfer_id=order.transfer_id,
        transfer_number=order.transfer_number,
        from_warehouse_id=order.from_warehouse_id,
        to_warehouse_id=order.to_warehouse_id,
        status=TransferStatus(order.status),
        expected_transit_hours=order.expected_transit_hours,
        lines=[
            TransferredLine(*row) for row in connection.execute(_TRANSFER_LINES, {"transfer_id": order.transfer_id})
        ],
    )


def lock_cycle_count(connection: Connection, count_number: str, product_id: int | None = None) -> CycleCount | None:
    """Lock a count's own row, and read the count as it is then; None if there is none.

    How often something was counted is read of one product only, since a list may be long.
    """
    count = connection.execute(_LOCK_CYCLE_COUNT, {"count_number": count_number}).one_or_none()
    if count is None:
        return None
    of = {"count_id": count.count_id, "product_id": product_id}
    entries = [
        CountEntry(
            row.counted_by,
            row.counted_quantity,
            row.system_quantity,
            RootCause(row.root_cause) if row.root_cause else None,
            row.counted_at,
            row.last_correction,
        )
        for row in connection.execute(_COUNT_ENTRIES, of)
    ]
    return CycleCount(
        count_id=count.count_id,
        count_number=count.count_number,
        warehouse_id=count.warehouse_id,
        tolerance=Tolerance(count.tolerance_units, count.tolerance_percent),
        lines=[
            CountLine(row.product_id, CountStatus(row.status), entries if row.product_id == product_id else [])
            for row in connection.execute(_COUNT_LINES, of)
        ],
    )


def lock_return(connection: Connection, return_number: str) -> CustomerReturn | None:
    """Lock a return's own row, and read the return as it is then; None if there is none."""
    returned = connection.execute(_LOCK_RETURN, {"return_number": return_number}).one_or_none()
    if returned is None:
        return None
    return CustomerReturn(
        return_id=returned.return_id,
        return_number=returned.return_number,
        warehouse_id=returned.warehouse_id,
        reference_id=returned.reference_id,
        status=ReturnStatus(returned.status),
        lines=[ReturnedLine(*row) for row in connection.execute(_RETURN_LINES, {"return_id": returned.return_id})],
    )


def lock_adjustment(connection: Connection, adjustment_number: str) -> Adjustment | None:
    """Lock an adjustment's own row, and read the adjustment as it is then; None if there is none."""
    row = connection.execute(_LOCK_ADJUSTMENT, {"adjustment_number": adjustment_number}).one_or_none()
    if row is None:
        return None
    return Adjustment(
        adjustment_id=row.adjustment_id,
        adjustment_number=row.adjustment_number,
        warehouse_id=row.warehouse_id,
        status=AdjustmentStatus(row.status),
        reason=row.reason,
        requested_by=row.requested_by,
        approved_by=row.approved_by,
        lines=[
            AdjustedLine(*line) for line in connection.execute(_ADJUSTMENT_LINES, {"adjustment_id": row.adjustment_id})
        ],
    )


def lock_finding(connection: Connection, finding_id: int) -> Finding | None:
    """Lock a finding of an audit, and read it as it is then; None if there is none."""
    row = connection.execute(_LOCK_FINDING, {"finding_id": finding_id}).one_or_none()
    if row is None:
        return None
    return Finding(
        finding_id=row.finding_id,
        kind=FindingKind(row.kind),
        warehouse_id=row.warehouse_id,
        product_id=row.product_id,
        document=row.document,
        expected=row.expected,
        actual=row.actual,
        status=FindingStatus(row.status),
    )


def lock_demand(connection: Connection, as_of: datetime) -> None:
    """Let nobody else bring the daily demand up to date meanwhile; a warehouse that is new begins here."""
    connection.execute(_BEGIN_DEMAND, {"as_of": as_of})
    connection.execute(_LOCK_DEMAND)


def lock_supplier(connection: Connection, supplier_id: int) -> None:
    """Lock what a supplier's performance is kept in, of all products, so that nobody locks two of them in turn.

    Whoever measures after waiting here sees what the other has measured.
    """
    connection.execute(_LOCK_SUPPLIER, {"supplier_id": supplier_id})


def _held_line(row: Row[Any]) -> HeldLine:
    return HeldLine(
        row.reservation_id,
        ItemKey(row.warehouse_id, row.product_id),
        row.quantity,
        row.quantity_fulfilled,
        ReservationStatus(row.status),
        row.expires_at,
    )
