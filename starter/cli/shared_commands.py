"""The commands that every kind of document has in one form: list, show, and those that need only a reason.

Typer reads a command's parameters from its annotations, so the part that differs is set there.
"""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any

import typer

from starter.cli import options, printing
from starter.cli.context import read_input
from starter.cli.deliveries import Dock
from starter.cli.documents import Desk
from stockkeeper.client.document import Listing
from stockkeeper.client.runs import Listed
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest


def add_list(
    app: typer.Typer,
    description: str,
    statuses: type[StrEnum],
    listing: Callable[[Stockkeeper], Listing[Any]],
    row: Callable[[Listed], printing.Row],
    columns: Sequence[str],
    cells: Callable[[printing.Row], Sequence[str]],
) -> None:
    """Add ``list``: the latest documents of one kind.

    Args:
        app: The commands of that kind.
        description: The command's help.
        statuses: The statuses that the list may be limited to.
        listing: The client's method that lists them.
        row: The fields of the kind, from a document.
        columns: The columns for people; the status follows the first.
        cells: The cells of a row.
    """

    def list_(
        *,
        status: StrEnum | None = None,
        sku: options.WithSku = None,
        warehouse: options.OfWarehouse = None,
        limit: options.Latest = 50,
        as_json: options.AsJson = False,
    ) -> None:
        printing.print_list(
            lambda stock: listing(stock)(status=status, sku=sku, warehouse=warehouse, limit=limit),
            row,
            columns,
            cells,
            limit=limit,
            as_json=as_json,
        )

    list_.__annotations__["status"] = Annotated[
        statuses | None, typer.Option(case_sensitive=False, help="Only this status.")
    ]
    app.command("list", help=description)(list_)


def add_show(app: typer.Typer, description: str, number: Any, desk: Desk[Any, Any]) -> None:
    """Add ``show``: one document.

    Args:
        app: The commands of that kind.
        description: The command's help.
        number: The annotation of the argument with the document's number.
        desk: The kind's desk.
    """

    def show(number: str, *, as_json: options.AsJson = False) -> None:
        desk.look(number, as_json=as_json)

    show.__annotations__["number"] = number
    app.command("show", help=description)(show)


def add_approve_difference(app: typer.Typer, description: str, number: Any, desk: Desk[Any, Any]) -> None:
    """Add ``approve-difference``: another person agrees to stock that is made or lost without a counterpart.

    Args:
        app: The commands of a kind of document.
        description: Its help.
        number: The annotation of the argument with the document's number.
        desk: The kind's desk.
    """

    def command(
        number: str,
        *,
        value: Annotated[str, typer.Option(metavar="AMOUNT", help="The value of all such units together.")],
        units: Annotated[int, typer.Option(min=0, help="Units of unknown cost, on top.")] = 0,
        note: options.Note = None,
        approver: options.Approver,
        as_json: options.AsJson = False,
    ) -> None:
        up_to = read_input(lambda: _amount(value))
        desk.command(
            number,
            lambda document: document.approve_difference(
                approver=approver, value=up_to, unvalued_units=units, note=note
            ),
            as_json=as_json,
        )

    command.__annotations__["number"] = number
    app.command("approve-difference", help=description)(command)


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise InvalidRequest(f"{text!r} isn't an amount of money, such as 5000 or 49.50") from None
    return value


def add_delivery(
    app: typer.Typer,
    name: str,
    description: str,
    number: Any,
    dock: Dock[Any, Any],
    *,
    fit: tuple[Sequence[str], str],
    unfit: tuple[str, str],
    unfit_reason: str | None = None,
    everything: str,
    receipt: tuple[str, str],
    numbered: bool = True,
) -> None:
    """Add the command that books a delivery.

    Args:
        app: The commands of that kind.
        name: The command: ``receive``.
        description: Its help.
        number: The annotation of the argument with the document's number.
        dock: Where the kind's deliveries are booked.
        fit: The option's names and its help, for units that are fit.
        unfit: The same for units on top that aren't.
        unfit_reason: The help of ``--unfit-reason``; None: the kind's deliveries have none.
        everything: The help of ``--all``.
        receipt: The option and its help, for the delivery's number.
        numbered: Whether a delivery has to have a number.
    """

    def command(
        number: str,
        fit: list[str] | None = None,
        *,
        unfit: list[str] | None = None,
        unfit_reason: str | None = None,
        everything: bool = False,
        receipt_id: str | None,
        occurred_at: options.OccurredAt = None,
        performed_by: options.PerformedBy,
        as_json: options.AsJson = False,
    ) -> None:
        dock.receive(
            number,
            fit,
            unfit,
            unfit_reason=unfit_reason,
            everything=everything,
            receipt_id=receipt_id,
            performed_by=performed_by,
            occurred_at=occurred_at,
            as_json=as_json,
        )

    command.__annotations__ |= {
        "number": number,
        "fit": Annotated[list[str] | None, typer.Option(*fit[0], metavar="SKU=UNITS[#LOT]", help=fit[1])],
        "unfit": Annotated[list[str] | None, typer.Option(unfit[0], metavar="SKU=UNITS[#LOT]", help=unfit[1])],
        "unfit_reason": Annotated[str | None, typer.Option(metavar="TEXT", help=unfit_reason)],
        "everything": Annotated[bool, typer.Option("--all", help=everything)],
        "receipt_id": Annotated[str if numbered else str | None, typer.Option(receipt[0], help=receipt[1])],
    }
    if not numbered:
        command.__kwdefaults__ = {**(command.__kwdefaults__ or {}), "receipt_id": None}
    if unfit_reason is None:
        signature = inspect.signature(command)
        options_left = [each for name, each in signature.parameters.items() if name != "unfit_reason"]
        command.__signature__ = signature.replace(parameters=options_left)  # type: ignore[attr-defined]
    app.command(name, help=description)(command)


def add_reasoned(
    app: typer.Typer,
    name: str,
    description: str,
    number: Any,
    send: Callable[..., Awaitable[Any]],
    desk: Desk[Any, Any],
) -> None:
    """Add a command that needs a reason and nothing else.

    Args:
        app: The commands of that kind.
        name: The command: ``cancel``.
        description: Its help.
        number: The annotation of the argument with the document's number.
        send: The document's method.
        desk: The kind's desk.
    """

    def command(
        number: str, *, reason: options.Reason, performed_by: options.PerformedBy, as_json: options.AsJson = False
    ) -> None:
        desk.command(number, lambda document: send(document, performed_by=performed_by, reason=reason), as_json=as_json)

    command.__annotations__["number"] = number
    app.command(name, help=description)(command)
