"""Customer returns: register goods that come back, and the outcome of their inspection."""

from collections.abc import Sequence

from stockkeeper.client.document import Document, Finding, Listing, Part, is_booked, update_id_of
from stockkeeper.client.lines import InspectionLine, Line, Named
from stockkeeper.client.names import with_ids
from stockkeeper.contracts.customer_return import (
    CLOSE_SHORT,
    INSPECT,
    PROCESS,
    ReturnRequest,
    ReturnState,
    ReturnStatus,
)
from stockkeeper.contracts.messages import counted


class CustomerReturn(Document[ReturnState]):
    """Goods that were sold and come back."""

    process = PROCESS
    state_type = ReturnState

    @property
    def return_number(self) -> str:
        """The return's number."""
        return self.name

    async def inspect(
        self, lines: Sequence[InspectionLine], *, performed_by: str, inspection_id: str | None = None
    ) -> ReturnState:
        """Book an inspection; fit units go back into stock.

        Args:
            lines: Units of each product: restocked, and scrapped on top.
            performed_by: The inspector.
            inspection_id: The inspection's number. With one, the call may be repeated after a lost answer, and the
                goods are booked once; one without that is sent again is another inspection.

        Raises:
            InvalidRequest: A product isn't on the return, or more came than is expected. Nothing is booked.
            InvalidState: Nothing is expected any more.
            OperationConflict: The inspection's number was used for other quantities.
            Unreachable: No answer in time.
        """
        message = await self._message(INSPECT, performed_by=performed_by, lines=lines, inspection_id=inspection_id)
        restocked = sum(line.restock_quantity for line in message.lines)
        scrapped = sum(line.scrap_quantity for line in message.lines)
        return await self._command(
            INSPECT,
            message,
            lambda last: inspection_id is not None and is_booked(last.inspections, inspection_id, restocked, scrapped),
            None if inspection_id is None else update_id_of(INSPECT, message),
        )

    async def close_short(self, *, performed_by: str, reason: str) -> ReturnState:
        """Expect nothing more.

        Raises:
            InvalidState: All of it has come.
            Unreachable: No answer in time.
        """
        message = await self._message(CLOSE_SHORT, performed_by=performed_by, reason=reason)
        return await self._command(CLOSE_SHORT, message, lambda last: last.closed_reason is not None)

    def _units(self) -> Sequence[tuple[int, int]]:
        return [(line.product_id, line.quantity) for line in self.state.lines]


class CustomerReturns(Part):
    """Taking back goods from customers."""

    customer_return = Finding(CustomerReturn)
    customer_returns = Listing[ReturnStatus](CustomerReturn)

    async def create_return(
        self,
        return_number: str,
        lines: Sequence[Line],
        *,
        warehouse_id: Named,
        reference_id: str,
        performed_by: str,
    ) -> CustomerReturn:
        """Register goods that a customer sends back. Stock doesn't change before their inspection.

        The number makes it happen once: the same call again, after a lost answer or a crash, gives the same return, in
        its state then.

        Args:
            return_number: The return's number.
            lines: Units of a product. The same product on two lines counts together.
            warehouse_id: The warehouse they come back to.
            reference_id: The number of the order they were sold under.
            performed_by: The person or service that asks.

        Raises:
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number belongs to another return.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        request, names = await with_ids(
            self.connection,
            ReturnRequest,
            return_number=return_number,
            warehouse_id=warehouse_id,
            reference_id=reference_id,
            lines=lines,
            performed_by=performed_by,
        )
        units = sum(line.quantity for line in request.lines)
        return await CustomerReturn.start(
            self.connection,
            return_number,
            request,
            names,
            summary=f"return {return_number}: {counted(len(request.lines), 'line')}, {counted(units, 'unit')}",
            contents=_contents,
        )


def _contents(document: ReturnRequest | ReturnState) -> object:
    lines = [(line.product_id, line.quantity) for line in document.lines]
    return document.warehouse_id, document.reference_id, lines
