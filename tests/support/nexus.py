"""Another team: workflows of its own namespace, which know the service `inventory` and nothing else of Stockkeeper."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, NexusOperationError

with workflow.unsafe.imports_passed_through():
    from stockkeeper.contracts.inventory_service import InventoryService
    from stockkeeper.contracts.reservation import ReservationRequest, ReservationState

SERVICE = "inventory"
WITHIN = timedelta(seconds=30)


def chain_of(error: BaseException) -> list[dict[str, Any]]:
    """An error and those behind it: class, type, details and message of each, as the other team's code sees them."""
    found: list[dict[str, Any]] = []
    cause: BaseException | None = error
    while cause is not None:
        seen: dict[str, Any] = {"class": type(cause).__name__, "message": getattr(cause, "message", str(cause))}
        if isinstance(cause, ApplicationError):
            seen |= {"type": cause.type, "details": list(cause.details), "non_retryable": cause.non_retryable}
        if type(cause).__name__ == "HandlerError":
            seen |= {"type": getattr(cause, "type").name, "retryable": getattr(cause, "retryable")}  # noqa: B009
        found.append(seen)
        cause = cause.__cause__
    return found


async def _end_of(hold: workflow.NexusOperationHandle[ReservationState]) -> ReservationState:
    return await hold


@workflow.defn
class Asks:
    """Some operations at once by their names, with plain JSON: as from any other language."""

    @workflow.run
    async def run(
        self, endpoint: str, asked: list[tuple[str, Any]], headers: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The answer of each, or the error with all behind it."""
        inventory = workflow.create_nexus_client(service=SERVICE, endpoint=endpoint)

        async def ask(operation: str, message: Any) -> dict[str, Any]:
            try:
                answer: Any = await inventory.execute_operation(
                    operation, message, schedule_to_close_timeout=WITHIN, headers=headers
                )
            except NexusOperationError as error:
                return {"refused": chain_of(error)}
            return {"answer": answer}

        return await asyncio.gather(*(ask(operation, message) for operation, message in asked))


@workflow.defn
class Checkout:
    """An order that is held by an operation for as long as the shopper is there, by the types of the contract."""

    def __init__(self) -> None:
        self._gone = False
        self._held = False

    @workflow.run
    async def run(self, endpoint: str, order: ReservationRequest) -> ReservationState:
        """Hold, wait for the end of the reservation or of the shopper, and answer with what became of it."""
        inventory = workflow.create_nexus_client(service=InventoryService, endpoint=endpoint)
        hold = await inventory.start_operation(InventoryService.hold, order)
        self._held = True
        ended = asyncio.create_task(_end_of(hold))
        await workflow.wait_condition(lambda: self._gone or ended.done())
        if self._gone:
            hold.cancel()
        return await ended

    @workflow.signal
    def leave(self) -> None:
        """The shopper has gone."""
        self._gone = True

    @workflow.update
    async def held(self) -> bool:
        """Waits until the operation has started."""
        await workflow.wait_condition(lambda: self._held)
        return True
