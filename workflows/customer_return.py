"""The customer return: expected, and inspected as it comes."""

from typing import Any

from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.customer_return import (
    CLOSE_SHORT,
    INSPECT,
    WORKFLOW_TYPE,
    CloseReturnShort,
    CloseReturnStep,
    Inspect,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnActivities,
    ReturnLineState,
    ReturnRequest,
    ReturnState,
    StoredReturn,
    memo,
    workflow_id,
)
from stockkeeper.contracts.messages import counted, parse
from stockkeeper.domain.customer_return import RETURN, ReturnEvent
from stockkeeper.domain.errors import DomainError
from workflows import customer_return_texts as texts
from workflows.commands import command, handler_of, signal_of
from workflows.process import Carried, Process
from workflows.steps import write


class _Carried(Carried):
    returned: StoredReturn
    state: ReturnState


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReturnWorkflow(Process[ReturnState]):
    """Takes back what was sold: what is fit goes into stock, the rest is scrapped.

    Answers: update ``registered`` (use it with update-with-start). Commands: ``inspect``, ``close_short``. Ends
    INSPECTED, or CANCELLED when nothing came; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(ReturnState(), payload)
        self._returned: StoredReturn | None = None
        self._lines = 0
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._returned = carried.returned
            self._lines = len(carried.returned.lines)

    @workflow.run
    async def run(self, *payload: Any) -> ReturnState:
        """Store what is expected, wait until all of it has been inspected or given up, and end."""
        del payload  # It was taken at init, so that commands that come first see it too.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if self._returned is not None and not RETURN.is_final(self.state.status):
            self.continue_in_another_run(_Carried(returned=self._returned, state=self.state, signals=self.signals))
        return await self.ended()

    @workflow.update(name="registered", description="Waits until the return is stored, and answers with the state.")
    async def registered(self, *payload: Any) -> ReturnState:
        """The answer to the start."""
        del payload  # Takes none; a client that sends null or {} means the same.
        await self.answer_to_start()
        return self.state

    @command(INSPECT)
    async def inspect(self, message: Inspect, key: str) -> None:
        """What was found. `{performed_by, lines: [{product_id, restock_quantity, scrap_quantity}], inspection_id}`."""
        # One with a name may have been booked already, and then its repeat is right in any status. Only the database
        # knows.
        inspection_id = message.inspection_id or key
        step = InspectReturnStep(
            operation_id=self.operation("inspect", inspection_id),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            return_number=self.state.return_number,
            inspection_id=inspection_id,
            lines=message.lines,
        )
        restocked = sum(line.restock_quantity for line in message.lines)
        scrapped = sum(line.scrap_quantity for line in message.lines)
        summary = f"inspected by {message.performed_by}: {restocked} restocked, {scrapped} scrapped"
        self._take_over(await write(ReturnActivities.inspect_return, step, summary, lines=self._lines))

    @command(CLOSE_SHORT)
    async def close_short(self, message: CloseReturnShort, key: str) -> None:
        """What hasn't come isn't expected any more. `{performed_by, reason}`."""
        if self.state.closed_reason is not None:
            return  # Sent twice: that is what was wanted.
        RETURN.next(self.state.status, ReturnEvent.CLOSE_SHORT, of=self.state.return_number)
        step = CloseReturnStep(
            operation_id=self.operation("close_short", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            return_number=self.state.return_number,
            reason=message.reason,
        )
        summary = f"the rest isn't expected: {message.reason}"
        self._take_over(await write(ReturnActivities.close_return, step, summary, lines=self._lines))

    inspect_signal = signal_of(inspect)
    close_short_signal = signal_of(close_short)

    async def _give_up(self) -> None:
        """A cancelled workflow expects nothing more, as by the command."""
        message = CloseReturnShort(performed_by="operator", reason="the workflow was cancelled")
        await self.carry_out(handler_of(ReturnWorkflow.close_short), message, "workflow-cancelled")

    async def _run_process(self) -> None:
        if self._returned is None:
            try:
                await self._register()
            except DomainError as failure:
                await self.failed(failure)
        else:
            self._take_over(self._returned)
        self.start_answered()
        await workflow.wait_condition(lambda: RETURN.is_final(self.state.status) or self.history_is_long)
        await workflow.wait_condition(self.drained)

    async def _register(self) -> None:
        """Check the start, and store it.

        Raises:
            DomainError: The start is wrong. Nothing is stored.
        """
        request = parse(ReturnRequest, self.payload)
        self.state.return_number = request.return_number
        self.state.warehouse_id = request.warehouse_id
        self.state.reference_id = request.reference_id
        self.state.requested_by = request.performed_by
        self.state.lines = [
            ReturnLineState(product_id=line.product_id, quantity=line.quantity) for line in request.lines
        ]
        self.require_workflow_id(workflow_id(request.return_number), of="return")
        self._lines = len(request.lines)
        step = RegisterReturnStep(
            operation_id=self.operation("register"),
            performed_by=request.performed_by,
            as_of=workflow.now(),
            return_number=request.return_number,
            warehouse_id=request.warehouse_id,
            reference_id=request.reference_id,
            lines=request.lines,
        )
        summary = f"expect {counted(self._lines, 'line')} of order {request.reference_id}"
        self._take_over(await write(ReturnActivities.register_return, step, summary, lines=self._lines))

    def _take_over(self, returned: StoredReturn) -> None:
        """What the database says is how it is."""
        self._returned = returned
        state = self.state
        state.return_id = returned.return_id
        state.status = returned.status
        state.lines = [ReturnLineState.model_validate(line.model_dump()) for line in returned.lines]
        state.requested_by = returned.requested_by
        state.inspections = returned.inspections
        state.closed_reason = returned.closed_reason
        self.publish()

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        returned = self._returned
        if returned is None:
            return
        self.show(
            texts.details_of(self.state, returned),
            [
                search_attributes.STATUS.value_set(returned.status),
                search_attributes.REFERENCE.value_set(search_attributes.keyword(returned.return_number)),
                search_attributes.SKUS.value_set(search_attributes.keywords(line.sku for line in returned.lines)),
                search_attributes.WAREHOUSES.value_set(search_attributes.keywords([returned.warehouse])),
            ],
            memo(returned),
        )
