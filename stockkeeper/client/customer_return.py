"""Customer returns: register goods that come back, and the outcome of their inspection."""

from collections.abc import Sequence
from datetime import datetime

from stockkeeper.client.difference import WithDifference
from stockkeeper.client.document import Finding, Listing, Number, Part
from stockkeeper.client.inbox import InboxItem, listed_item
from stockkeeper.client.lines import InspectionLine, Line, Named, ShelfLine
from stockkeeper.client.runs import stored_documents
from stockkeeper.contracts import customer_return
from stockkeeper.contracts.customer_return import ReturnActivities, ReturnRequest, ReturnState, ReturnStatus


class CustomerReturn(WithDifference[ReturnState]):
    """Goods that were sold and come back."""

    process = customer_return.PROCESS
    return_number = Number()

    async def inspect(
        self,
        lines: Sequence[InspectionLine],
        *,
        performed_by: str,
        inspection_id: str | None = None,
        occurred_at: datetime | None = None,
    ) -> ReturnState:
        """Book an inspection; fit units go back into stock.

        Args:
            lines: Units of each product, and of a tracked one of each lot: restocked, and scrapped on top.
            performed_by: The inspector.
            inspection_id: The inspection's number. With one, the call may be repeated after a lost answer, and the
                goods are booked once; one without that is sent again is another inspection.
            occurred_at: When the goods came back, if that was before now.

        Raises:
            InvalidRequest: A product isn't on the return, more came than is expected, or a lot is missing, isn't
                wanted, or isn't as it is known. Nothing is booked.
            InvalidState: Nothing is expected any more.
            OperationConflict: The inspection's number was used for other quantities.
            Unreachable: No answer in time.
        """
        fields = {"lines": lines, "inspection_id": inspection_id, "occurred_at": occurred_at}
        return await self._book(
            customer_return.INSPECT,
            ReturnActivities.inspect_return,
            inspection_id,
            lambda last: last.inspections,
            ("restock_quantity", "scrap_quantity"),
            performed_by=performed_by,
            **fields,
        )

    async def close_short(self, *, performed_by: str, reason: str) -> ReturnState:
        """Expect nothing more.

        Raises:
            InvalidState: All units have come.
            Unreachable: No answer in time.
        """
        return await self._send(
            customer_return.CLOSE_SHORT,
            lambda last: last.closed_reason is not None,
            performed_by=performed_by,
            reason=reason,
        )

    @staticmethod
    def _contents(document: ReturnRequest | ReturnState) -> object:
        lines = [
            (line.product_id, line.quantity, line.lot_number, line.expires_on, line.best_before, line.made_on)
            for line in document.lines
        ]
        return document.warehouse_id, document.reference_id, lines


class CustomerReturns(Part):
    """Taking back goods from customers."""

    customer_return = Finding(CustomerReturn)
    customer_returns = Listing[ReturnStatus](CustomerReturn)

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Returns that are expected, and to be inspected."""
        del now
        listed = await stored_documents(self.connection, customer_return.PROCESS, ReturnStatus.EXPECTED)
        return [listed_item("return", each, "the goods and their inspection", task="inspect") for each in listed]

    async def create_return(
        self,
        return_number: str,
        lines: Sequence[Line | ShelfLine],
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
            lines: Units of a product. The same product on two lines counts together. `ShelfLine`: of this lot.
            warehouse_id: The warehouse they come back to.
            reference_id: The number of the order they were sold under.
            performed_by: The person or service that asks.

        Raises:
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number belongs to another return.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        return await CustomerReturn.start(
            self.connection,
            return_number,
            warehouse_id=warehouse_id,
            reference_id=reference_id,
            lines=lines,
            performed_by=performed_by,
        )
