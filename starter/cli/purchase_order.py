"""`stockkeeper po`: order from suppliers, decide on what others want to order, and receive what comes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from temporalio.client import WorkflowExecution

from starter.cli.context import Approver, AsJson, PerformedBy, connect, run
from starter.cli.documents import (
    Answer,
    Desk,
    Mentioned,
    Row,
    has_receipt,
    in_typed_names,
    joined,
    list_runs,
    print_afterwards,
    print_inbox,
    print_list,
    print_receipts,
)
from starter.cli.order_lines import came_by_product, lines_from_file, lines_from_options, split_units, with_costs
from starter.cli.output import changed, changed_status, out, table
from stockkeeper.client.calls import checked
from stockkeeper.client.stock import find_items
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import amount, money, utc
from stockkeeper.contracts.purchase_order import (
    WORKFLOW_TYPE,
    PurchaseOrderState,
    PurchaseOrderStatus,
    ReceiptLine,
    workflow_id,
)
from stockkeeper.contracts.stock import FoundItems

app = typer.Typer(no_args_is_help=True, help="Order from suppliers: draft, approve, confirm, receive.")


def register(root: typer.Typer) -> None:
    """Add ``po`` to the command line."""
    root.add_typer(app, name="po")


Number = Annotated[str, typer.Argument(metavar="PO", help="The purchase order's number.")]
Reason = Annotated[str, typer.Option(help="Why.")]
Day = Annotated[
    datetime | None, typer.Option("--expected", formats=["%Y-%m-%d"], help="The day on which it is expected.")
]


@app.command("create")
def create(
    po_number: Number,
    *,
    supplier: Annotated[str, typer.Option(help="From whom: a name or an id.")],
    warehouse: Annotated[str, typer.Option(help="Where it is to be delivered: a name or an id.")],
    line: Annotated[
        list[str] | None,
        typer.Option("--line", metavar="SKU=UNITS[@COST]", help="Once for each line; without a cost, as agreed."),
    ] = None,
    lines: Annotated[
        Path | None, typer.Option("--lines", metavar="FILE.csv", help="The lines: columns sku, qty, unit_cost.")
    ] = None,
    expected: Day = None,
    reason: Reason,
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Draft an order. It waits for approval, or goes out at once if its total needs none."""

    async def work() -> Answer[PurchaseOrderState]:
        if (lines is None) == (not line):
            raise InvalidRequest("give the lines by --line, or a file of them by --lines")
        wanted = lines_from_file(lines) if lines else lines_from_options(line or [])
        stock = await connect()
        found = await find_items(
            stock.client, [each.product for each in wanted], [warehouse], [supplier], task_queue=stock.task_queue
        )
        order = await stock.draft_purchase_order(
            po_number,
            await with_costs(stock, found.suppliers[supplier], wanted, found.products),
            supplier_id=found.suppliers[supplier],
            warehouse_id=found.warehouses[warehouse],
            requested_by=performed_by,
            reason=reason,
            expected_delivery_date=expected.date() if expected else None,
        )
        return await _desk.named(stock, order.state, as_json=as_json)

    _desk.answer(work(), as_json=as_json)


@app.command("inbox")
def inbox(
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="How many at most.")] = None,
    as_json: AsJson = False,
) -> None:
    """What waits for approval, the oldest first."""

    async def work() -> list[dict[str, Any]]:
        stock = await connect()
        return [
            {
                "po_number": draft.po_number,
                "supplier": draft.supplier,
                "total": money(draft.total),
                "approvals": draft.approvals,
                "required_approvals": draft.required_approvals,
                "requested_by": draft.requested_by,
                "since": draft.since.isoformat(),
                "approve_by": draft.approve_by.isoformat() if draft.approve_by else None,
            }
            for draft in await stock.awaiting_approval(limit=limit)
        ]

    print_inbox(
        run(work()),
        ["order", "supplier", "#total", "approvals", "requested by"],
        lambda row: [
            escape(row["po_number"]),
            escape(row["supplier"]),
            amount(Decimal(row["total"])),
            f"{row['approvals']} of {row['required_approvals']}",
            escape(row["requested_by"]),
        ],
        as_json=as_json,
    )


@app.command("list")
def list_(
    *,
    status: Annotated[PurchaseOrderStatus | None, typer.Option(help="Only these.")] = None,
    sku: Annotated[str | None, typer.Option(help="Only those of this product.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Purchase orders, the latest first."""
    rows = list_runs(WORKFLOW_TYPE, _listed, status=status, sku=sku, limit=limit)
    print_list(
        rows,
        ["order", "supplier", "#total", "products", "where"],
        lambda row: [
            escape(row["po_number"]),
            escape(row["supplier"] or ""),
            amount(Decimal(row["total"])) if row["total"] else "",
            joined(row["skus"]),
            joined(row["warehouses"]),
        ],
        limit=limit,
        as_json=as_json,
    )


@app.command("show")
def show(po_number: Number, *, as_json: AsJson = False) -> None:
    """How an order stands: who approved it, what came, what was sent to whom, what was refused."""
    _desk.look(po_number, as_json=as_json)


@app.command("approve")
def approve(
    po_numbers: Annotated[list[str], typer.Argument(metavar="PO...", help="One order, or several.")],
    *,
    note: Annotated[str | None, typer.Option(help="Anything worth keeping.")] = None,
    approver: Approver,
    as_json: AsJson = False,
) -> None:
    """Approve orders. Of several, each is decided by itself; the exit status tells whether all went well."""
    _desk.command_each(
        po_numbers, lambda order: order.approve(approver=approver, note=note), _headline, as_json=as_json
    )


@app.command("reject")
def reject(po_number: Number, *, reason: Reason, approver: Approver, as_json: AsJson = False) -> None:
    """Reject an order, which cancels it."""
    _desk.command(po_number, lambda order: order.reject(approver=approver, reason=reason), as_json=as_json)


@app.command("confirm")
def confirm(po_number: Number, *, expected: Day = None, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """The supplier has accepted it, perhaps for another day."""
    day = expected.date() if expected else None
    _desk.command(
        po_number,
        lambda order: order.confirm(performed_by=performed_by, expected_delivery_date=day),
        as_json=as_json,
    )


@app.command("receive")
def receive(
    po_number: Number,
    line: Annotated[
        list[str] | None, typer.Option("--line", metavar="SKU=UNITS", help="What is accepted into stock.")
    ] = None,
    *,
    rejected: Annotated[
        list[str] | None, typer.Option("--rejected", metavar="SKU=UNITS", help="What came on top and is sent back.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is still owed has come.")] = False,
    receipt_id: Annotated[str, typer.Option(help="The delivery's number: the same one is booked only once.")],
    performed_by: PerformedBy,
    as_json: AsJson = False,
) -> None:
    """Goods have come: put them into stock."""

    async def work() -> Answer[PurchaseOrderState]:
        if everything == bool(line):
            raise InvalidRequest("say what came by --line, or --all if it is everything that is still owed")
        stock = await connect()
        accepted_units = [split_units(text, "--line") for text in line or []]
        rejected_units = [split_units(text, "--rejected") for text in rejected or []]
        order = await stock.purchase_order(po_number)
        owed = any(each.qty > each.quantity_received for each in order.state.line_items)
        if everything and not owed and has_receipt(order.state.receipts, receipt_id):
            # Sent again: everything that was owed then has been booked.
            return await _desk.named(stock, order.state, as_json=as_json)
        products = [product for product, _ in [*accepted_units, *rejected_units]]
        found = await find_items(stock.client, products, [], task_queue=stock.task_queue)
        lines = [
            checked(ReceiptLine, product_id=product_id, quantity=accepted, rejected_quantity=sent_back)
            for product_id, (accepted, sent_back) in came_by_product(
                found.products,
                accepted_units,
                rejected_units,
                [
                    (each.product_id, max(each.qty - each.quantity_received, 0))
                    for each in order.state.line_items
                    if everything
                ],
            ).items()
        ]
        if not lines:
            raise InvalidRequest(f"purchase order {po_number}: nothing is owed any more")
        try:
            return await _desk.commanded(
                stock,
                po_number,
                lambda order: order.receive(receipt_id, lines, performed_by=performed_by),
                as_json=as_json,
            )
        except InvalidRequest as refused:
            raise in_typed_names(refused, found.products) from None

    _desk.answer(work(), as_json=as_json)


@app.command("close-short")
def close_short(po_number: Number, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """Expect nothing more of it: what came stays, the rest is given up."""
    _desk.command(po_number, lambda order: order.close_short(performed_by=performed_by, reason=reason), as_json=as_json)


@app.command("cancel")
def cancel(po_number: Number, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """It isn't wanted any more, and nothing of it has come."""
    _desk.command(po_number, lambda order: order.cancel(performed_by=performed_by, reason=reason), as_json=as_json)


async def _listed(execution: WorkflowExecution) -> Row:
    shown = await execution.memo()
    return {
        "po_number": execution.id.removeprefix(workflow_id("")),
        "supplier": shown.get("supplier"),
        "total": shown.get("total"),
    }


def _headline(before: PurchaseOrderState, state: PurchaseOrderState) -> str:
    status = changed_status(before.status, state.status)
    given = "no approval needed"
    if state.required_approvals:
        given = f"{changed(len(before.approvals), len(state.approvals))} of {state.required_approvals} approvals"
    return f"purchase order [bold]{escape(state.po_number)}[/bold]: {status}, {given}"


def _show(answer: Answer[PurchaseOrderState], found: FoundItems) -> None:
    state, before = answer.state, answer.before
    supplier = found.supplier_names.get(state.supplier_id or 0, f"supplier {state.supplier_id}")
    warehouse = found.warehouse_names.get(state.warehouse_id or 0, f"warehouse {state.warehouse_id}")
    out.print(_headline(before, state))
    out.print(f"{escape(supplier)} → {escape(warehouse)}, total {amount(state.total)}")
    if state.expected_delivery_date or before.expected_delivery_date:
        out.print(f"expected on {changed(before.expected_delivery_date, state.expected_delivery_date)}")
    out.print(f"requested by {escape(state.requested_by)}: {escape(state.reason)}")
    if state.status is PurchaseOrderStatus.DRAFT and state.approve_by:
        out.print(f"cancelled unless approved by {utc(state.approve_by)}")
    for approval in state.approvals:
        note = f": {escape(approval.note)}" if approval.note else ""
        new = "" if approval in before.approvals else " [bold](new)[/bold]"
        out.print(f"approved by {escape(approval.approver)} at {utc(approval.at)}{note}{new}")
    print_receipts(state.receipts, before.receipts, unfit="rejected")
    if state.closed_reason:
        out.print(f"closed: {escape(state.closed_reason)}")
    out.print(_lines(before, state, found))
    print_afterwards(state.notes, state.notices)


def _lines(before: PurchaseOrderState, state: PurchaseOrderState, found: FoundItems) -> Any:
    rows: list[Sequence[str]] = []
    for was, line in zip(before.line_items, state.line_items, strict=True):
        sku = found.skus.get(line.product_id, f"product {line.product_id}")
        received = changed(was.quantity_received, line.quantity_received)
        rejected = changed(was.quantity_rejected, line.quantity_rejected)
        missing = str(max(line.qty - line.quantity_received, 0))
        rows.append([escape(sku), amount(line.unit_cost), str(line.qty), received, rejected, missing])
    columns = ["product", "#unit cost", "#ordered", "#received", "#rejected", "#missing"]
    if not any(line.note for line in state.line_items):
        return table(columns, rows)
    notes = [escape(line.note or "") for line in state.line_items]
    return table([*columns, "why"], [[*row, note] for row, note in zip(rows, notes, strict=True)])


_desk = Desk(
    find=Stockkeeper.purchase_order,
    mentions=lambda state: Mentioned(
        [line.product_id for line in state.line_items], [state.warehouse_id], [state.supplier_id]
    ),
    show=_show,
)
