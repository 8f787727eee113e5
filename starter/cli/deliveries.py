"""Deliveries on the command line: units of each product that are fit, and units on top that aren't."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, NamedTuple, TypeVar

from starter.cli.context import connect
from starter.cli.documents import Answer, Desk, has_receipt
from starter.cli.order_lines import units_of_lot
from starter.cli.quantities import Resolved, TypedLine, in_base_units
from starter.cli.times import instant_or_none
from starter.cli.zones import moved_at
from stockkeeper.client.document import Document
from stockkeeper.client.lines import Named
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import State
from stockkeeper.contracts.receipt import ReceiptState

D = TypeVar("D", bound=Document[Any])
S = TypeVar("S", bound=State)


class Came(NamedTuple):
    """Units of one product that came."""

    product_id: Named
    fit: int
    unfit: int
    lot_number: str | None = None
    expires_on: date | None = None


class Due(NamedTuple):
    """Units of one product that are still to come, and their lot if it is known already."""

    product_id: int
    units: int
    lot_number: str | None = None


@dataclass(frozen=True)
class Dock(Generic[D, S]):
    """Where deliveries of one kind of document are booked.

    Attributes:
        desk: The document's other commands.
        options: The options for fit and unfit units.
        outstanding: What is still to come.
        receipts: The deliveries booked so far.
        how: What to give, if nothing or too much was given.
        nothing_left: The document's number and why nothing can be booked.
        warehouse: The warehouse that it comes to, whose time it is booked in.
        book: Book the delivery: its document and lines, who, its number, when, and why units are unfit.
        unfit_on_top: Whether unfit units may come on top of everything that is outstanding.
        supplier: The supplier that it comes from, whose own packs come first.
    """

    desk: Desk[D, S]
    options: tuple[str, str]
    outstanding: Callable[[S], Sequence[Due]]
    receipts: Callable[[S], Sequence[ReceiptState]]
    how: str
    nothing_left: str
    warehouse: Callable[[S], int | None]
    book: Callable[[D, Sequence[Came], str, str | None, datetime | None, str | None], Awaitable[S]]
    unfit_on_top: bool = False
    supplier: Callable[[S], int | None] = lambda _: None

    def receive(
        self,
        number: str,
        fit: Sequence[str] | None,
        unfit: Sequence[str] | None,
        *,
        unfit_reason: str | None,
        everything: bool,
        receipt_id: str | None,
        performed_by: str,
        occurred_at: str | None,
        as_json: bool,
    ) -> None:
        """Book a delivery, and show the document.

        Args:
            number: The document.
            fit: ``SKU=UNITS``, once for each product; ``SKU=UNITS#LOT``, once for each lot.
            unfit: The same for units on top.
            unfit_reason: Why these aren't fit.
            everything: All outstanding units came, and are fit.
            receipt_id: The delivery's number.
            performed_by: The person or service that books it.
            occurred_at: When the goods came, as typed; None: now.
            as_json: For programs.
        """

        async def work() -> Answer[S]:
            if everything == bool(fit or (unfit and not self.unfit_on_top)):
                raise InvalidRequest(self.how)
            fit_units = [_typed(text, self.options[0]) for text in fit or []]
            unfit_units = [_typed(text, self.options[1]) for text in unfit or []]
            instant_or_none(occurred_at, "--occurred-at")
            stock = await connect()
            state: S = (await self.desk.find(stock, number)).state
            came_at = await moved_at(occurred_at, stock, [self.warehouse(state)])
            outstanding = self.outstanding(state)
            booked_before = has_receipt(self.receipts(state), receipt_id)
            if everything and booked_before and not any(each.units for each in outstanding):
                # Sent again: everything that was outstanding then has been booked.
                return await self.desk.named(stock, state, as_json=as_json)
            supplier = self.supplier(state)
            lines = await _by_product(
                stock,
                await in_base_units(stock, fit_units, supplier),
                await in_base_units(stock, unfit_units, supplier),
                outstanding if everything else [],
            )
            if not lines:
                raise InvalidRequest(self.nothing_left.format(number))
            return await self.desk.commanded(
                stock,
                number,
                lambda document: self.book(document, lines, performed_by, receipt_id, came_at, unfit_reason),
                as_json=as_json,
            )

        self.desk.answer(work(), as_json=as_json)


def _typed(text: str, option: str) -> TypedLine:
    """``TEA-100=45``, or ``TEA-100=45#L-77#2027-03-31`` of a lot, with the day on which it expires if that is new."""
    return units_of_lot(text, option)


async def _by_product(
    stock: Stockkeeper,
    fit: Sequence[Resolved],
    unfit: Sequence[Resolved],
    outstanding: Sequence[Due],
) -> list[Came]:
    """Units by product and lot, under the name that was typed: a product typed by SKU and by id is one line."""
    typed = list(dict.fromkeys(each.product for each in [*fit, *unfit]))
    ids = (await stock.ids(typed)).products if typed else {}
    units = [
        *((each.product_id, each.lot_number, each.units, 0) for each in outstanding if each.units),
        *((ids[each.product], each.lot_number, each.quantity, 0) for each in fit),
        *((ids[each.product], each.lot_number, 0, each.quantity) for each in unfit),
    ]
    named = {product_id: product for product, product_id in ids.items()}
    days = {(ids[each.product], each.lot_number): each.expires_on for each in [*unfit, *fit] if each.expires_on}
    came: dict[tuple[int, str | None], Came] = {}
    for product_id, lot_number, more_fit, more_unfit in units:
        of = product_id, lot_number
        day = date.fromisoformat(days[of]) if of in days else None
        line = came.get(of, Came(named.get(product_id, product_id), 0, 0, lot_number, day))
        came[of] = line._replace(fit=line.fit + more_fit, unfit=line.unfit + more_unfit)
    return list(came.values())
