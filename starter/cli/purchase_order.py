"""`stockkeeper po`: order from suppliers, decide on drafts, receive deliveries."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, read_input
from starter.cli.deliveries import Dock, Due
from starter.cli.documents import Answer, Desk, Mentioned
from starter.cli.order_lines import amended_lines, changed_lines, order_lines, units_of_lot, with_costs
from starter.cli.output import amount, changed, changed_status, out, table
from starter.cli.quantities import TypedLine, in_base_units
from starter.cli.shared_commands import add_approve_difference, add_delivery, add_list, add_reasoned, add_show
from starter.cli.times import day_or_none, day_shown, shown
from stockkeeper.client.lines import DeliveryLine, ShelfLine
from stockkeeper.client.purchase_order import PurchaseOrder
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.lot import lots_in_words
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.purchase_order_state import PurchaseOrderState, PurchaseOrderStatus
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Order from suppliers: draft, approve, confirm, receive.")


Number = Annotated[str, typer.Argument(metavar="PO", help="The purchase order's number.")]
Day = Annotated[str | None, typer.Option("--expected", metavar="DAY", help="The expected day of delivery: 2026-12-24.")]


def register(root: typer.Typer) -> None:
    """Add ``po`` to the command line."""
    root.add_typer(app, name="po")


def _headline(before: PurchaseOrderState, state: PurchaseOrderState) -> str:
    status = changed_status(before.status, state.status)
    given = "no approval needed"
    if state.required_approvals:
        given = f"{changed(len(before.approvals), len(state.approvals))} of {state.required_approvals} approvals"
    version = f", version {changed(before.version, state.version)}" if state.version > 1 else ""
    return f"purchase order [bold]{escape(state.po_number)}[/bold]: {status}, {given}{version}"


def _show(answer: Answer[PurchaseOrderState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    out.print(_headline(before, state))
    way = f"{printing.supplier(found, state.supplier_id)} → {printing.warehouse(found, state.warehouse_id)}"
    out.print(f"{way}, total {amount(state.total)}")
    if state.expected_delivery_date or before.expected_delivery_date:
        out.print(
            f"expected on {changed(day_shown(before.expected_delivery_date), day_shown(state.expected_delivery_date))}"
        )
    out.print(f"requested by {escape(state.requested_by)}: {escape(state.reason)}")
    if state.status is PurchaseOrderStatus.DRAFT and state.approve_by:
        out.print(f"cancelled unless approved by {shown(state.approve_by)}")
    for amendment in state.amendments:
        new = "" if amendment in before.amendments else " [bold](new)[/bold]"
        out.print(
            f"version {amendment.version}: amended by {escape(amendment.amended_by)} at {shown(amendment.at)}: "
            f"{escape(amendment.reason)} (total before: {amount(amendment.total_before)}){new}"
        )
    for approval in state.approvals:
        note = f": {escape(approval.note)}" if approval.note else ""
        new = "" if approval in before.approvals else " [bold](new)[/bold]"
        out.print(f"approved by {escape(approval.approver)} at {shown(approval.at)}{note}{new}")
    printing.print_difference_approvals(state.difference_approvals, before.difference_approvals)
    printing.print_receipts(state.receipts, before.receipts, unfit="rejected")
    for fix in state.corrections:
        out.print(f"receipt {escape(fix.correction_id)} corrects {escape(fix.receipt_id)}: {escape(fix.reason)}")
    for sent in state.returns:
        number = f" ({escape(sent.reference)})" if sent.reference else ""
        new = "" if sent in before.returns else " [bold](new)[/bold]"
        out.print(
            f"return {escape(sent.return_id)}{number} by {escape(sent.performed_by)} at {shown(sent.at)}: "
            f"{counted(sent.quantity, 'unit')}, {escape(sent.reason)}{new}"
        )
    if state.closed_reason:
        out.print(f"closed: {escape(state.closed_reason)}")
    out.print(_lines(before, state, found))
    printing.print_afterwards(state.notes, state.notices, found)


def _lines(before: PurchaseOrderState, state: PurchaseOrderState, found: FoundItems) -> Any:
    rows: list[Sequence[str]] = []
    any_returned = any(line.quantity_returned for line in state.line_items)
    has_lots = any(line.lots for line in state.line_items)
    # Another version has other lines.
    earlier = before if before.version == state.version else state
    for was, line in zip(earlier.line_items, state.line_items, strict=True):
        of_line = partial(printing.units, found, line.product_id, supplier_id=state.supplier_id)
        received = changed(of_line(was.quantity_received), of_line(line.quantity_received))
        rejected = changed(of_line(was.quantity_rejected), of_line(line.quantity_rejected))
        returned = [changed(of_line(was.quantity_returned), of_line(line.quantity_returned))] if any_returned else []
        missing = of_line(max(line.qty - line.quantity_received, 0))
        rows.append(
            [
                printing.sku(found, line.product_id),
                amount(line.unit_cost),
                of_line(line.qty),
                received,
                rejected,
                *returned,
                missing,
                *([escape(lots_in_words(line.lots))] if has_lots else []),
            ]
        )
    back = ["#returned"] if any_returned else []
    columns = [
        "product",
        "#unit cost",
        "#ordered",
        "#received",
        "#rejected",
        *back,
        "#missing",
        *(["lots"] if has_lots else []),
    ]
    if not any(line.note for line in state.line_items):
        return table(columns, rows)
    notes = [escape(line.note or "") for line in state.line_items]
    return table([*columns, "why"], [[*row, note] for row, note in zip(rows, notes, strict=True)])


_desk = Desk(
    find=lambda stock, number: stock.purchase_order(number),
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.line_items], [state.warehouse_id], [state.supplier_id]
    ),
    show=_show,
)


_dock = Dock(
    desk=_desk,
    options=("--line", "--rejected"),
    outstanding=lambda state: [
        Due(each.product_id, max(each.qty - each.quantity_received, 0)) for each in state.line_items
    ],
    receipts=lambda state: state.receipts,
    how="give what was delivered with --line, or everything that is still owed with --all",
    nothing_left="purchase order {}: nothing is owed any more",
    warehouse=lambda state: state.warehouse_id,
    book=lambda order, lines, performed_by, receipt_id, came_at, unfit_reason: order.receive(
        receipt_id or "",
        [
            DeliveryLine(
                each.product_id,
                quantity=each.fit,
                rejected_quantity=each.unfit,
                lot_number=each.lot_number,
                expires_on=each.expires_on,
            )
            for each in lines
        ],
        performed_by=performed_by,
        unfit_reason=unfit_reason,
        occurred_at=came_at,
    ),
    unfit_on_top=True,
    supplier=lambda state: state.supplier_id,
)


@app.command("create")
def create(
    po_number: Number,
    *,
    supplier: Annotated[str, typer.Option(help="The supplier: name or id.")],
    warehouse: options.Warehouse,
    line: Annotated[
        list[str] | None,
        options.given_lines("Once for each line; without a cost, as agreed.", "SKU=UNITS[@COST]"),
    ] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The lines: columns sku, qty, unit, unit_cost.")
    ] = None,
    expected: Day = None,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Draft an order. It waits for approval, or goes out at once if its total needs none."""

    async def make(stock: Stockkeeper) -> PurchaseOrder:
        return await stock.draft_purchase_order(
            po_number,
            await with_costs(stock, supplier, wanted),
            supplier_id=supplier,
            warehouse_id=warehouse,
            requested_by=performed_by,
            reason=reason,
            expected_delivery_date=day,
        )

    wanted = read_input(lambda: order_lines(line, lines))
    day = read_input(lambda: day_or_none(expected, "--expected"))
    _desk.create(make, as_json=as_json)


@app.command("inbox")
def inbox(*, limit: options.InboxLimit = None, as_json: options.AsJson = False) -> None:
    """List drafts that wait for approval, the oldest first."""
    printing.print_inbox(
        lambda stock: stock.awaiting_approval(limit=limit),
        ["order", "supplier", "#total", "approvals", "requested by"],
        lambda draft: [
            escape(draft.po_number),
            escape(draft.supplier),
            amount(draft.total),
            f"{draft.approvals} of {draft.required_approvals}",
            escape(draft.requested_by),
        ],
        as_json=as_json,
    )


add_list(
    app,
    "List purchase orders, the latest first.",
    PurchaseOrderStatus,
    lambda stock: stock.purchase_orders,
    lambda listed: printing.from_memo(listed, "po_number", "supplier", "total"),
    ["order", "supplier", "#total", "products", "where"],
    lambda row: [
        escape(row["po_number"]),
        printing.text(row["supplier"]),
        amount(Decimal(row["total"])) if row["total"] else "",
        printing.joined(row["skus"]),
        printing.joined(row["warehouses"]),
    ],
)


add_show(app, "Show an order: approvals, deliveries, notices, and refused commands.", Number, _desk)


@app.command("approve")
def approve(
    po_numbers: Annotated[list[str], typer.Argument(metavar="PO...", help="One order, or several.")],
    *,
    version: Annotated[
        int | None, typer.Option(help="The version that you looked at; an amended one is refused then.")
    ] = None,
    note: options.Note = None,
    approver: options.Approver,
    as_json: options.AsJson = False,
) -> None:
    """Approve orders. Each is decided by itself; exit status 1 if one was refused."""
    _desk.command_each(
        po_numbers,
        lambda order: order.approve(approver=approver, note=note, version=version),
        _headline,
        as_json=as_json,
    )


@app.command("reject")
def reject(
    po_number: Number, *, reason: options.Reason, approver: options.Approver, as_json: options.AsJson = False
) -> None:
    """Reject an order, which cancels it."""
    _desk.command(po_number, lambda order: order.reject(approver=approver, reason=reason), as_json=as_json)


@app.command("amend")
def amend(
    po_number: Number,
    *,
    line: Annotated[
        list[str] | None, options.given_lines("All lines as they are to be, once for each.", "SKU=UNITS[@COST]")
    ] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The same as a file: sku, qty, unit, unit_cost.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--change", metavar="SKU=UNITS[@COST]", help="Only this product; 0 units take it off the order."),
    ] = None,
    expected: Day = None,
    amendment_id: Annotated[str | None, options.own_number("amendment", "is done")] = None,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Change an order of which nothing has come. A draft, and a larger total, is approved anew."""

    async def send(order: PurchaseOrder) -> PurchaseOrderState:
        stock = await connect()
        if change:
            new = await changed_lines(stock, order.state, wanted)
        else:
            names = await stock.names(supplier_ids=[order.state.supplier_id or 0])
            new = await with_costs(stock, next(iter(names.supplier_names.values()), ""), wanted)
        return await order.amend(
            new,
            performed_by=performed_by,
            reason=reason,
            expected_delivery_date=day,
            # A single change is of the order as it was read; all lines are as they are.
            version=order.state.version if change and amendment_id is None else None,
            amendment_id=amendment_id,
        )

    wanted = read_input(lambda: amended_lines(line, lines, change))
    day = read_input(lambda: day_or_none(expected, "--expected"))
    _desk.command(po_number, send, as_json=as_json)


@app.command("confirm")
def confirm(
    po_number: Number, *, expected: Day = None, performed_by: options.PerformedBy, as_json: options.AsJson = False
) -> None:
    """Record that the supplier has accepted the order, perhaps for another day."""
    day = read_input(lambda: day_or_none(expected, "--expected"))
    _desk.command(
        po_number,
        lambda order: order.confirm(performed_by=performed_by, expected_delivery_date=day),
        as_json=as_json,
    )


add_delivery(
    app,
    "receive",
    "Receive a delivery: accepted units enter stock.",
    Number,
    _dock,
    fit=(
        ("--line",),
        "Units accepted into stock; of a lot MILK=24#L-77, of a new one with its last day: MILK=24#L-77#2027-03-31.",
    ),
    unfit=("--rejected", "Units on top that are sent back."),
    unfit_reason="Why units were rejected.",
    everything="All outstanding units have come.",
    receipt=("--receipt-id", "The delivery's number: the same one is booked only once."),
)


add_approve_difference(app, "Approve units beyond the order, before another person receives them.", Number, _desk)


@app.command("correct-receipt")
def correct_receipt(
    po_number: Number,
    receipt_id: Annotated[str, typer.Argument(metavar="RECEIPT", help="The delivery's number, as it was booked.")],
    line: Annotated[list[str] | None, options.given_lines("Units booked that didn't come.")] = None,
    *,
    rejected: Annotated[
        list[str] | None, typer.Option("--rejected", metavar="SKU=UNITS", help="The same of rejected units.")
    ] = None,
    correction_id: Annotated[str, typer.Option(help="The correction's number: the same one is done only once.")],
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Book back units that a delivery was booked too high, also after the order's end."""
    accepted_units, rejected_units = read_input(lambda: (_units(line, "--line"), _units(rejected, "--rejected")))

    async def send(order: PurchaseOrder) -> PurchaseOrderState:
        stock, supplier = await connect(), order.state.supplier_id
        accepted = await in_base_units(stock, accepted_units, supplier)
        refused = await in_base_units(stock, rejected_units, supplier)
        lines = [
            *(DeliveryLine(each.product, quantity=each.quantity, lot_number=each.lot_number) for each in accepted),
            *(DeliveryLine(each.product, quantity=0, rejected_quantity=each.quantity) for each in refused),
        ]
        return await order.correct_receipt(correction_id, receipt_id, lines, performed_by=performed_by, reason=reason)

    _desk.command(po_number, send, as_json=as_json)


@app.command("return")
def return_goods(
    po_number: Number,
    line: Annotated[list[str], options.given_lines("Units that go back.")],
    *,
    return_id: Annotated[str, typer.Option(help="The return's number: the same one leaves only once.")],
    reference: Annotated[str | None, typer.Option(help="The supplier's number for the return.")] = None,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Send received goods back to the supplier, also after the order's end."""
    typed = read_input(lambda: _units(line, "--line"))

    async def send(order: PurchaseOrder) -> PurchaseOrderState:
        back = await in_base_units(await connect(), typed, order.state.supplier_id)
        lines = [ShelfLine(each.product, quantity=each.quantity, lot_number=each.lot_number) for each in back]
        return await order.return_goods(return_id, lines, performed_by=performed_by, reason=reason, reference=reference)

    _desk.command(po_number, send, as_json=as_json)


def _units(texts: Sequence[str] | None, option: str) -> list[TypedLine]:
    return [units_of_lot(text, option) for text in texts or []]


add_reasoned(
    app,
    "close-short",
    "Expect nothing more: units that came stay in stock, the rest is given up.",
    Number,
    PurchaseOrder.close_short,
    _desk,
)


add_reasoned(app, "cancel", "Cancel an order of which nothing has come.", Number, PurchaseOrder.cancel, _desk)
