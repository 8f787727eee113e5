"""`stockkeeper lot block`, `release` and `trace`: stop a lot everywhere, and see where it came from and went."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options
from starter.cli.context import connect, run
from starter.cli.documents import Answer
from starter.cli.output import out, print_json, table
from starter.cli.recall import desk
from starter.cli.times import to_the_second
from stockkeeper.client.recall import Recall
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.lot_trace import Direction, MovementType, TracedMovement
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.recall import RecallState, RecallStatus

Named = Annotated[
    list[str],
    typer.Argument(
        metavar="[SKU] LOT",
        help="The lot, exactly as printed; with its product before it, if several have that number.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``lot``."""
    app.command("block")(block)
    app.command("release")(release)
    app.command("trace")(trace)


async def lot_named(stock: Stockkeeper, named: Sequence[str]) -> tuple[int, str, str]:
    """The product's id and SKU, and the number, of a lot that is named with or without its product.

    Raises:
        InvalidRequest: There is no such lot, or several products have one of that number.
    """
    if len(named) > 2:
        raise InvalidRequest("name one lot: its product's SKU if several have that number, and the number")
    *of, number = named
    product: str | int | None = None
    if of:
        product = int(of[0].removeprefix("id:")) if of[0].startswith("id:") and of[0][3:].isdigit() else of[0]
    found = {(lot.product_id, lot.sku) async for lot in stock.lots(product, lot_number=number, with_those_gone=True)}
    if not found:
        raise InvalidRequest(f"there is no lot {number}: write it exactly as printed; `lot list --all` shows them")
    if len(found) > 1:
        skus = ", ".join(sorted(sku for _, sku in found))
        raise InvalidRequest(f"{skus} have a lot {number} each: name the product before it")
    [(product_id, sku)] = found
    return product_id, sku, number


async def _lots(stock: Stockkeeper, product_id: int, number: str) -> list[dict[str, object]]:
    """The lot in each warehouse, as ``lot list`` has it."""
    return [
        lot.model_dump(mode="json") async for lot in stock.lots(product_id, lot_number=number, with_those_gone=True)
    ]


def block(
    lot: Named,
    *,
    reason: options.Reason,
    number: Annotated[
        str | None, typer.Option("--recall", help="The recall's number; without it, the product and the lot.")
    ] = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Block a lot in every warehouse at once: nothing of it is held, nor leaves. It begins a recall."""

    async def work() -> tuple[Answer[RecallState], list[dict[str, object]]]:
        stock = await connect()
        product_id, sku, lot_number = await lot_named(stock, lot)
        recall = await stock.block_lot(sku, lot_number, reason=reason, performed_by=performed_by, recall_number=number)
        lots = await _lots(stock, product_id, lot_number)
        return await desk.named(stock, recall.state, as_json=as_json), lots

    _print(*run(work()), as_json=as_json)


def release(
    lot: Named,
    *,
    reason: options.Reason,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Let a blocked lot leave again, in every warehouse; by another person than who blocked it. It ends the recall."""

    async def work() -> tuple[Answer[RecallState], list[dict[str, object]]]:
        stock = await connect()
        product_id, sku, lot_number = await lot_named(stock, lot)
        recall = await _open_recall(stock, sku, lot_number)
        before = recall.state.model_copy(deep=True)
        state = await recall.release(performed_by=performed_by, reason=reason)
        lots = await _lots(stock, product_id, lot_number)
        named = await desk.named(stock, state, as_json=as_json)
        return Answer(state, before, named.found), lots

    _print(*run(work()), as_json=as_json)


async def _open_recall(stock: Stockkeeper, sku: str, lot_number: str) -> Recall:
    for listed in await stock.recalls(status=RecallStatus.BLOCKED, sku=sku, limit=None):
        if (recall := await stock.recall(listed.number)).state.lot_number == lot_number:
            return recall
    raise InvalidRequest(f"lot {lot_number} of {sku} has no recall that is under way; `recall list` shows them")


def _print(answer: Answer[RecallState], lots: Sequence[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        print_json({"recall": answer.state.model_dump(mode="json"), "lots": list(lots)})
    else:
        desk.print(answer, as_json=False)


def trace(lot: Named, *, as_json: options.AsJson = False) -> None:
    """Trace a lot: where its units came from, and to which orders, transfers and write-offs they went."""

    async def work() -> tuple[str, list[dict[str, object]], list[TracedMovement]]:
        stock = await connect()
        product_id, sku, number = await lot_named(stock, lot)
        movements = [movement async for movement in stock.trace_lot(sku, number)]
        return f"lot {number} of {sku}", await _lots(stock, product_id, number), movements

    named, lots, movements = run(work())
    # Of several warehouses and databases together: as they were booked.
    movements.sort(key=lambda movement: (movement.created_at, movement.warehouse_id, movement.movement_id))
    ways = {way: [each for each in movements if each.direction is way] for way in Direction}
    if as_json:
        rows = {way.lower(): [each.model_dump(mode="json") for each in of] for way, of in ways.items()}
        print_json({"lots": lots, **rows})
        return
    out.print(f"[bold]{escape(named)}[/bold]")
    titles = (
        (Direction.BACKWARDS, "came from", "nothing has come"),
        (Direction.FORWARDS, "went to", "nothing has left"),
    )
    for way, title, none in titles:
        if not ways[way]:
            out.print(none)
            continue
        rows_shown = [
            [*_document(each), escape(each.warehouse), f"{each.quantity:+}", to_the_second(each.created_at)]
            for each in ways[way]
        ]
        out.print(table([title, "", "warehouse", "#units", "booked at"], rows_shown))
    there = sum(each.quantity for each in movements)
    out.print(f"{counted(there, 'unit')} on hand, the sum of {counted(len(movements), 'movement')}")


def _document(movement: TracedMovement) -> tuple[str, str]:
    """The document behind a movement, and who is at its other end."""
    number = escape(movement.reference_id)
    match movement.movement_type:
        case MovementType.SALE:
            return f"order {number}", ""
        case MovementType.PURCHASE:
            return f"purchase order {number}", escape(movement.supplier or "")
        case MovementType.RETURN:
            return f"return {number}", f"order {escape(movement.order_reference)}" if movement.order_reference else ""
        case MovementType.TRANSFER_IN | MovementType.TRANSFER_OUT:
            return f"transfer {number}", escape(movement.other_warehouse or "")
        case _:
            return number, escape(movement.reason)
