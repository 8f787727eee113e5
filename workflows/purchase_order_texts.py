"""Texts about a purchase order: in the Temporal UI, and in notices."""

from collections.abc import Sequence

from stockkeeper.contracts.lot import lots_in_words
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import amount, utc
from stockkeeper.contracts.notice import Audience, Notice, NoticeOutcome, NoticeState
from stockkeeper.contracts.purchase_order import StoredLine, StoredPurchaseOrder
from stockkeeper.contracts.purchase_order_state import PurchaseOrderState
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from workflows.details import details, differences, notices, receipts, table
from workflows.notices import cut

_NOTES_OF_LINES = 20
_AMENDMENTS_SHOWN = 5


def approval_wanted(order: StoredPurchaseOrder) -> Notice:
    """A draft waits for approval."""
    return _to_procurement(order, f"Approval wanted: {_named(order)}")


def reminder(order: StoredPurchaseOrder) -> Notice:
    """A draft still waits for approval."""
    return _to_procurement(order, f"Still waiting for approval: {_named(order)}")


def escalation(order: StoredPurchaseOrder) -> Notice:
    """A draft has waited too long: for the superiors of those who were asked."""
    return Notice(
        audience=Audience.ESCALATION, title=f"No decision yet on {_named(order)}", body=_for_procurement(order)
    )


def late(order: StoredPurchaseOrder) -> Notice:
    """The expected day is over."""
    return _to_procurement(order, f"Late: {_named(order)} was expected on {order.expected_delivery_date}")


def news(was: PurchaseOrderStatus, order: StoredPurchaseOrder, *, is_amended: bool = False) -> list[Notice]:
    """Notices about a change of status or of the lines, to the supplier or to procurement."""
    if order.status is PurchaseOrderStatus.SUBMITTED:
        version = f", version {order.version}, in place of the one that you have" if order.was_out else ""
        return [_to_supplier(order, f"Purchase order {order.po_number}{version}")]
    if order.status is PurchaseOrderStatus.DRAFT and is_amended:
        wanted = _to_procurement(order, f"Approval wanted: {_named(order)}, amended: {order.amendments[-1].reason}")
        if was is PurchaseOrderStatus.SUBMITTED:
            return [_to_supplier(order, f"Purchase order {order.po_number} is being changed: please wait"), wanted]
        return [wanted]
    if order.status is PurchaseOrderStatus.CANCELLED and was is PurchaseOrderStatus.DRAFT:
        ended = [_to_procurement(order, f"Cancelled: {_named(order)}: {order.closed_reason}")]
        if order.was_out:
            ended.append(_to_supplier(order, f"Purchase order {order.po_number} is cancelled"))
        return ended
    if order.status is PurchaseOrderStatus.CANCELLED:
        return [_to_supplier(order, f"Purchase order {order.po_number} is cancelled")]
    if order.status is PurchaseOrderStatus.RECEIVED and order.closed_reason is not None:
        return [_to_supplier(order, f"Purchase order {order.po_number}: the rest is no longer expected")]
    return []


def details_of(state: PurchaseOrderState, order: StoredPurchaseOrder, *, is_late: bool = False) -> str:
    """The run in a few lines of Markdown: approvals, units received and missing, and the next step."""
    parts = [
        *_approvals(order),
        *_lines_shown(order),
        "",
        *(
            f"- {plain(line.sku)} received: {plain(lots_in_words(line.lots))}"
            for line in order.line_items[:_NOTES_OF_LINES]
            if line.lots
        ),
        *(f"- {plain(line.sku)}: {plain(line.note)}" for line in order.line_items[:_NOTES_OF_LINES] if line.note),
        "",
        *receipts(["receipt", "at", "by", "#accepted", "#rejected"], order.receipts),
        "",
        *(
            f"- {plain(each.correction_id)} corrects {plain(each.receipt_id)}: {plain(each.reason)}"
            for each in order.corrections[-_AMENDMENTS_SHOWN:]
        ),
        "",
        *table(
            ["returned to supplier", "at", "by", "#units", "why"],
            [(each.return_id, utc(each.at), each.performed_by, each.quantity, each.reason) for each in order.returns],
        ),
        "",
        *differences(order.difference_approvals),
        "",
        *notices(state.notices),
    ]
    way = f"{plain(order.supplier)} → {plain(order.warehouse)}"
    text = f"{way}, total {amount(order.total)}. {_next(state, order, is_late=is_late)}"
    amended = [
        f"- Version {each.version}, amended by {plain(each.amended_by)} at {utc(each.at)}: {plain(each.reason)} "
        f"(total before: {amount(each.total_before)})"
        for each in order.amendments[-_AMENDMENTS_SHOWN:]
    ]
    asked = f"Requested by {plain(order.requested_by)} at {utc(order.drafted_at)}: {plain(order.reason)}"
    return details(order.status, text, [asked, *([""] if amended else []), *amended, "", *parts], state.notes)


def _lines_shown(order: StoredPurchaseOrder) -> list[str]:
    """The lines as a table; returned units where there are any, in place of the cost: the page has six columns."""
    if any(line.quantity_returned for line in order.line_items):
        return table(
            ["product", "#ordered", "#received", "#rejected", "#returned", "#missing"],
            [
                (
                    *(line.sku, line.qty, line.quantity_received, line.quantity_rejected),
                    *(line.quantity_returned, _missing(line)),
                )
                for line in order.line_items
            ],
        )
    return table(
        ["product", "#unit cost", "#ordered", "#received", "#rejected", "#missing"],
        [
            (
                *(line.sku, amount(line.unit_cost)),
                *(line.qty, line.quantity_received, line.quantity_rejected, _missing(line)),
            )
            for line in order.line_items
        ],
    )


def _next(state: PurchaseOrderState, order: StoredPurchaseOrder, *, is_late: bool) -> str:
    day = order.expected_delivery_date
    expected = f" {'LATE: expected' if is_late else 'Expected'} on {day}." if day else ""
    match order.status:
        case PurchaseOrderStatus.DRAFT:
            missing = order.required_approvals - len(order.approvals)
            until = f"at {utc(state.approve_by)}" if state.approve_by else "at the last deadline"
            return (
                f"Waits for {missing} of {order.required_approvals} approvals, "
                f"by people other than {plain(' and '.join(_writers(order)))}. "
                f"Next: `approve`, `reject`, `amend` or `cancel`; otherwise it is cancelled {until}."
            )
        case PurchaseOrderStatus.SUBMITTED:
            out = _way_out(state.notices)
            return f"{out}{expected} Next: `confirm`, `receive`, `amend`, `close_short` or `cancel`."
        case PurchaseOrderStatus.CONFIRMED:
            return f"Confirmed by the supplier.{expected} Next: `receive`, `close_short` or `cancel`."
        case PurchaseOrderStatus.RECEIVED:
            return f"Closed short: {plain(order.closed_reason)}." if order.closed_reason else "Everything has come."
        case PurchaseOrderStatus.CANCELLED:
            return f"Nothing more is expected: {plain(order.closed_reason)}."


def _way_out(sent: Sequence[NoticeState]) -> str:
    """Whether the supplier has the order, by the first notice to it; without one, an earlier run has sent it."""
    notice = next((each for each in sent if each.audience is Audience.SUPPLIER), None)
    if notice is None or notice.outcome is NoticeOutcome.SENT:
        return "Out to the supplier."
    if notice.not_sent is None:
        return "On its way to the supplier."
    return f"NOT sent: {plain(notice.not_sent)}. Inform the supplier yourself."


def _approvals(order: StoredPurchaseOrder) -> Sequence[str]:
    if not order.required_approvals:
        return ["No approval is needed for this total.", ""]
    rows = [(each.approver, utc(each.at), each.note or "") for each in order.approvals]
    given = f"Approvals: {len(order.approvals)} of {order.required_approvals}"
    return [given, "", *table(["approved by", "at", "note"], rows), ""]


def _writers(order: StoredPurchaseOrder) -> list[str]:
    return list(dict.fromkeys([order.requested_by, *(each.amended_by for each in order.amendments)]))


def _missing(line: StoredLine) -> int:
    return max(line.qty - line.quantity_received, 0)


def _named(order: StoredPurchaseOrder) -> str:
    return f"purchase order {order.po_number}, {amount(order.total)} from {order.supplier}"


def _to_procurement(order: StoredPurchaseOrder, title: str) -> Notice:
    return Notice(audience=Audience.PROCUREMENT, title=title, body=_for_procurement(order))


def _to_supplier(order: StoredPurchaseOrder, title: str) -> Notice:
    expected = order.expected_delivery_date
    body = [
        f"Deliver to: {order.warehouse}",
        *([f"Expected on: {expected}"] if expected else []),
        "",
        *_lines(order),
        "",
        f"Total: {amount(order.total)}",
    ]
    return Notice(audience=Audience.SUPPLIER, supplier_id=order.supplier_id, title=title, body="\n".join(body))


def _for_procurement(order: StoredPurchaseOrder) -> str:
    return "\n".join(
        [
            f"Requested by {order.requested_by}: {order.reason}",
            *(f"Amended by {each.amended_by}: {each.reason}" for each in order.amendments[-_AMENDMENTS_SHOWN:]),
            f"Approvals: {len(order.approvals)} of {order.required_approvals}",
            "",
            *_lines(order, with_notes=True),
            "",
            f"Total: {amount(order.total)}",
        ]
    )


def _lines(order: StoredPurchaseOrder, *, with_notes: bool = False) -> list[str]:
    lines = [
        f"{line.qty_shown or line.qty} x {line.sku} at {amount(line.unit_cost)}"
        + (f", {line.quantity_received} received" if line.quantity_received else "")
        + (f" ({line.note})" if line.note and with_notes else "")
        for line in order.line_items
    ]
    return cut(lines)
