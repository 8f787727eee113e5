"""The inspection: units set aside, until another person has released or scrapped all of them."""

from decimal import Decimal
from typing import Any

from temporalio import workflow

from stockkeeper.contracts.difference import APPROVE_DIFFERENCE, ApproveDifference
from stockkeeper.contracts.inspection import (
    PROCESS,
    RELEASE,
    SCRAP,
    WORKFLOW_TYPE,
    ApproveInspectionDifferenceStep,
    InspectionActivities,
    InspectionRequest,
    InspectionState,
    OpenInspectionStep,
    Release,
    ReleaseInspectedStep,
    Scrap,
    ScrapInspectedStep,
    SetAsideLine,
    StoredInspection,
    memo,
)
from stockkeeper.contracts.messages import Message, counted, utc
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.inspection import InspectionEvent, InspectionStatus
from workflows import inspection_texts as texts
from workflows.approval import REMINDER
from workflows.commands import command, signal_of
from workflows.document import Shown, StockDocument, answer_to_start
from workflows.giving_way import inform_holders, show_gave_way
from workflows.notices import Notices
from workflows.process import Carried, Stamp

OVERDUE = "overdue"


class _Carried(Carried):
    inspection: StoredInspection
    state: InspectionState
    told: list[str]


class _Stamp(Stamp):
    inspection_number: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class InspectionWorkflow(StockDocument[InspectionState, StoredInspection, _Stamp]):
    """Sets units aside until another person has looked at them: they are released, or scrapped.

    Answers: update ``opened`` (use it with update-with-start). Commands: ``release``, ``scrap``,
    ``approve_difference``. Ends DONE, or REJECTED when fewer units were there than were to be set aside; a request that
    is wrong fails the run. Nothing is released by a deadline.
    """

    process = PROCESS

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(InspectionState(), payload, texts.rejection_of)
        self._notices = Notices(self)
        self._told: list[str] = []
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.continue_from(carried.state, carried.inspection, lines=len(carried.inspection.lines))
            self._told = list(carried.told)

    @workflow.run
    async def run(self, *_payload: Any) -> InspectionState:
        """Set the units aside, wait until all of them are decided about, and end."""
        return await self.live(self._open, self._remind, self.until_it_is_over)

    @answer_to_start("opened", "Waits until the units are set aside; answers with the state.")
    async def opened(self, *_payload: Any) -> InspectionState:
        """The answer to the start.

        Raises:
            InsufficientStock: Fewer units are there. Nothing is set aside.
        """
        return await self.answer()

    @command(RELEASE)
    async def release(self, message: Release, key: str) -> None:
        """Units are fit, and available again. `{performed_by, lines, decision_id, note}`."""
        # Only the database knows whether a decision with a number was carried out; its repeat is right in any status.
        if self.stored is None or message.decision_id is None:
            self.require(InspectionEvent.RELEASE)
        decision_id, by = message.decision_id or key, message.performed_by
        step = self.step_of(
            ReleaseInspectedStep, message, "release", decision_id, performed_by=by, decision_id=decision_id
        )
        await self.apply(InspectionActivities.release_inspected, step, f"{_units(message.lines)} released by {by}")

    @command(SCRAP)
    async def scrap(self, message: Scrap, key: str) -> None:
        """Units leave the books. `{performed_by, root_cause, reason, lines, decision_id}`."""
        if self.stored is None or message.decision_id is None:
            self.require(InspectionEvent.SCRAP)
        decision_id, by = message.decision_id or key, message.performed_by
        step = self.step_of(ScrapInspectedStep, message, "scrap", decision_id, performed_by=by, decision_id=decision_id)
        summary = f"{_units(message.lines)} scrapped by {by}: {message.reason}"
        await self.apply(InspectionActivities.scrap_inspected, step, summary)

    @command(APPROVE_DIFFERENCE)
    async def approve_difference(self, message: ApproveDifference, key: str) -> None:
        """Units may be scrapped up to this worth in all. `{approver, value, unvalued_units, note}`."""
        self.require(InspectionEvent.SCRAP, APPROVE_DIFFERENCE.name)
        activity = InspectionActivities.approve_inspection_difference
        await self.approve_up_to(activity, ApproveInspectionDifferenceStep, message, key)

    async def give_up(self) -> None:
        """Go on when an operator cancels the workflow: what is set aside stays so until a person has decided."""
        self.note("the workflow was asked to cancel, and goes on: release or scrap what is set aside")

    async def _open(self) -> None:
        """Check the start, set the units aside and store the inspection."""
        request = self.read_start(InspectionRequest)
        self.state.requested_by = request.performed_by
        self.lines = len(request.lines)
        by = request.performed_by
        step = self.step_of(OpenInspectionStep, request, "open", performed_by=by, requested_by=by)
        summary = f"set {counted(self.lines, 'line')} aside: {request.reason}"
        await self.apply(InspectionActivities.open_inspection, step, summary)
        if self.stored is not None and not self.is_over and not self.stored.opened_by_another_run:
            self._notices.send(texts.wanted(self.stored))

    async def _remind(self) -> None:
        """Tell people again at the reminder, and at the deadline. Nothing else happens then."""
        inspection = self.stored
        if inspection is None:
            return
        deadlines = inspection.deadlines
        for name, at, text in (
            (REMINDER, deadlines.remind_at, texts.reminder),
            (OVERDUE, deadlines.end_at, texts.overdue),
        ):
            if name in self._told or self.is_over or (name == REMINDER and at >= deadlines.end_at):
                continue
            came = await self.wait_until(at, unless=lambda: self.is_over, summary=f"{name}: {utc(at)}")
            # The last units may have been decided about in the very task in which the time came.
            if not came or self.is_over:
                return
            self._told.append(name)
            self._notices.send(text(self.stored or inspection))

    def worth_of(self, message: Message) -> Decimal | None:
        """The value of all that is still set aside; None if there are units of unknown cost."""
        del message
        lines = [line for line in self.state.lines if line.aside]
        if any(line.unit_cost is None for line in lines):
            return None
        return sum((line.aside * line.unit_cost for line in lines if line.unit_cost is not None), Decimal(0))

    def carried(self, stored: StoredInspection) -> _Carried:
        """The input of the next run."""
        return _Carried(inspection=stored, state=self.state, told=self._told, signals=self.signals)

    def changed(self, before: StoredInspection | None, stored: StoredInspection) -> None:
        """Inform the holders whose holds gave way, and people of the end."""
        self.state.due_at = stored.due_at if stored.status is InspectionStatus.OPEN else None
        if stored.gave_way:
            # If the run that set them aside was terminated before it informed the holders, this one does.
            informed = before is None and stored.opened_by_another_run
            show_gave_way(self.state, stored)
            reason = f"inspection {self.number}: {stored.reason}"
            inform_holders(self, stored, stored.requested_by, reason, quietly=informed)
            if not informed:
                self._notices.send(texts.gave_way(stored))
        if before is not None and before.status is not stored.status:
            self._notices.send(texts.done(stored))

    def shown(self, stored: StoredInspection) -> Shown:
        """The run as people see and find it."""
        text = texts.details_of(self.state, stored)
        return Shown(text, stored.lines, [stored.warehouse], deadline=self.state.due_at, memo=memo(stored))

    # The signals of the commands.
    release_signal = signal_of(release)
    scrap_signal = signal_of(scrap)
    approve_difference_signal = signal_of(approve_difference)


def _units(lines: list[SetAsideLine] | None) -> str:
    return "all that is left" if lines is None else counted(sum(line.quantity for line in lines), "unit")
