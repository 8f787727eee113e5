"""Purchase orders as they are: under their locks, to decide on them, and as answers show them.

They are read by fixed statements over arrays of numbers, in one round trip (`database.pipeline`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection

from database.locked_order import LockedOrder
from database.pipeline import Statement, send, texts
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.purchase_order import PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.purchase_order_lines import OrderedLine
from stockkeeper.domain.receipt import Taken
from stockkeeper.domain.unit import BaseUnit, ProductUnits

_LOCK = """
    SELECT po_id FROM purchase_orders WHERE po_number = ANY (%s::text[])
    ORDER BY po_id FOR NO KEY UPDATE
"""

_HEADERS = """
    SELECT po_id, po_number, supplier_id, suppliers.name, warehouse_id, warehouses.name, status, total,
        required_approvals, approval_policy, expected_delivery_date, requested_by, header.reason, created_at,
        submitted_at, closed_reason, version, approval_asked_at, run_id, timezone, approvals_since,
        (SELECT json_agg(receipt ORDER BY at, receipt_id) FROM (
            SELECT receipt_id, received_at AS at, received_by AS performed_by, sum(quantity) AS accepted,
                sum(quantity_rejected) AS unfit, unfit_reason
            FROM purchase_order_receipts AS booked JOIN purchase_order_receipt_lines USING (po_id, receipt_id)
            WHERE booked.po_id = header.po_id
            GROUP BY po_id, receipt_id ORDER BY at DESC, receipt_id DESC LIMIT %s::bigint) AS receipt),
        (SELECT json_agg(correction ORDER BY at, correction_id) FROM (
            SELECT receipt_id AS correction_id, corrects AS receipt_id, received_at AS at,
                received_by AS performed_by, booked.reason
            FROM purchase_order_receipts AS booked
            WHERE booked.po_id = header.po_id AND corrects IS NOT NULL
            ORDER BY at DESC, correction_id DESC LIMIT %s::bigint) AS correction),
        (SELECT json_agg(returned ORDER BY at, return_id) FROM (
            SELECT return_id, returned_at AS at, returned_by AS performed_by, sent.reason, reference,
                sum(quantity) AS quantity
            FROM purchase_order_returns AS sent JOIN purchase_order_return_lines USING (po_id, return_id)
            WHERE sent.po_id = header.po_id
            GROUP BY po_id, return_id ORDER BY at DESC, return_id DESC LIMIT %s::bigint) AS returned),
        (SELECT json_agg(approval ORDER BY at, approver) FROM (
            SELECT approver, approved_at AS at, note FROM purchase_order_approvals AS given
            WHERE given.po_id = header.po_id AND given.version >= approvals_since) AS approval),
        (SELECT json_agg(amendment ORDER BY version) FROM (
            SELECT version, amended_at AS at, amended_by, reason, total_before::text AS total_before, status_before
            FROM purchase_order_amendments AS amended WHERE amended.po_id = header.po_id) AS amendment),
        (SELECT lines_before FROM purchase_order_amendments AS first
            WHERE first.po_id = header.po_id AND first.version = 2),
        (SELECT json_agg(given ORDER BY approval_id) FROM (
            SELECT approver, approved_at AS at, up_to_value::text AS value, up_to_units AS unvalued_units, note,
                approval_id
            FROM difference_approvals WHERE (document_type, document_number) = ('purchase order', po_number)
            ORDER BY approval_id DESC LIMIT 100) AS given),
        CASE WHEN EXISTS (SELECT FROM lots) AND EXISTS (
            SELECT FROM purchase_order_lines AS line JOIN products USING (product_id)
            WHERE line.po_id = header.po_id AND quantity_received > 0 AND tracking <> 'NONE')
        THEN (
            SELECT json_agg(json_build_array(product_id, lot_number, expires_on, best_before, made_on, units)) FROM (
                SELECT product_id, lot_number, sum(quantity)::bigint AS units
                FROM stock_movements AS moved
                WHERE moved.reference_id = po_number AND movement_type = 'PURCHASE' AND lot_number IS NOT NULL
                    AND operation_id IN (
                        SELECT operation_id FROM purchase_order_receipts AS booked WHERE booked.po_id = header.po_id)
                GROUP BY product_id, lot_number) AS came
            JOIN lots USING (product_id, lot_number)) END
    FROM purchase_orders AS header JOIN suppliers USING (supplier_id) JOIN warehouses USING (warehouse_id)
    WHERE po_number = ANY (%s::text[])
"""

_IDS = "ARRAY (SELECT po_id FROM purchase_orders WHERE po_number = ANY (%s::text[]))"

_LINES = f"""
    SELECT po_id, line_number, product_id, qty, unit_cost, quantity_received, quantity_rejected, quantity_receivable,
        quantity_returned, note, (SELECT sku FROM products WHERE products.product_id = line.product_id),
        (SELECT base_unit FROM products WHERE products.product_id = line.product_id),
        (SELECT json_agg(json_build_array(unit, quantity)) FROM product_units JOIN purchase_orders USING (supplier_id)
            WHERE (po_id, product_units.product_id) = (line.po_id, line.product_id) AND quantity IS NOT NULL)
    FROM purchase_order_lines AS line WHERE po_id = ANY ({_IDS})
    ORDER BY po_id, line_number
"""  # noqa: S608 - constants only

# Receipts of the same number, whatever its case.
_KNOWN = f"""
    SELECT po_number, receipt_id, product_id, sum(quantity)::bigint, sum(came.quantity_rejected)::bigint
    FROM unnest(%s::text[], %s::text[]) AS wanted (po_number, name)
    JOIN purchase_orders USING (po_number)
    JOIN purchase_order_receipts AS receipt USING (po_id)
    JOIN purchase_order_receipt_lines AS came USING (po_id, receipt_id)
    JOIN purchase_order_lines USING (po_id, line_number)
    WHERE po_id = ANY ({_IDS}) AND lower(receipt_id) = lower(wanted.name)
    GROUP BY po_number, receipt_id, product_id
"""  # noqa: S608 - constants only

_SHOWN = (
    "po_id",
    "po_number",
    "supplier_id",
    "supplier",
    "warehouse_id",
    "warehouse",
    "status",
    "total",
    "required_approvals",
    "policy",
    "expected_delivery_date",
    "requested_by",
    "reason",
    "drafted_at",
    "submitted_at",
    "closed_reason",
    "version",
    "approval_asked_at",
    "run_id",
    "timezone",
)
_LISTS = ("receipts", "corrections", "returns", "approvals", "amendments")


class Receipt(NamedTuple):
    """A receipt that may have been booked before: the order's number and its own."""

    po_number: str
    receipt_id: str


def lock_orders(numbers: Sequence[str]) -> Statement:
    """Lock purchase orders' rows, by their keys."""
    return Statement(_LOCK, (texts(numbers),))


def read_orders(numbers: Sequence[str], most: int, receipts: Sequence[Receipt] = ()) -> list[Statement]:
    """Read orders as `orders_of` takes them, with what receipts with these numbers have booked before.

    Of receipts, corrections and returns, the latest are read, at most so many.
    """
    listed = texts(numbers)
    names = texts(each.po_number for each in receipts), texts(each.receipt_id for each in receipts)
    return [
        Statement(_HEADERS, (most, most, most, listed)),
        Statement(_LINES, (listed,)),
        *([Statement(_KNOWN, (*names, listed))] if receipts else []),
    ]


def orders_of(rows: Sequence[Iterable[Sequence[Any]]]) -> dict[str, LockedOrder]:
    """The orders that `read_orders` has read, by number."""
    headers, lines, *known = rows
    of: dict[int, list[Sequence[Any]]] = {}
    for line in lines:
        of.setdefault(line[0], []).append(line)
    found = {header[1]: _order(header, of.get(header[0], [])) for header in headers}
    for number, receipt_id, product_id, accepted, unfit in known[0] if known else ():
        found[number].known.setdefault(receipt_id, {})[product_id] = Taken(accepted, unfit)
    return found


def _order(header: Sequence[Any], lines: Sequence[Sequence[Any]]) -> LockedOrder:
    shown = dict(zip(_SHOWN, header, strict=False))
    shown |= {name: found or [] for name, found in zip(_LISTS, header[21:26], strict=True)}
    shown |= {"drafted_line_items": header[26], "difference_approvals": header[27] or []}
    shown["line_items"] = [
        {
            "product_id": line[2],
            "sku": line[10],
            "qty": line[3],
            "unit_cost": line[4],
            "quantity_received": line[5],
            "quantity_rejected": line[6],
            "quantity_returned": line[8],
            "note": line[9],
            "qty_shown": _in_units(line[3], line[11], line[12]),
        }
        for line in lines
    ]
    order = PurchaseOrder(
        po_id=shown["po_id"],
        po_number=shown["po_number"],
        supplier_id=shown["supplier_id"],
        warehouse_id=shown["warehouse_id"],
        status=PurchaseOrderStatus(shown["status"]),
        requested_by=shown["requested_by"],
        required_approvals=shown["required_approvals"],
        approvers=[each["approver"] for each in shown["approvals"]],
        lines=[OrderedLine(*line[1:9]) for line in lines],
        total=shown["total"],
        version=shown["version"],
        approvals_since=header[20],
        amenders=sorted({each["amended_by"] for each in shown["amendments"]}),
    )
    found = LockedOrder(order, shown)
    found.add_lots((row[0], LotFacts(row[1], *map(_day, row[2:5])), row[5]) for row in header[28] or ())
    return found


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _in_units(qty: int, base_unit: str, packs: Sequence[tuple[str, int]] | None) -> str:
    """Units in the supplier's packs, with the base unit; empty if the number says as much."""
    shown = ProductUnits(BaseUnit(base_unit), dict(packs or ())).shown(qty)
    return "" if shown == str(qty) else shown


def require_order(found: Mapping[str, LockedOrder], po_number: str) -> LockedOrder:
    """The order of this number.

    Raises:
        InvalidRequest: There is none.
    """
    if (order := found.get(po_number)) is None:
        raise InvalidRequest(f"there is no purchase order {po_number}")
    return order


def lock_purchase_order(connection: Connection, po_number: str) -> PurchaseOrder:
    """Lock a purchase order's row, and read the order as it is then.

    Raises:
        InvalidRequest: There is no such order.
    """
    _, *rows = send(connection, [lock_orders([po_number]), *read_orders([po_number], 1)])
    return require_order(orders_of(rows), po_number).order


def read_purchase_order(connection: Connection, po_number: str, *, receipts: int) -> dict[str, Any]:
    """The order as answers show it, with its latest receipts, at most ``receipts``, oldest first. Locks nothing.

    Besides, ``timezone`` is that of its warehouse, and ``run_id`` the run that its draft belongs to.
    """
    return orders_of(send(connection, read_orders([po_number], receipts)))[po_number].shown
