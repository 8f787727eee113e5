"""The handlers of the Nexus service `inventory`: each is a call of this client, by a worker, for another team.

Nothing is decided here. A handler starts, commands and asks as any service does, so it is right to be called again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from nexusrpc import HandlerError, HandlerErrorType, OperationError, OperationErrorState
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio import nexus
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.nexus import WorkflowHandle, WorkflowRunOperationContext, workflow_run_operation

from stockkeeper.client.connection import Connection
from stockkeeper.client.databases import Databases, connection_to, parts_by_database
from stockkeeper.client.identity import SendsIdentity
from stockkeeper.client.lines import Line
from stockkeeper.client.questions import ask, pages
from stockkeeper.client.reservation import Hold
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.errors import DomainError, InvalidRequest, NotFound, Unreachable
from stockkeeper.contracts.identity import HEADER
from stockkeeper.contracts.inventory_service import SERVICE, CancelHold, FulfillHold
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.order_promising import AskPromise, DeliveryPromise
from stockkeeper.contracts.question import PROMISE, SHOW_LEVELS
from stockkeeper.contracts.reservation import PROCESS, Fulfill, ReservationRequest, ReservationState
from stockkeeper.contracts.stock import LEVELS_AT_ONCE, ShowLevels, StockLevel, StockLevels

_TO_ANSWER = timedelta(seconds=1)
"""The part of a handler's time that is left for its answer to reach Temporal."""
_WITHOUT_A_DEADLINE = timedelta(seconds=8)


# Not made from `InventoryService`: nexusrpc would have the payload decoded before the handler is called, and a caller
# would get its words instead of InvalidRequest. A test compares the two.
@service_handler(name=SERVICE)
class InventoryHandlers:
    """`stockkeeper.contracts.inventory_service.InventoryService`, on a worker.

    A refusal fails the operation, for good: the error behind it has the contract's type and details. A worker or a
    database that doesn't answer is tried again by Temporal, for as long as the caller's operation may take.

    Args:
        task_queue: The task queue of the reservations.
        databases: The task queues of all databases, that of the catalogue's first; empty: there is one.
    """

    def __init__(self, task_queue: str, databases: Sequence[str] = ()) -> None:
        self._task_queue = task_queue
        self._databases = databases
        self._known: Databases | None = None

    @sync_operation
    async def levels(self, context: StartOperationContext, payload: Any) -> StockLevels:
        """One page of levels."""
        with _refusals():
            return await _page_of_levels(self._stock(context).connection, parse(ShowLevels, [payload]))

    @sync_operation
    async def promise(self, context: StartOperationContext, payload: Any) -> DeliveryPromise:
        """The day by which units can be there."""
        with _refusals():
            return await ask(self._stock(context).connection, PROMISE, parse(AskPromise, [payload]))

    @sync_operation
    async def reserve(self, context: StartOperationContext, payload: Any) -> ReservationState:
        """Hold all lines of an order, or none; with ``wait_minutes`` it may get a place in the queue instead."""
        with _refusals():
            return (await _reserve(self._stock(context), parse(ReservationRequest, [payload]))).state

    @workflow_run_operation
    async def hold(self, context: WorkflowRunOperationContext, payload: Any) -> WorkflowHandle[ReservationState]:
        """The same, and then the operation is the order's run: it lasts as long, and its cancellation cancels it."""
        with _refusals():
            request, stock = parse(ReservationRequest, [payload]), self._stock(context)
            queue = await _only_queue(stock.connection, request)
            await _reserve(stock, request)
        return await context.start_workflow(
            PROCESS.workflow_type,
            request,
            id=PROCESS.id_of(request.reference_id),
            task_queue=queue,
            # The run that holds the stock. One that has ended meanwhile is followed by another one, which says how.
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            static_summary=plain(request.summary),
        )

    @sync_operation
    async def fulfil(self, context: StartOperationContext, payload: Any) -> ReservationState:
        """Ship held stock; a part without a number has that of the call, which is the same in each of its attempts."""
        with _refusals():
            asked = parse(FulfillHold, [payload])
            fields = asked.model_dump(mode="json", exclude={"reference_id"}, exclude_unset=True)
            if asked.lines is not None and asked.fulfillment_id is None:
                fields["fulfillment_id"] = f"nexus-{context.request_id}"
            hold = await Hold.unseen(self._stock(context).connection, asked.reference_id)
            return await hold.fulfill_as(parse(Fulfill, [fields]))

    @sync_operation
    async def cancel(self, context: StartOperationContext, payload: Any) -> ReservationState:
        """Release held stock."""
        with _refusals():
            asked = parse(CancelHold, [payload])
            return await self._stock(context).cancel(
                asked.reference_id, performed_by=asked.performed_by, reason=asked.reason
            )

    def _stock(self, context: StartOperationContext) -> Stockkeeper:
        """A client that answers before Temporal gives this attempt up."""
        within = _WITHOUT_A_DEADLINE
        if context.request_deadline is not None:
            within = max(context.request_deadline - datetime.now(UTC) - _TO_ANSWER, _TO_ANSWER)
        connection = connection_to(_client_for(context), self._task_queue, self._databases, answer_within=within)
        if connection.databases is not None:
            # Each call may have another identity; where warehouses are is the same for all.
            connection.databases.learn_from(self._known)
            self._known = connection.databases
        return Stockkeeper(connection)


def _client_for(context: StartOperationContext) -> Client:
    """The worker's client, whose calls carry the caller's identity instead of its own, if the operation brings one."""
    client, token = nexus.client(), context.headers.get(HEADER)
    if token is None:
        return client
    config = client.config()
    others = [each for each in config["interceptors"] if not isinstance(each, SendsIdentity)]
    return Client(**config | {"interceptors": [*others, SendsIdentity(token)]})


async def _reserve(stock: Stockkeeper, request: ReservationRequest) -> Hold:
    if request.hold_again:
        return await stock.hold_again(request.reference_id, performed_by=request.performed_by)
    return await stock.reserve(
        request.reference_id,
        [Line(each.product_id, each.warehouse_id, quantity=each.quantity) for each in request.lines],
        performed_by=request.performed_by,
        ttl_minutes=request.ttl_minutes,
        wait_minutes=request.wait_minutes,
        at_once=True,
        not_after=request.not_after,
        minimum_days_left=request.minimum_days_left,
    )


async def _page_of_levels(connection: Connection, asked: ShowLevels) -> StockLevels:
    """One page of levels; of several databases, merged in their order."""
    if connection.databases is None:
        return await ask(connection, SHOW_LEVELS, asked)
    levels: list[StockLevel] = []
    async for level in pages(connection, SHOW_LEVELS, asked):
        if len(levels) == LEVELS_AT_ONCE:
            return StockLevels(levels=levels, more=True)
        levels.append(level)
    return StockLevels(levels=levels, more=False)


async def _only_queue(connection: Connection, request: ReservationRequest) -> str:
    """The task queue of the database that keeps all warehouses of an order.

    Raises:
        InvalidRequest: They are kept in several. Nothing was begun.
    """
    parts = await parts_by_database(connection, request.lines)
    if len(parts) > 1:
        raise InvalidRequest("an order with lines in several databases can't be followed to its end: use `reserve`")
    return next(iter(parts), connection.task_queue)


@contextmanager
def _refusals() -> Iterator[None]:
    """Let errors arrive at the caller's workflow as what they are.

    Raises:
        OperationError: A refusal, with the contract's error behind it. Nothing has changed.
        HandlerError: The order was never started, for good; or nobody answered, and Temporal tries again.
    """
    try:
        yield
    except DomainError as refusal:
        raise OperationError(refusal.message, state=OperationErrorState.FAILED) from as_application_error(refusal)
    except NotFound as missing:
        raise HandlerError(str(missing), type=HandlerErrorType.NOT_FOUND) from None
    except Unreachable as away:
        raise HandlerError(str(away), type=HandlerErrorType.UNAVAILABLE) from None
