"""Customer returns for Python services: say what is expected back, and what was found when it came."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.client import Client

from stockkeeper.client.calls import checked, start_and_ask
from stockkeeper.client.document import Document, is_booked, update_id_of
from stockkeeper.contracts.customer_return import (
    PROCESS,
    WORKFLOW_TYPE,
    CloseReturnShort,
    Inspect,
    InspectedLine,
    ReturnLine,
    ReturnRequest,
    ReturnState,
    workflow_id,
)
from stockkeeper.contracts.errors import already_exists
from stockkeeper.contracts.messages import counted


class CustomerReturn(Document[ReturnState]):
    """Goods that were sold and come back.

    Attributes:
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind = "return"
    state_type = ReturnState
    process = PROCESS

    @property
    def return_number(self) -> str:
        """The return's own number."""
        return self.name

    async def inspect(
        self, lines: Sequence[InspectedLine], *, performed_by: str, inspection_id: str | None = None
    ) -> ReturnState:
        """Somebody has looked at what came; what is fit goes back into stock.

        Args:
            lines: What was found of each product: units to restock, and units to scrap on top.
            performed_by: Who looked.
            inspection_id: Your name for this inspection. With one, the call may be repeated after a lost answer, and
                the goods are booked once; one without that is sent again is another inspection.

        Raises:
            InvalidRequest: A product isn't on the return, or more was found than is expected. Nothing is booked.
            InvalidState: Nothing is expected any more.
            OperationConflict: That inspection was another one.
            Unreachable: No answer in time.
        """
        message = checked(
            Inspect,
            performed_by=performed_by,
            lines=[line.model_dump() for line in lines],
            inspection_id=inspection_id,
        )
        restocked, scrapped = sum(line.restock_quantity for line in lines), sum(line.scrap_quantity for line in lines)
        return await self._command(
            "inspect",
            message,
            lambda last: inspection_id is not None and is_booked(last.inspections, inspection_id, restocked, scrapped),
            None if inspection_id is None else update_id_of("inspect", message),
        )

    async def close_short(self, *, performed_by: str, reason: str) -> ReturnState:
        """What hasn't come isn't expected any more.

        Raises:
            InvalidState: All of it has come.
            Unreachable: No answer in time.
        """
        message = checked(CloseReturnShort, performed_by=performed_by, reason=reason)
        return await self._command("close_short", message, lambda last: last.closed_reason is not None)


async def create_return(
    client: Client,
    return_number: str,
    lines: Sequence[ReturnLine],
    *,
    warehouse_id: int,
    reference_id: str,
    performed_by: str,
    task_queue: str,
    within: timedelta,
) -> CustomerReturn:
    """Say what is expected back. See `stockkeeper.client.Stockkeeper.create_return`."""
    request = checked(
        ReturnRequest,
        return_number=return_number,
        warehouse_id=warehouse_id,
        reference_id=reference_id,
        lines=[line.model_dump() for line in lines],
        performed_by=performed_by,
    )
    units = sum(line.quantity for line in lines)
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "registered",
        what=f"return {return_number}",
        workflow_id=workflow_id(return_number),
        task_queue=task_queue,
        summary=f"return {return_number}: {counted(len(lines), 'line')}, {counted(units, 'unit')}",
        state=ReturnState,
        within=within,
    )
    expected = [(line.product_id, line.quantity) for line in state.lines]
    if (state.warehouse_id, state.reference_id, expected) != (
        warehouse_id,
        reference_id,
        [(line.product_id, line.quantity) for line in request.lines],
    ):
        raise already_exists("return", return_number)
    return CustomerReturn(client, return_number, workflow_id(return_number), state, within)


async def find_return(client: Client, return_number: str, *, within: timedelta) -> CustomerReturn:
    """A return that was registered before. See `stockkeeper.client.Stockkeeper.customer_return`."""
    returned = CustomerReturn(client, return_number, workflow_id(return_number), ReturnState(), within)
    await returned.refresh()
    return returned
