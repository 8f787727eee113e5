"""Cycle counts: open a count, record what was on the shelf, approve a variance, and see how accurate stock was."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime

from stockkeeper.client.by_hand import run_now
from stockkeeper.client.document import Document, Finding, Listing, Number, Part, in_status
from stockkeeper.client.inbox import InboxItem
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids, with_names
from stockkeeper.client.operations import Numbered
from stockkeeper.client.questions import pages
from stockkeeper.contracts import cycle_count, cycle_count_plan
from stockkeeper.contracts.count_questions import Accuracy, ShowAccuracy, ShowVariances, Variance
from stockkeeper.contracts.cycle_count import (
    ApproveVariance,
    CountLineState,
    CountStatus,
    CycleCountActivities,
    CycleCountRequest,
    CycleCountState,
    Record,
    RootCause,
    is_same_person,
    products_of,
)
from stockkeeper.contracts.cycle_count_plan import CycleCountPlanRequest, CycleCountPlanState
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.question import SHOW_ACCURACY, SHOW_VARIANCES


class CycleCount(Document[CycleCountState]):
    """Products that are counted in one warehouse."""

    process = cycle_count.PROCESS
    count_number = Number()

    async def record(
        self,
        product_id: Named,
        counted_quantity: int,
        *,
        performed_by: str,
        root_cause: RootCause | None = None,
        lot_number: str | None = None,
        expires_on: date | None = None,
        best_before: date | None = None,
        made_on: date | None = None,
    ) -> CycleCountState:
        """Record the units on the shelf. Call it at once: it compares with the stock of this moment.

        Within tolerance the line is POSTED. Beyond it the line is in REVIEW, until another person has counted it as
        well, or has approved it. The same call by the same person may be repeated, and counts once.

        Args:
            product_id: The product.
            counted_quantity: Units on the shelf; 0 for none.
            performed_by: The counter. A second count has to come from another person.
            root_cause: Why stock was wrong, if known.
            lot_number: Of a tracked product the lot that was counted, or the serial number. One that isn't on the list
                is added to it. Of a product of which the list has no lot, 0 without a lot says that none is there.
            expires_on: The last day on which it may be used, as it is printed; needed of a lot that is new.
            best_before: The last day of its best quality.
            made_on: The day on which it was made.

        Raises:
            InvalidRequest: The product isn't on the count; a lot isn't named of a product that is tracked, or is named
                of another one; or it is known with other days.
            InvalidState: The line is posted already, or was cancelled.
            NotPermitted: The same person has counted it before.
            Unreachable: No answer in time.
        """
        message = await self._message(
            cycle_count.RECORD,
            performed_by=performed_by,
            product_id=product_id,
            counted_quantity=counted_quantity,
            root_cause=root_cause,
            lot_number=lot_number,
            expires_on=expires_on,
            best_before=best_before,
            made_on=made_on,
        )
        record_id = _record_id(message)
        return await self._command(
            cycle_count.RECORD,
            message.model_copy(update={"record_id": record_id}),
            lambda last: _is_recorded(self._line(last, message.product_id, message.lot_number), message),
            Numbered(record_id, CycleCountActivities.record_count),
        )

    async def approve_variance(
        self, product_id: Named, *, approver: str, root_cause: RootCause, lot_number: str | None = None
    ) -> CycleCountState:
        """Approve a count that is beyond tolerance. A second approval by the same person changes nothing.

        Args:
            product_id: The product.
            approver: A person whose count it isn't.
            root_cause: Why stock was wrong.
            lot_number: Of a tracked product, the lot or the serial number whose count it is.

        Raises:
            InvalidRequest: The product or the lot isn't on the count.
            InvalidState: The line doesn't wait for approval.
            NotPermitted: The approver has counted it.
            InsufficientStock: The missing units have left stock since: it has to be counted again.
            Unreachable: No answer in time.
        """
        message = await self._message(
            cycle_count.APPROVE_VARIANCE,
            approver=approver,
            product_id=product_id,
            root_cause=root_cause,
            lot_number=lot_number,
        )
        return await self._command(
            cycle_count.APPROVE_VARIANCE,
            message,
            lambda last: _is_approved(self._line(last, message.product_id, message.lot_number), message),
        )

    async def cancel(self, *, performed_by: str, reason: str) -> CycleCountState:
        """Cancel the lines that aren't posted yet.

        Raises:
            InvalidState: All lines are posted.
            Unreachable: No answer in time.
        """
        return await self._send(
            cycle_count.CANCEL, in_status(CountStatus.CANCELLED), performed_by=performed_by, reason=reason
        )

    def __repr__(self) -> str:
        """Number, status, and how many products are counted: units stay unknown to counters."""
        return f"<CycleCount {self.name} {self.state.status}: {counted(len(products_of(self.state.lines)), 'product')}>"

    @staticmethod
    def _line(state: CycleCountState, product_id: int, lot_number: str | None) -> CountLineState | None:
        key = product_id, lot_number
        return next((line for line in state.lines if (line.product_id, line.lot_number) == key), None)

    @staticmethod
    def _contents(document: CycleCountRequest | CycleCountState) -> object:
        if isinstance(document, CycleCountRequest):
            return document.warehouse_id, document.product_ids
        return document.warehouse_id, products_of(document.lines)


def _record_id(message: Record) -> str:
    """The number of a count, by its contents: whoever sends the same again means the same count."""
    contents = message.model_dump_json(exclude={"record_id"})
    return f"{cycle_count.RECORD.name}-{hashlib.sha256(contents.encode()).hexdigest()[:32]}"


def _is_recorded(line: CountLineState | None, message: Record) -> bool:
    """Whether exactly this count has been posted."""
    return (
        line is not None
        and line.status is CountStatus.POSTED
        and line.counted_by is not None
        and is_same_person(line.counted_by, message.performed_by)
        and line.counted_quantity == message.counted_quantity
    )


def _is_approved(line: CountLineState | None, message: ApproveVariance) -> bool:
    """Whether this person has approved it, for this root cause."""
    return (
        line is not None
        and line.approved_by is not None
        and is_same_person(line.approved_by, message.approver)
        and line.root_cause in (None, message.root_cause)
    )


class CycleCounts(Part):
    """Counting stock."""

    cycle_count = Finding(CycleCount)
    cycle_counts = Listing[CountStatus](CycleCount)

    async def open_count(
        self, count_number: str, product_ids: Sequence[Named], *, warehouse_id: Named, requested_by: str
    ) -> CycleCount:
        """Open a count of these products. Stock goes on moving meanwhile; nothing is locked by it.

        The number makes it happen once: the same call again, after a lost answer or a crash, gives the same count, in
        its state then.

        Args:
            count_number: The count's number.
            product_ids: The products; the same product twice is one line.
            warehouse_id: The warehouse.
            requested_by: The person or service that asks.

        Raises:
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number belongs to another count.
            Unreachable: No answer in time. It may be stored: ask again.
        """
        return await CycleCount.start(
            self.connection, count_number, warehouse_id=warehouse_id, product_ids=product_ids, requested_by=requested_by
        )

    async def plan_counts(self, *, warehouse_id: Named | None = None) -> CycleCountPlanState:
        """Open the count of the day wherever there is none yet, whatever the time, and wait until that is done.

        Raises:
            UnknownWarehouse: Nothing has that name or id.
            InvalidRequest: The request is wrong.
            Unreachable: Temporal doesn't answer.
        """
        request, _ = await with_ids(self.connection, CycleCountPlanRequest, warehouse_id=warehouse_id)
        return await run_now(self.connection, cycle_count_plan.PROCESS, request, state=CycleCountPlanState)

    async def variances(
        self, *, warehouse: Named | None = None, count_number: str | None = None
    ) -> AsyncIterator[Variance]:
        """Counts beyond tolerance that wait for a second count or an approval, read page by page.

        They come in the order of count and SKU, with their numbers: for approvers, and not for those who count again.

        Raises:
            UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowVariances, warehouse=warehouse, count_number=count_number)
        async for variance in pages(self.connection, SHOW_VARIANCES, asked):
            yield variance

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Counts beyond tolerance."""
        del now
        return [
            InboxItem(
                kind="count",
                number=each.count_number,
                waits_for="a second count or an approval",
                about=product_and_lot(each.sku, each.lot_number),
                where=(each.warehouse,),
                requested_by=each.counted_by,
                since=each.counted_at,
                due_at=None,
                task="record",
            )
            async for each in self.variances()
        ]

    async def accuracies(self, *, warehouse: Named | None = None, since: date | None = None) -> AsyncIterator[Accuracy]:
        """How accurate stock was, in the order of warehouse, month and class, read page by page.

        Args:
            warehouse: Only this warehouse.
            since: Only counts posted from this day on.

        Raises:
            UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowAccuracy, warehouse=warehouse, since=since)
        async for accuracy in pages(self.connection, SHOW_ACCURACY, asked):
            yield accuracy
