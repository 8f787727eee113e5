"""Texts about a transfer: in the Temporal UI, and in notices."""

from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.contracts.transfer_state import TransferState
from stockkeeper.domain.transfer import TransferStatus
from workflows.details import details, differences, named_by, notices, receipts, shortages, table
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


def details_of(state: TransferState, transfer: StoredTransfer, *, is_overdue: bool = False) -> str:
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
    lots = table(
        ["product", "lot", "expires", "#held", "#sent", "#received", "#in transit"],
        [
            (line.sku, lot.lot_number, lot.expires_on or "", lot.held, lot.dispatched, lot.received, lot.in_transit)
            for line in transfer.line_items
            for lot in line.lots
        ],
    )
    departures = [
        f"- {utc(each.at)}: {counted(each.quantity, 'unit')} left by {plain(each.performed_by)}"
        + (f" ({plain(each.dispatch_id)})" if each.dispatch_id else "")
        for each in (transfer.departures[-_DEPARTURES_SHOWN:] if in_parts or len(transfer.departures) > 1 else [])
    ]
    arrived = receipts(["receipt", "at", "by", "#fit", "#damaged"], transfer.receipts)
    way = f"{plain(transfer.from_warehouse)} → {plain(transfer.to_warehouse)}"
    text = f"{way}, {counted(transfer.units, 'unit')}. {_next(transfer, is_overdue=is_overdue)}"
    asked = f"Requested by {plain(transfer.requested_by)} at {utc(transfer.requested_at)}."
    parts = [
        asked,
        "",
        *lines,
        "",
        *([*lots, ""] if lots else []),
        *departures,
        "",
        *arrived,
        "",
        *differences(transfer.difference_approvals),
        "",
        *notices(state.notices),
    ]
    return details(transfer.status, text, parts, state.notes)


def rejection_of(state: TransferState) -> str:
    """The details of a transfer that was rejected: nothing is stored, so SKUs and names are unknown."""
    short = shortages("#requested", "#available", state.shortages)
    text = f"Out of stock: nothing was held for transfer {plain(state.transfer_number)}."
    more = named_by("transfer show", state.transfer_number)
    return details(state.status, text, [*short, "", more], state.notes)


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


def _next(transfer: StoredTransfer, *, is_overdue: bool) -> str:
    match transfer.status:
        case TransferStatus.PENDING:
            return f"Held at {plain(transfer.from_warehouse)}. Next: `dispatch` or `cancel`."
        case TransferStatus.IN_TRANSIT:
            due = ""
            if transfer.due_at and transfer.in_transit:
                due = f" {'OVERDUE: due' if is_overdue else 'Due'} at {utc(transfer.due_at)}."
            held = (
                f" {counted(transfer.held, 'unit')} still held at {plain(transfer.from_warehouse)}: `dispatch`."
                if transfer.held
                else ""
            )
            left = f" Left at {utc(transfer.dispatched_at)}." if transfer.dispatched_at else ""
            return (
                f"{counted(transfer.in_transit, 'unit')} in transit.{left}{due}{held} "
                "Next: `receive`, `write_off` what is missing, or `cancel`: the rest goes back to the source."
            )
        case TransferStatus.CANCELLED:
            return f"Nothing is on its way any more: {plain(transfer.closed_reason)}."
        case _:
            return _come(transfer)


def _come(transfer: StoredTransfer) -> str:
    """What has become of the units of a transfer that is over."""
    came, damaged = (sum(getattr(line, name) for line in transfer.line_items) for name in ("received", "damaged"))
    if transfer.closed_reason:
        what = "The rest" if came + damaged else "All of it"
        return f"{what} was written off: {plain(transfer.closed_reason)}."
    never_left = sum(line.quantity - line.dispatched for line in transfer.line_items)
    but = [*([f"{damaged} of it damaged"] if damaged else []), *([f"{never_left} never left"] if never_left else [])]
    return f"It is there{', '.join(['', *but])}."


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
