"""The cycle count: a list of products, counted by people, until all of it is in the books."""

from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts import search_attributes
from stockkeeper.contracts.cycle_count import (
    APPROVE_VARIANCE,
    CANCEL,
    RECORD,
    WORKFLOW_TYPE,
    ApproveCountStep,
    ApproveVariance,
    CancelCount,
    CancelCountStep,
    CountedLine,
    CountLineState,
    CycleCountActivities,
    CycleCountRequest,
    CycleCountState,
    OpenCountStep,
    Record,
    RecordCountStep,
    StoredCount,
    memo,
    workflow_id,
)
from stockkeeper.contracts.messages import counted, parse
from stockkeeper.domain.cycle_count import COUNT_LINE, CountEvent, CountStatus
from stockkeeper.domain.errors import DomainError
from workflows import cycle_count_texts as texts
from workflows.commands import command, handler_of, signal_of
from workflows.giving_way import tell_holders
from workflows.notices import Notices
from workflows.process import Carried, Process
from workflows.reordering import ask_for_reorder
from workflows.steps import write

_GAVE_WAY_KEPT = 100


class _Carried(Carried):
    state: CycleCountState
    skus: dict[int, str]
    warehouse: str
    requested_at: AwareDatetime


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class CycleCountWorkflow(Process[CycleCountState]):
    """Lets people count products in a warehouse, and brings the books to what they find.

    Answers: update ``opened`` (use it with update-with-start). Commands: ``record``, ``approve_variance``, ``cancel``.
    Ends POSTED or CANCELLED; a request that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(CycleCountState(), payload)
        self._skus: dict[int, str] = {}
        self._warehouse = ""
        self._requested_at = workflow.now()
        self._is_open = False
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._skus = carried.skus
            self._warehouse = carried.warehouse
            self._requested_at = carried.requested_at
            self._is_open = True
        self._notices = Notices(self)

    @workflow.run
    async def run(self, *payload: Any) -> CycleCountState:
        """Store the list, take counts until every line is in the books or given up, and end."""
        del payload  # It was taken at init, so that commands that come first see it too.
        await self.run_to_the_end(self._run_process(), give_up=self._give_up)
        if not COUNT_LINE.is_final(self.state.status):
            self.continue_in_another_run(
                _Carried(
                    state=self.state,
                    skus=self._skus,
                    warehouse=self._warehouse,
                    requested_at=self._requested_at,
                    signals=self.signals,
                )
            )
        return await self.ended()

    @workflow.update(name="opened", description="Waits until the list is stored, and answers with the state.")
    async def opened(self, *payload: Any) -> CycleCountState:
        """The answer to the start."""
        del payload  # Takes none; a client that sends null or {} means the same.
        await self.answer_to_start()
        return self.state

    @command(RECORD)
    async def record(self, message: Record, key: str) -> None:
        """So much was there. `{performed_by, product_id, counted_quantity, root_cause}`."""
        step = RecordCountStep(
            operation_id=self.operation("record", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            count_number=self.state.count_number,
            product_id=message.product_id,
            counted_quantity=message.counted_quantity,
            root_cause=message.root_cause,
        )
        summary = f"{self._sku(message.product_id)}: {message.counted_quantity} counted by {message.performed_by}"
        # The answer is one line, however long the list is.
        self._take_over_line(await write(CycleCountActivities.record_count, step, summary), message.performed_by)

    @command(APPROVE_VARIANCE)
    async def approve_variance(self, message: ApproveVariance, key: str) -> None:
        """What was counted is right. `{approver, product_id, root_cause}`."""
        step = ApproveCountStep(
            operation_id=self.operation("approve_variance", key),
            performed_by=message.approver,
            as_of=workflow.now(),
            count_number=self.state.count_number,
            product_id=message.product_id,
            root_cause=message.root_cause,
        )
        summary = f"{self._sku(message.product_id)}: {message.root_cause}, approved by {message.approver}"
        self._take_over_line(await write(CycleCountActivities.approve_count, step, summary), message.approver)

    @command(CANCEL)
    async def cancel(self, message: CancelCount, key: str) -> None:
        """What isn't in the books yet isn't counted any more. `{performed_by, reason}`."""
        if self.state.status is CountStatus.CANCELLED:
            return
        if COUNT_LINE.is_final(self.state.status):
            raise COUNT_LINE.refusal(self.state.status, CountEvent.CANCEL, of=self.state.count_number)
        step = CancelCountStep(
            operation_id=self.operation("cancel", key),
            performed_by=message.performed_by,
            as_of=workflow.now(),
            count_number=self.state.count_number,
            reason=message.reason,
        )
        summary = f"cancel: {message.reason}"
        self._take_over(await write(CycleCountActivities.cancel_count, step, summary, lines=len(self.state.lines)))

    record_signal = signal_of(record)
    approve_variance_signal = signal_of(approve_variance)
    cancel_signal = signal_of(cancel)

    async def _give_up(self) -> None:
        """A cancelled workflow counts nothing any more, as by the command."""
        message = CancelCount(performed_by="operator", reason="the workflow was cancelled")
        await self.carry_out(handler_of(CycleCountWorkflow.cancel), message, "workflow-cancelled")

    async def _run_process(self) -> None:
        if not self._is_open:
            try:
                await self._open()
            except DomainError as failure:
                await self.failed(failure)
        else:
            self.publish()
        self.start_answered()
        await workflow.wait_condition(lambda: COUNT_LINE.is_final(self.state.status) or self.history_is_long)
        await workflow.wait_condition(self.drained)

    async def _open(self) -> None:
        """Check the start, and store it.

        Raises:
            DomainError: The start is wrong. Nothing is stored.
        """
        request = parse(CycleCountRequest, self.payload)
        self.state.count_number = request.count_number
        self.state.warehouse_id = request.warehouse_id
        self.state.requested_by = request.requested_by
        self.state.lines = [CountLineState(product_id=product_id) for product_id in request.product_ids]
        self.require_workflow_id(workflow_id(request.count_number), of="count")
        step = OpenCountStep(
            operation_id=self.operation("open"),
            performed_by=request.requested_by,
            as_of=workflow.now(),
            count_number=request.count_number,
            warehouse_id=request.warehouse_id,
            product_ids=request.product_ids,
            requested_by=request.requested_by,
        )
        summary = f"{counted(len(request.product_ids), 'item')} to count"
        lines = len(request.product_ids)
        self._take_over(await write(CycleCountActivities.open_count, step, summary, lines=lines))

    def _take_over(self, count: StoredCount) -> None:
        """What the database says of the whole is how it is. What was to be told of it, whoever found it has told."""
        self._skus = {line.product_id: line.sku for line in count.lines}
        self._warehouse = count.warehouse
        self._requested_at = count.requested_at
        self.state.count_id = count.count_id
        self.state.requested_by = count.requested_by
        self.state.closed_reason = count.closed_reason
        self.state.lines = [CountLineState.model_validate(line.model_dump()) for line in count.lines]
        self.state.status = count.status
        self.publish()

    def _take_over_line(self, answer: CountedLine, performed_by: str) -> None:
        """The same of one line, and whoever should hear of it does."""
        line = CountLineState.model_validate(answer.line.model_dump())
        self.state.lines = [line if each.product_id == line.product_id else each for each in self.state.lines]
        before, self.state.status = self.state.status, answer.status
        if answer.fell_below:
            self.in_background(ask_for_reorder())
        if answer.gave_way:
            self.state.gave_way = [*self.state.gave_way, *answer.gave_way][-_GAVE_WAY_KEPT:]
            reason = f"cycle count {self.state.count_number} found less than was promised"
            self.in_background(tell_holders(answer, performed_by, reason, self.note))
            self._notices.send(texts.gave_way(self.state, self._warehouse, self._skus, answer.gave_way))
        if answer.status is CountStatus.REVIEW and before is not answer.status:
            self._notices.send(texts.review_wanted(self.state, self._warehouse, self._skus))
        self.publish()

    def _sku(self, product_id: int) -> str:
        return self._skus.get(product_id, f"product {product_id}")

    def publish(self) -> None:
        """Tell whoever searches for the run, and whoever looks at it."""
        self.show(
            texts.details_of(self.state, self._warehouse, self._skus, self._requested_at),
            [
                search_attributes.STATUS.value_set(self.state.status),
                search_attributes.REFERENCE.value_set(search_attributes.keyword(self.state.count_number)),
                search_attributes.SKUS.value_set(search_attributes.keywords(self._skus.values())),
                search_attributes.WAREHOUSES.value_set(search_attributes.keywords([self._warehouse])),
            ],
            memo(self._warehouse, self.state),
        )
