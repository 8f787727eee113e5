"""Texts about a transfer: in the Temporal UI, and in notices."""

from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.contracts.transfer_state import TransferState
from stockkeeper.domain.transfer import TransferStatus
from workflows.details import details, notices, receipts, shortages, table
from workflows.notices import cut


def overdue(transfer: StoredTransfer) -> Notice:
    """The notice about a transfer that should have arrived by now."""
    due = f" was due at {utc(transfer.due_at)}" if transfer.due_at else " is overdue"
    return _to_warehouses(
        transfer, f"Overdue: {_named(transfer)}{due}, {counted(transfer.in_transit, 'unit')} in transit"
    )


def news(before: StoredTransfer, transfer: StoredTransfer) -> list[Notice]:
    """Notices about a change: goods that were damaged or lost in transit."""
    sent = []
    damaged = sum(line.damaged for line in transfer.line_items) - sum(line.damaged for line in before.line_items)
    if damaged > 0:
        sent.append(_to_warehouses(transfer, f"Damaged on the way: {counted(damaged, 'unit')} of {_named(transfer)}"))
    lost = sum(line.written_off for line in transfer.line_items) - sum(line.written_off for line in before.line_items)
    if lost > 0:
        why = transfer.write_offs[-1].reason if transfer.write_offs else transfer.closed_reason
        title = f"Written off: {counted(lost, 'unit')} of {_named(transfer)}: {why}"
        sent.append(_to_warehouses(transfer, title))
    return sent


def details_of(state: TransferState, transfer: StoredTransfer) -> str:
    """The run in a few lines of Markdown: units arrived and missing, and the next step."""
    # The page is narrow: omit columns that are zero on every line.
    shown = [(head, name) for head, name in _COLUMNS if name in _ALWAYS or any(_lines(transfer, name))]
    in_parts = any(line.dispatched not in (0, line.quantity) for line in transfer.line_items)
    if in_parts:
        shown = [("held", "held"), ("sent", "dispatched"), *shown]
    lines = table(
        [
            "product",
            "#sent" if transfer.dispatched_at and not in_parts else "#wanted",
            *(f"#{head}" for head, _ in shown),
        ],
        zip(
            _lines(transfer, "sku"),
            _lines(transfer, "quantity"),
            *(_lines(transfer, name) for _, name in shown),
            strict=True,
        ),
    )
    departures = [
        f"- {utc(each.at)}: {counted(each.quantity, 'unit')} left by {each.performed_by}"
        + (f" ({each.dispatch_id})" if each.dispatch_id else "")
        for each in (transfer.departures[-_DEPARTURES_SHOWN:] if in_parts or len(transfer.departures) > 1 else [])
    ]
    arrived = receipts(["receipt", "at", "by", "#fit", "#damaged"], transfer.receipts)
    text = f"{transfer.from_warehouse} → {transfer.to_warehouse}, {counted(transfer.units, 'unit')}. {_next(transfer)}"
    asked = f"Requested by {transfer.requested_by} at {utc(transfer.requested_at)}."
    parts = [asked, "", *lines, "", *departures, "", *arrived, "", *notices(state.notices)]
    return details(transfer.status, text, parts, state.notes)


def rejection_of(state: TransferState) -> str:
    """The details of a transfer that was rejected: nothing is stored, so SKUs and names are unknown."""
    short = shortages("#requested", "#available", state.shortages)
    text = f"Out of stock: nothing was held for transfer {state.transfer_number}."
    return details(state.status, text, short, state.notes)


_COLUMNS = (
    ("received", "received"),
    ("damaged", "damaged"),
    ("written off", "written_off"),
    ("returned", "returned"),
    ("in transit", "in_transit"),
)
_DEPARTURES_SHOWN = 10
_ALWAYS = {"received", "damaged", "in_transit"}


def _lines(transfer: StoredTransfer, name: str) -> list[object]:
    """One field of every line."""
    return [getattr(line, name) for line in transfer.line_items]


def _next(transfer: StoredTransfer) -> str:
    match transfer.status:
        case TransferStatus.PENDING:
            return f"Held at {transfer.from_warehouse}. Next: `dispatch` or `cancel`."
        case TransferStatus.IN_TRANSIT:
            due = f" Due at {utc(transfer.due_at)}." if transfer.due_at and transfer.in_transit else ""
            held = (
                f" {counted(transfer.held, 'unit')} still held at {transfer.from_warehouse}: `dispatch`."
                if transfer.held
                else ""
            )
            left = f" Left at {utc(transfer.dispatched_at)}." if transfer.dispatched_at else ""
            return (
                f"{counted(transfer.in_transit, 'unit')} in transit.{left}{due}{held} "
                "Next: `receive`, `write_off` what is missing, or `cancel`: the rest goes back to the source."
            )
        case TransferStatus.CANCELLED:
            return f"Nothing is on its way any more: {transfer.closed_reason}."
        case _:
            return f"The rest was written off: {transfer.closed_reason}." if transfer.closed_reason else "It is there."


def _named(transfer: StoredTransfer) -> str:
    return f"transfer {transfer.transfer_number}, {transfer.from_warehouse} → {transfer.to_warehouse}"


def _to_warehouses(transfer: StoredTransfer, title: str) -> Notice:
    body = [
        f"Requested by {transfer.requested_by}",
        *([f"Left at: {utc(transfer.dispatched_at)}"] if transfer.dispatched_at else []),
        "",
        *cut(
            [
                f"{line.quantity} x {line.sku}: {line.received} received, {line.damaged} damaged, "
                f"{line.written_off} written off, {line.in_transit} in transit"
                for line in transfer.line_items
            ]
        ),
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(body))
