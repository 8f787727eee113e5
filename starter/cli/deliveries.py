"""Deliveries on the command line: units of each product that are fit, and units on top that aren't."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from starter.cli.context import connect
from starter.cli.documents import Answer, Desk, has_receipt
from starter.cli.order_lines import split_units
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


@dataclass(frozen=True)
class Dock(Generic[D, S]):
    """Where deliveries of one kind of document are booked.

    Attributes:
        desk: The document's other commands.
        options: The options for fit and unfit units.
        outstanding: Product ids and units that are still to come.
        receipts: The deliveries booked so far.
        how: What to give, if nothing or too much was given.
        nothing_left: The document's number and why nothing can be booked.
        warehouse: The warehouse that it comes to, whose time it is booked in.
        book: Book the delivery.
        unfit_on_top: Whether unfit units may come on top of everything that is outstanding.
    """

    desk: Desk[D, S]
    options: tuple[str, str]
    outstanding: Callable[[S], Sequence[tuple[int, int]]]
    receipts: Callable[[S], Sequence[ReceiptState]]
    how: str
    nothing_left: str
    warehouse: Callable[[S], int | None]
    book: Callable[[D, Sequence[Came], str, str | None, datetime | None], Awaitable[S]]
    unfit_on_top: bool = False

    def receive(
        self,
        number: str,
        fit: Sequence[str] | None,
        unfit: Sequence[str] | None,
        *,
        everything: bool,
        receipt_id: str | None,
        performed_by: str,
        occurred_at: str | None,
        as_json: bool,
    ) -> None:
        """Book a delivery, and show the document.

        Args:
            number: The document.
            fit: ``SKU=UNITS``, once for each product.
            unfit: The same for units on top.
            everything: All outstanding units came, and are fit.
            receipt_id: The delivery's number.
            performed_by: The person or service that books it.
            occurred_at: When the goods came, as typed; None: now.
            as_json: For programs.
        """

        async def work() -> Answer[S]:
            if everything == bool(fit or (unfit and not self.unfit_on_top)):
                raise InvalidRequest(self.how)
            fit_units = [split_units(text, self.options[0]) for text in fit or []]
            unfit_units = [split_units(text, self.options[1]) for text in unfit or []]
            instant_or_none(occurred_at, "--occurred-at")
            stock = await connect()
            state: S = (await self.desk.find(stock, number)).state
            came_at = await moved_at(occurred_at, stock, [self.warehouse(state)])
            outstanding = self.outstanding(state)
            booked_before = has_receipt(self.receipts(state), receipt_id)
            if everything and booked_before and not any(units for _, units in outstanding):
                # Sent again: everything that was outstanding then has been booked.
                return await self.desk.named(stock, state, as_json=as_json)
            lines = await _by_product(stock, fit_units, unfit_units, outstanding if everything else [])
            if not lines:
                raise InvalidRequest(self.nothing_left.format(number))
            return await self.desk.commanded(
                stock,
                number,
                lambda document: self.book(document, lines, performed_by, receipt_id, came_at),
                as_json=as_json,
            )

        self.desk.answer(work(), as_json=as_json)


async def _by_product(
    stock: Stockkeeper,
    fit: Sequence[tuple[str, int]],
    unfit: Sequence[tuple[str, int]],
    outstanding: Sequence[tuple[int, int]],
) -> list[Came]:
    """Units by product, under the name that was typed, if one was: a product typed by SKU and by id is one line."""
    typed = list(dict.fromkeys(product for product, _ in [*fit, *unfit]))
    ids = (await stock.ids(typed)).products if typed else {}
    units = [
        *((product_id, count, 0) for product_id, count in outstanding if count),
        *((ids[product], count, 0) for product, count in fit),
        *((ids[product], 0, count) for product, count in unfit),
    ]
    named = {product_id: product for product, product_id in ids.items()}
    came: dict[int, Came] = {}
    for product_id, more_fit, more_unfit in units:
        line = came.get(product_id, Came(named.get(product_id, product_id), 0, 0))
        came[product_id] = line._replace(fit=line.fit + more_fit, unfit=line.unfit + more_unfit)
    return list(came.values())
