"""A purchase order under its lock: as it was read, as answers show it by now, and what is to be written of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from database.locks import lock_suppliers
from database.operations import Operation
from database.pipeline import Statement, instants, numbers, texts
from database.purchase_order_goods import RECEIPTS
from database.receipts import BookedReceipt, insert_receipts
from database.supplier_performance import PaidLine, keep_lead_times, keep_unit_costs
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.purchase_order import PurchaseOrder, PurchaseOrderStatus
from stockkeeper.domain.receipt import Taken

_CLOSE_HEADERS = """
    UPDATE purchase_orders AS header
    SET status = closed.status, closed_at = closed.at, closed_by = closed.by, closed_reason = NULL
    FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[]) AS closed (po_id, status, at, by)
    WHERE header.po_id = closed.po_id
"""


@dataclass(slots=True)
class LockedOrder:
    """A purchase order under its lock.

    Attributes:
        order: As it was read; a step decides on this.
        shown: As answers show it by now.
        known: Units by product of booked receipts whose number is that of the step's, whatever its case.
        receipt: A receipt to be written.
        paid: Lines of which some has come, with the time.
        closed_at: When it has ended, by this step.
        closed_by: The operation that has ended it.
        lots: Units received of each lot, by product and number.
    """

    order: PurchaseOrder
    shown: dict[str, Any]
    known: dict[str, dict[int, Taken]] = field(default_factory=dict)
    receipt: BookedReceipt | None = None
    paid: list[PaidLine] = field(default_factory=list)
    closed_at: datetime | None = None
    closed_by: str | None = None
    lots: dict[int, dict[str, tuple[LotFacts, int]]] = field(default_factory=dict)

    def twin_of(self, receipt_id: str) -> str | None:
        """A booked receipt whose number differs from this one by upper and lower case alone."""
        return next((known for known in self.known if known != receipt_id), None)

    def receive(
        self, operation: Operation, receipt_id: str, taken: Mapping[int, Taken], at: datetime, unfit_reason: str | None
    ) -> None:
        """Book a receipt: its units by line number, when it came, and why units were rejected."""
        of = self.order.po_id
        self.receipt = BookedReceipt(of, receipt_id, taken, at, operation, unfit_reason=unfit_reason)
        for line, shown in zip(self.order.lines, self.shown["line_items"], strict=True):
            if (share := taken.get(line.line_number)) is not None:
                shown["quantity_received"] += share.accepted
                shown["quantity_rejected"] += share.unfit
        came = {
            "receipt_id": receipt_id,
            "at": at,
            "performed_by": operation.performed_by,
            "accepted": sum(share.accepted for share in taken.values()),
            "unfit": sum(share.unfit for share in taken.values()),
            "unfit_reason": unfit_reason,
        }
        self.shown["receipts"] = sorted([*self.shown["receipts"], came], key=_when)

    def add_lots(self, came: Iterable[tuple[int, LotFacts, int]]) -> None:
        """Show these lots on the lines: units received of each, by product.

        A product on several lines fills them in order; of which line a unit is, nothing says.
        """
        for product_id, facts, units in came:
            its = self.lots.setdefault(product_id, {})
            before = its[facts.lot_number][1] if facts.lot_number in its else 0
            its[facts.lot_number] = facts, before + units
        left = {product_id: sorted(its.values(), key=_expires) for product_id, its in self.lots.items()}
        for line in self.shown["line_items"]:
            if (product_id := line["product_id"]) in left:
                line["lots"], left[product_id] = _first(left[product_id], line["quantity_received"])

    def pay(self, line_numbers: Iterable[int], as_of: datetime) -> None:
        """Keep the unit costs of these lines as the last that were paid."""
        self.paid = [PaidLine(self.order.po_id, line_number, as_of) for line_number in line_numbers]

    def close(self, operation: Operation, status: PurchaseOrderStatus, as_of: datetime) -> None:
        """End it, with all that was owed received."""
        self.shown |= {"status": status, "closed_reason": None}
        self.closed_at, self.closed_by = as_of, operation.operation_id


def _when(receipt: Mapping[str, Any]) -> tuple[datetime, str]:
    at = receipt["at"]
    return datetime.fromisoformat(at) if isinstance(at, str) else at, receipt["receipt_id"]


def _expires(lot: tuple[LotFacts, int]) -> tuple[date, str]:
    facts = lot[0]
    return facts.expires_on or facts.best_before or date.max, facts.lot_number


def _first(lots: Sequence[tuple[LotFacts, int]], units: int) -> tuple[list[dict[str, Any]], list[tuple[LotFacts, int]]]:
    """The lots of the first so many units, as a line shows them, and those of all others."""
    shown, others = [], []
    for facts, quantity in lots:
        if taken := min(quantity, units):
            shown.append({"lot_number": facts.lot_number, "expires_on": facts.expires_on, "quantity": taken})
            units -= taken
        if quantity > taken:
            others.append((facts, quantity - taken))
    return shown, others


def changes_of(orders: Iterable[LockedOrder]) -> Iterator[Statement]:
    """What has changed of orders, as statements over arrays. Locks: their suppliers, sorted, which come last."""
    listed = list(orders)
    if receipts := [each.receipt for each in listed if each.receipt is not None]:
        yield from insert_receipts(RECEIPTS, receipts)
    paying, closed = [each for each in listed if each.paid], [each for each in listed if each.closed_by is not None]
    if paying or closed:
        yield lock_suppliers({each.order.supplier_id for each in (*paying, *closed)})
    if paying:
        yield keep_unit_costs([line for each in paying for line in each.paid])
    if closed:
        yield Statement(
            _CLOSE_HEADERS,
            (
                numbers(each.order.po_id for each in closed),
                texts(each.shown["status"] for each in closed),
                instants(each.closed_at for each in closed),
                texts(each.closed_by for each in closed),
            ),
        )
        yield from keep_lead_times([each.order.po_id for each in closed])
