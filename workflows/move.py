"""Moving a warehouse to another database while it sells (ADR 0085)."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError, FailureError, is_cancelled_exception

from stockkeeper.contracts import policies, search_attributes
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.metrics import START
from stockkeeper.contracts.move import (
    CANCEL,
    PROCESS,
    WORKFLOW_TYPE,
    CancelMove,
    MoveActivities,
    MoveFigures,
    MoveState,
    MoveStep,
    MoveWarehouse,
)
from stockkeeper.contracts.stock_audit import WORKFLOW_TYPE as AUDIT
from stockkeeper.contracts.stock_audit import FindingState, StockAuditRequest, StockAuditState
from stockkeeper.domain.errors import DomainError, InvalidState
from stockkeeper.domain.move import MOVE, MoveEvent, MoveStatus
from stockkeeper.domain.stock_audit import AuditStatus
from workflows.counters import count_refusal, counting_refusals
from workflows.details import details, refused
from workflows.steps import through_the_queue
from workflows.unknown import KnowsItsCommands

TRIES_EVERY = timedelta(seconds=5)
"""How long what joins the warehouse with others is waited for, before it is looked again."""

_TEXTS = {
    MoveStatus.COPYING: "Its rows are being copied. It sells where it was.",
    MoveStatus.DRAINING: "It waits until nothing joins the warehouse with others any more. It sells where it was.",
    MoveStatus.ARRIVING: "Its rows have left the old database, and are on their way into the new one. Commands wait.",
    MoveStatus.AUDITING: "It sells in its new database, whose books are being compared.",
    MoveStatus.MOVED: "It is in its new database.",
    MoveStatus.CANCELLED: "It stayed where it was.",
}


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class MoveWarehouseWorkflow(KnowsItsCommands):
    """Copies a warehouse's rows, waits until nothing joins it with others, switches, and lets the books be compared.

    Update and signal ``cancel``, until the warehouse has left. Ends MOVED or CANCELLED; a request that is wrong fails
    the run, and so do books that don't agree before the switch: then nothing has moved.
    """

    state: MoveState

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        self.payload = payload
        self.state = MoveState(warehouse_id=0, to="", performed_by="")
        self._step = MoveStep(warehouse_id=0, to="")
        self._wants_to_stay = False
        self._signals: list[Any] = []

    @workflow.query(name="state")
    def show(self, *_payload: Any) -> MoveState:
        """Where the move is."""
        return self.state

    @workflow.update(name=CANCEL.name)
    async def cancel(self, *payload: Any) -> MoveState:
        """Leave the warehouse where it is.

        Raises:
            InvalidState: It has left.
        """
        with counting_refusals(CANCEL.name):
            command = await self.vouched(CANCEL.name, parse(CancelMove, payload), self.take_brought())
            self._stay(command)
        await workflow.wait_condition(lambda: not self._wants_to_stay or self._is_over)
        if self.state.status is not MoveStatus.CANCELLED:
            raise self._refusal()
        return self.state

    @workflow.signal(name=CANCEL.name)
    async def cancel_by_signal(self, *payload: Any) -> None:
        """The same without an answer; one that is refused leaves a note."""
        try:
            self._stay(await self.vouched(CANCEL.name, parse(CancelMove, payload), self.take_brought()))
        except DomainError as refusal:
            count_refusal(CANCEL.name, refusal)
            self.note(f"cancel was refused: {refusal.message}")

    @workflow.run
    async def run(self, *_payload: Any) -> MoveState:
        """Copy, drain, switch, arrive, audit.

        Raises:
            DomainError: It is refused, and nothing has moved.
        """
        try:
            await self.vouch_for_start()
            request = parse(MoveWarehouse, self.payload)
        except DomainError as failure:
            self._refuse(failure)
            raise
        self.state = MoveState(warehouse_id=request.warehouse_id, to=request.to, performed_by=request.performed_by)
        self._step = MoveStep(warehouse_id=request.warehouse_id, to=request.to)
        self._publish()
        if await self._has_left():
            await self._arrive()
            await self._audit_there()
            self._go(MoveEvent.AUDIT)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.state

    async def _has_left(self) -> bool:
        """Let the warehouse leave its database, or stay there; whether it has left."""
        try:
            return await self._leave()
        except DomainError as failure:
            if not await asyncio.shield(self._give_up()):
                return self._switched()
            self._refuse(failure)
            raise
        except (asyncio.CancelledError, FailureError) as error:
            if isinstance(error, FailureError) and not is_cancelled_exception(error):
                raise
            # An operator has cancelled the run itself.
            self.note("the workflow was cancelled")
            return await asyncio.shield(self._stays())

    async def _leave(self) -> bool:
        announced = await through_the_queue(
            MoveActivities.announce_move, self._step, "let both databases know", policies.MOVING
        )
        self._step, self.state.source = announced, announced.source
        self.state.rows = (await self._carry_out(MoveActivities.copy_warehouse, "copy its rows")).rows
        # Until every worker looks for moves at each step.
        await self._wait(policies.MOVE_IS_KNOWN_AFTER)
        await self._require_books_to_agree()
        if not self._wants_to_stay:
            await self._carry_out(MoveActivities.drain_warehouse, "let nothing new join it with other warehouses")
            self._go(MoveEvent.COPY)
        while not self._wants_to_stay:
            self.state.attempts += 1
            tried = await self._carry_out(MoveActivities.switch_warehouse, "let it leave")
            if tried.has_left:
                self.state.rows = tried.rows or self.state.rows
                return self._switched()
            self.state.waits_for = tried.waits_for
            self._publish()
            await self._wait(TRIES_EVERY)
        return await self._stays()

    def _switched(self) -> bool:
        self.state.waits_for = []
        self._left_at = workflow.now()
        self._wants_to_stay = False
        if self.state.status is MoveStatus.COPYING:
            self.state.status = MOVE.next(self.state.status, MoveEvent.COPY)
        self._go(MoveEvent.SWITCH)
        return True

    async def _stays(self) -> bool:
        """Give the move up, unless the warehouse has left."""
        if not await self._give_up():
            return self._switched()
        self._go(MoveEvent.CANCEL)
        return False

    async def _give_up(self) -> bool:
        if not self._step.version:
            return True
        return not (await self._carry_out(MoveActivities.give_move_up, "leave it where it is")).has_left

    async def _arrive(self) -> None:
        came = await self._carry_out(MoveActivities.land_warehouse, "let it arrive")
        self.state.rows = came.rows or self.state.rows
        self.state.seconds_away = (workflow.now() - self._left_at).total_seconds()
        self._go(MoveEvent.ARRIVE)

    async def _audit_there(self) -> None:
        """Compare the books of the new database, and drop what was staged."""
        self.state.findings = list(await self._audit(self._step.to, "after"))
        if self.state.findings:
            self.note(f"{len(self.state.findings)} findings in the new database: what was staged is kept")
            return
        await self._carry_out(MoveActivities.clear_move, "drop what was staged")

    async def _require_books_to_agree(self) -> None:
        """Compare the books of the old database.

        Raises:
            InvalidState: They don't agree.
        """
        if findings := await self._audit(self._step.source, "before"):
            kinds = ", ".join(sorted({each.kind for each in findings}))
            raise InvalidState(
                f"the books of warehouse {self.state.warehouse_id} don't agree ({kinds}): see `stockkeeper audit list`,"
                " repair or accept what it shows, and move it then",
                self.state.status,
                "move",
            )

    async def _audit(self, task_queue: str, when: str) -> Sequence[FindingState]:
        """The findings of an audit of the warehouse; those that are accepted aren't among them."""
        try:
            audited: StockAuditState = await workflow.execute_child_workflow(
                AUDIT,
                StockAuditRequest(warehouse_id=self.state.warehouse_id),
                id=f"{workflow.info().workflow_id}/{workflow.info().run_id}/audit-{when}",
                task_queue=task_queue,
                result_type=StockAuditState,
                static_summary=f"the audit {when} the move of warehouse {self.state.warehouse_id}",
            )
        except ChildWorkflowError as error:
            if is_cancelled_exception(error):
                raise
            self.note(f"the audit {when} the move failed")
            return []
        if audited.status is not AuditStatus.DONE:
            self.note(f"the audit {when} the move is {audited.status}")
        return audited.findings

    async def _carry_out(self, activity: Callable[[Any, MoveStep], MoveFigures], summary: str) -> MoveFigures:
        return await through_the_queue(activity, self._step, summary, policies.MOVING)

    async def _wait(self, time: timedelta) -> None:
        """Wait, unless the warehouse is to stay."""
        try:
            await workflow.wait_condition(lambda: self._wants_to_stay, timeout=time)
        except TimeoutError:
            return

    def _stay(self, command: CancelMove) -> None:
        if not MOVE.allows(self.state.status, MoveEvent.CANCEL):
            raise self._refusal()
        self.note(f"cancelled by {command.performed_by}: {command.reason}")
        self._wants_to_stay = True

    def _refusal(self) -> InvalidState:
        return PROCESS.refusal(self.state.status, CANCEL.name, str(self.state.warehouse_id))

    @property
    def _is_over(self) -> bool:
        return MOVE.is_final(self.state.status)

    def _go(self, event: MoveEvent) -> None:
        self.state.status = MOVE.next(self.state.status, event)
        self._publish()

    def note(self, text: str) -> None:
        """Add a sentence to the notes; the latest hundred are kept."""
        self.state.notes = [*self.state.notes, text][-100:]
        self._show_details()

    def _refuse(self, failure: DomainError) -> None:
        count_refusal(START, failure)
        workflow.set_current_details(refused(failure))
        workflow.upsert_search_attributes([search_attributes.STATUS.value_set(search_attributes.REFUSED)])

    def _publish(self) -> None:
        workflow.upsert_search_attributes([search_attributes.STATUS.value_set(str(self.state.status))])
        self._show_details()

    def _show_details(self) -> None:
        status = str(self.state.status)
        waits = [f"waits for {each}" for each in self.state.waits_for]
        workflow.set_current_details(details(status, _TEXTS[self.state.status], waits, self.state.notes))
