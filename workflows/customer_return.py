"""The customer return: expected, and inspected as it comes."""

from typing import Any

from temporalio import workflow

from stockkeeper.contracts.customer_return import (
    CLOSE_SHORT,
    INSPECT,
    PROCESS,
    WORKFLOW_TYPE,
    ApproveReturnDifferenceStep,
    CloseReturnShort,
    CloseReturnStep,
    Inspect,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnActivities,
    ReturnRequest,
    ReturnState,
    StoredReturn,
    memo,
)
from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, ApproveDifference
from stockkeeper.contracts.messages import counted
from stockkeeper.domain.customer_return import ReturnEvent
from stockkeeper.domain.errors import DomainError
from workflows import customer_return_texts as texts
from workflows.commands import command, signal_of
from workflows.document import Document, Shown, answer_to_start
from workflows.process import Carried, Stamp


class _Carried(Carried):
    returned: StoredReturn
    state: ReturnState


class _Stamp(Stamp):
    return_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ReturnWorkflow(Document[ReturnState, StoredReturn, _Stamp]):
    """Takes back sold goods: fit units go into stock, the others are scrapped.

    Answers: update ``registered`` (use it with update-with-start). Commands: ``inspect``, ``close_short``. Ends
    INSPECTED, or CANCELLED when nothing came; a request that is wrong fails the run.
    """

    process = PROCESS
    given_up_by = CLOSE_SHORT.name

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(ReturnState(), payload)
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.returned, lines=len(carried.returned.lines))

    @workflow.run
    async def run(self, *_payload: Any) -> ReturnState:
        """Register the expected goods, wait until all of them are inspected or given up, and end."""
        return await self.live(self._register, self.until_it_is_over)

    @answer_to_start("registered", "Waits until the return is stored, and answers with the state.")
    async def registered(self, *_payload: Any) -> ReturnState:
        """The answer to the start."""
        return await self.answer()

    @command(INSPECT)
    async def inspect(self, message: Inspect, key: str) -> None:
        """Units found. `{performed_by, lines: [{product_id, restock_quantity, scrap_quantity}], inspection_id}`."""
        # Only the database knows whether an inspection with a name was booked before; its repeat is right in any
        # status.
        inspection_id = message.inspection_id or key
        by = message.performed_by
        step = self.step_of(
            InspectReturnStep, message, "inspect", inspection_id, performed_by=by, inspection_id=inspection_id
        )
        restocked = sum(line.restock_quantity for line in message.lines)
        scrapped = sum(line.scrap_quantity for line in message.lines)
        summary = f"inspected by {message.performed_by}: {restocked} restocked, {scrapped} scrapped"
        await self.apply(ReturnActivities.inspect_return, step, summary)

    @command(APPROVE_DIFFERENCE)
    async def approve_difference(self, message: ApproveDifference, key: str) -> None:
        """More may be restocked than the order has shipped. `{approver, value, unvalued_units, note}`."""
        self.require(ReturnEvent.INSPECT, APPROVE_DIFFERENCE.name)
        activity = ReturnActivities.approve_return_difference
        await self.approve_up_to(activity, ApproveReturnDifferenceStep, message, key)

    @command(CLOSE_SHORT)
    async def close_short(self, message: CloseReturnShort, key: str) -> None:
        """Units that haven't come aren't expected any more. `{performed_by, reason}`."""
        if self.state.closed_reason is not None:
            return  # Sent twice.
        self.require(ReturnEvent.CLOSE_SHORT)
        step = CloseReturnStep(
            **self.step_stamp("close_short", key, performed_by=message.performed_by), reason=message.reason
        )
        await self.apply(ReturnActivities.close_return, step, f"the rest isn't expected: {message.reason}")

    async def _register(self) -> None:
        """Check the start, and store it."""
        request = self.read_start(ReturnRequest)
        self.state.requested_by = request.performed_by
        self.lines = len(request.lines)
        step = self.step_of(RegisterReturnStep, request, "register", performed_by=request.performed_by)
        summary = f"expect {counted(self.lines, 'line')} of order {request.reference_id}"
        await self.apply(ReturnActivities.register_return, step, summary)

    def carried(self, stored: StoredReturn) -> _Carried:
        """The input of the next run."""
        return _Carried(returned=stored, state=self.state, signals=self.signals)

    def shown(self, stored: StoredReturn) -> Shown:
        """The run as people see and find it."""
        return Shown(texts.details_of(self.state, stored), stored.lines, [stored.warehouse], memo=memo(stored))

    # The signals of the commands.
    inspect_signal = signal_of(inspect)
    approve_difference_signal = signal_of(approve_difference)
    close_short_signal = signal_of(close_short)
