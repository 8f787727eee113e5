"""The cycle count: a list of products, counted by people until every line is in the books."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import AwareDatetime
from temporalio import workflow

from stockkeeper.contracts.cycle_count import (
    APPROVE_VARIANCE,
    CANCEL,
    PROCESS,
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
    ReviewCountStep,
    StoredCount,
    memo,
)
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.messages import Step, StockAnswer, counted
from stockkeeper.domain.cycle_count import CountEvent, CountStatus
from stockkeeper.domain.errors import DomainError, NotPermitted
from workflows import cycle_count_texts as texts
from workflows.commands import command, signal_of
from workflows.details import ended_by
from workflows.document import Document, Shown, answer_to_start
from workflows.giving_way import inform_holders, show_gave_way, show_held_before
from workflows.notices import Notices
from workflows.process import Carried, Stamp
from workflows.steps import write

T = TypeVar("T", bound=Step)


L = TypeVar("L", bound=CountLineState)


def _key(line: CountLineState) -> tuple[int, str | None]:
    return line.product_id, line.lot_number


def _with_line(lines: Sequence[L], line: L) -> list[L]:
    """Some lines after one has changed, or was added.

    A lot that was found takes the line of its product without a lot, as long as that is to be counted; else its line is
    behind all others. So does the database (`stockkeeper.domain.cycle_count`).
    """
    keys = [_key(each) for each in lines]
    place = keys.index(_key(line)) if _key(line) in keys else None
    if place is None and line.lot_number is not None and (line.product_id, None) in keys:
        free = keys.index((line.product_id, None))
        place = free if lines[free].status is CountStatus.COUNTING else None
    if place is None:
        return [*lines, line]
    return [*lines[:place], line, *lines[place + 1 :]]


class _Carried(Carried):
    state: CycleCountState
    skus: dict[int, str]
    warehouse: str
    requested_at: AwareDatetime

    def stored(self) -> StoredCount:
        """The database's latest answer, which the state repeats but for these fields."""
        fields = self.state.model_dump(exclude={"gave_way", "held_before"})
        lines = [{**line, "sku": self.skus[line["product_id"]]} for line in fields["lines"]]
        known = {"warehouse": self.warehouse, "requested_at": self.requested_at}
        return StoredCount.model_validate({**fields, **known, "lines": lines})


class _Stamp(Stamp):
    count_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class CycleCountWorkflow(Document[CycleCountState, StoredCount, _Stamp]):
    """Lets people count products in a warehouse, and corrects the books to what they find.

    Answers: update ``opened`` (use it with update-with-start). Commands: ``record``, ``approve_variance``, ``cancel``.
    Ends POSTED or CANCELLED; a request that is wrong fails the run.
    """

    process = PROCESS

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(CycleCountState(), payload)
        self._notices = Notices(self)
        self._corrected_by = ""
        self._recorded: dict[str, Record] = {}
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.stored(), lines=len(carried.state.lines))

    @workflow.run
    async def run(self, *_payload: Any) -> CycleCountState:
        """Store the list, take counts until every line is in the books or given up, and end."""
        return await self.live(self._open, self.until_it_is_over)

    @answer_to_start("opened", "Waits until the list is stored, and answers with the state.")
    async def opened(self, *_payload: Any) -> CycleCountState:
        """The answer to the start."""
        return await self.answer()

    @command(RECORD)
    async def record(self, message: Record, key: str) -> None:
        """The units that were there, of a tracked product of one lot.

        `{performed_by, product_id, counted_quantity, root_cause, record_id, lot_number, expires_on}`.
        """
        if message.record_id is not None and self._recorded.get(message.record_id) == message:
            return  # Sent twice: whoever had to be told has been.
        key = message.record_id or key
        step = self.step_of(RecordCountStep, message, "record", key, performed_by=message.performed_by)
        what = self._what(message.product_id, message.lot_number)
        summary = f"{what}: {message.counted_quantity} counted by {message.performed_by}"
        await self._apply_line(CycleCountActivities.record_count, step, summary)
        if message.record_id is not None:
            self._recorded[message.record_id] = message

    @command(APPROVE_VARIANCE)
    async def approve_variance(self, message: ApproveVariance, key: str) -> None:
        """The count is right. `{approver, product_id, root_cause, lot_number}`."""
        step = self.step_of(ApproveCountStep, message, "approve_variance", key, performed_by=message.approver)
        what = self._what(message.product_id, message.lot_number)
        summary = f"{what}: {message.root_cause}, approved by {message.approver}"
        try:
            await self._apply_line(CycleCountActivities.approve_count, step, summary)
        except NotPermitted as refusal:
            if refusal.details.get("ends"):
                # By now it would end other holds than those that were shown: they are, from here on.
                review = ReviewCountStep(
                    **self.step_stamp("review", key, performed_by=message.approver),
                    product_id=message.product_id,
                    lot_number=message.lot_number,
                )
                await self._apply_line(CycleCountActivities.review_count, review, "see which holds it would end")
            raise

    @command(CANCEL)
    async def cancel(self, message: CancelCount, key: str) -> None:
        """Lines that aren't posted yet aren't counted any more. `{performed_by, reason}`."""
        if self.state.status is CountStatus.CANCELLED:
            return
        self.require(CountEvent.CANCEL)
        step = CancelCountStep(
            **self.step_stamp("cancel", key, performed_by=message.performed_by), reason=message.reason
        )
        summary = ended_by(CountEvent.CANCEL, message.performed_by, message.reason)
        await self.apply(CycleCountActivities.cancel_count, step, summary)

    async def _open(self) -> None:
        """Check the start, and store it."""
        request = self.read_start(CycleCountRequest)
        self.state.lines = [CountLineState(product_id=product_id) for product_id in request.product_ids]
        self.lines = len(request.product_ids)
        step = self.step_of(OpenCountStep, request, "open", performed_by=request.requested_by)
        await self.apply(CycleCountActivities.open_count, step, f"{counted(self.lines, 'item')} to count")
        self.lines = len(self.state.lines)  # Each lot of a tracked product is one.

    async def _apply_line(self, activity: Callable[[Any, T], CountedLine], step: T, summary: str) -> None:
        """Carry out a step on one line, whose answer is that line. The others stay as they are: a list may be long."""
        answer = await write(activity, step, summary)
        self._corrected_by = step.performed_by
        line = CountLineState.model_validate(answer.line.model_dump())
        self.state.lines = _with_line(self.state.lines, line)
        self.lines = len(self.state.lines)
        self.state.status = answer.status
        if self.stored is not None:
            lines = _with_line(self.stored.lines, answer.line)
            news = {name: getattr(answer, name) for name in StockAnswer.model_fields}
            self.keep(self.stored.model_copy(update={"status": answer.status, "lines": lines, **news}))

    def _what(self, product_id: int, lot_number: str | None) -> str:
        sku = texts.skus_of(self.stored).get(product_id, f"product {product_id}")
        return product_and_lot(sku, lot_number)

    def carried(self, stored: StoredCount) -> _Carried:
        """The input of the next run."""
        return _Carried(
            state=self.state,
            skus=texts.skus_of(stored),
            warehouse=stored.warehouse,
            requested_at=stored.requested_at,
            signals=self.signals,
        )

    def changed(self, before: StoredCount | None, stored: StoredCount) -> None:
        """Inform the holders whose holds gave way, and the people who have to review a count."""
        if stored.held_before:
            show_held_before(self.state, stored)
            self._notices.send(texts.held_before(stored))
        if stored.gave_way:
            show_gave_way(self.state, stored)
            reason = f"cycle count {self.number} found less than was promised"
            inform_holders(self, stored, self._corrected_by, reason)
            self._notices.send(texts.gave_way(stored))
        if before is not None and before.status is not stored.status and stored.status is CountStatus.REVIEW:
            self._notices.send(texts.review_wanted(stored))
        known = {_key(line) for line in before.lines if line.needs_approval} if before else set()
        if new := [line for line in stored.lines if line.needs_approval and _key(line) not in known]:
            self._notices.send(texts.approval_wanted(stored, new))

    def shown(self, stored: StoredCount) -> Shown:
        """The run as people see and find it."""
        return Shown(
            texts.details_of(self.state, stored),
            stored.lines,
            [stored.warehouse],
            memo=memo(stored.warehouse, self.state),
        )

    # The signals of the commands.
    record_signal = signal_of(record)
    approve_variance_signal = signal_of(approve_variance)
    cancel_signal = signal_of(cancel)
