"""`stockkeeper promise`: when units can be there."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options
from starter.cli.context import connect, read_input, run
from starter.cli.order_lines import SOURCED_UNITS, sourced_line
from starter.cli.output import err, out, print_json, table
from starter.cli.quantities import document_lines
from starter.cli.times import day_shown
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.order_promising import (
    DEFAULT_CONFIDENCE,
    CountedOn,
    DeliveryPromise,
    NotCounted,
    NotCountedOn,
    PromisedLine,
    SupplySource,
)

_WHY = {
    NotCounted.DRAFT: "it waits for approval",
    NotCounted.NOT_SENT: "it hasn't left yet",
    NotCounted.NO_DAY: "no day is expected, and no lead time is known",
    NotCounted.OVERDUE: "it is overdue",
}
_PERCENT = 100


def promise(
    line: Annotated[list[str], typer.Argument(metavar=SOURCED_UNITS, help="Once for each line.")],
    *,
    warehouse: Annotated[
        str | None, typer.Option("--warehouse", help="The warehouse of lines that name none: name or id.")
    ] = None,
    confidence: Annotated[
        float, typer.Option(help="The probability with which each order's goods have come by the day.")
    ] = DEFAULT_CONFIDENCE,
    as_json: options.AsJson = False,
) -> None:
    """Say when units can be there, from stock, on order and in transit, and on what that counts. Nothing is held.

    Lines without a warehouse come from one that has all of them.
    """
    lines = read_input(lambda: [sourced_line(text, "") for text in line])
    if warehouse is not None:
        lines = [each if each.warehouse is not None else each._replace(warehouse=warehouse) for each in lines]

    async def work() -> DeliveryPromise:
        stock = await connect()
        return await stock.promise(await document_lines(stock, lines), confidence=confidence)

    promised = run(work())
    if as_json:
        print_json(promised)
    else:
        _print(promised)


def _print(promised: DeliveryPromise) -> None:
    sure = f"at {promised.confidence * _PERCENT:g} % confidence"
    if promised.available_on is None:
        out.print(f"[yellow]not foreseeable[/yellow] {sure}: not enough is on its way")
    else:
        out.print(f"there by [bold]{day_shown(promised.available_on)}[/bold] {sure}")
    out.print(
        table(
            ["product", "warehouse", "#units", "there by", "counts on"],
            [
                [
                    escape(line.sku),
                    escape(line.warehouse or "any"),
                    str(line.quantity),
                    day_shown(line.available_on) or "not foreseeable",
                    _counts_on(line),
                ]
                for line in promised.lines
            ],
        )
    )
    for line in promised.lines:
        ordered, promised_for = line.if_ordered_today, line.available_on
        # An order that would come no earlier is no news.
        if line.missing and (promised_for is None or (ordered is not None and ordered < promised_for)):
            _print_missing(line)
    for each in promised.not_counted:
        err.print(f"not counted: {_left_out(each)}", style="dim")


def _counts_on(line: PromisedLine) -> str:
    more = [f"and {counted(line.further_documents, 'more document')}"] if line.further_documents else []
    return "; ".join([*(_counted_on(each) for each in line.counts_on), *more])


def _counted_on(each: CountedOn) -> str:
    if each.source is SupplySource.STOCK:
        return f"{each.quantity} in stock"
    known_by = f" ({each.basis.lower()})" if each.basis else ""
    return f"{each.quantity} with {escape(each.number or '')}, {day_shown(each.available_on)}{known_by}"


def _print_missing(line: PromisedLine) -> None:
    """Say who could bring the units that aren't there, and by when."""
    of = f"{counted(line.missing, 'unit')} of {escape(line.sku)} missing now"
    if line.if_ordered_today is None:
        out.print(f"{of}: nobody supplies it")
    else:
        by = day_shown(line.if_ordered_today)
        out.print(f"{of}: ordered today from {escape(line.supplier or '')}, there by {by}")


def _left_out(each: NotCountedOn) -> str:
    units = f"{each.quantity} of {escape(each.sku)} for {escape(each.warehouse)}"
    return f"{escape(each.number)}, {units}: {_WHY[each.reason]}"
