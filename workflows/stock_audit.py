"""The audit: proves page by page that the books agree, and names each difference. It repairs nothing."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import AwareDatetime
from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies, reservation
from stockkeeper.contracts.messages import MAX_ID, counted
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import AUDITED
from stockkeeper.contracts.stock_audit import (
    AUDITED_BY,
    FINDINGS_SHOWN,
    WORKFLOW_TYPE,
    AskRetention,
    AuditDocumentsStep,
    AuditedPage,
    AuditHoldsStep,
    AuditItemsStep,
    AuditStep,
    CheckHoldsStep,
    CheckRunsStep,
    CloseAuditStep,
    FindHolders,
    FindRunning,
    ForgetOperationsStep,
    HoldingNothing,
    RunActivities,
    StillHolding,
    StockAuditActivities,
    StockAuditRequest,
    StockAuditState,
)
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.stock_audit import AuditStatus
from workflows import stock_audit_texts as texts
from workflows.notices import Notices
from workflows.patches import AUDIT
from workflows.process import Carried, Stamp
from workflows.scheduled import ScheduledRun
from workflows.steps import in_bulk, through_the_queue

_FIRST, _LAST = ("items",), ("holds", "runs", "close", "forget")
"""The notice is sent once earlier findings are closed, whatever becomes of the stage that is left."""
_YOUNGEST_FORGOTTEN = timedelta(days=1)
"""On top of what Temporal keeps: nothing that can be repeated is forgotten."""


class _Carried(Carried):
    state: StockAuditState
    stage: int
    after_item: tuple[int, int] | None
    after_document: int
    after_hold: tuple[int, int, int]
    next_page: str | None
    before: AwareDatetime | None
    begun_at: AwareDatetime


class _Stamp(Stamp):
    warehouse_id: int | None
    seen_by: str
    begun_at: datetime


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class StockAuditWorkflow(ScheduledRun[StockAuditState, StockAuditRequest]):
    """Compares items, documents, holds and runs with each other, and keeps differences as findings.

    Started by the schedule or by hand; no commands. Ends DONE; a request that is wrong fails the run.
    Ends STOPPED when an operator cancels it, or when a page fails for too long; the findings by then are kept and sent.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(StockAuditState(), payload, StockAuditRequest, AUDITED_BY)
        self._at = _Carried(
            state=self.state,
            stage=0,
            after_item=None,
            after_document=0,
            after_hold=(0, 0, 0),
            next_page=None,
            before=None,
            # Not the first task's time: an operator may have that one done anew.
            begun_at=workflow.info().workflow_start_time,
            signals=0,
        )
        self._broken = False
        self._stages: tuple[str, ...] = ()
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self._at = carried
            self.state = carried.state
            self.continued = True
        self._notices = Notices(self, policies.SHORT_NOTICE)

    @workflow.run
    async def run(self, *_payload: Any) -> StockAuditState:
        """Go through items, documents, holds and runs, send a notice about findings, and end."""
        # A kind of documents comes behind those from before and ahead of what follows them. So an audit that goes on in
        # a run with more stages looks at the new ones, and again at nothing but what comes last.
        self._stages = (*_FIRST, *(kind for kind, each in AUDITED.items() if _is_audited(each)), *_LAST)
        await self.go_through()
        if self.stopped:
            await self.run_to_the_end(self._stop(), give_up=self.give_up)
        return await self.close(AuditStatus.STOPPED if self.stopped else AuditStatus.DONE)

    @property
    def is_done(self) -> bool:
        """Whether every stage is done."""
        return self._at.stage == len(self._stages)

    def carried(self) -> _Carried:
        """The input of the next run."""
        return self._at.model_copy(update={"state": self.state, "signals": self.signals})

    async def begin(self) -> None:
        """Show the run."""
        self.state.warehouse_id = self.request.warehouse_id
        self.publish()

    async def next_page(self) -> None:
        """Audit one page. One that fails for too long stops the audit, and the notice says so."""
        try:
            await self._audit_page()
        except FailureError:
            self.stopped = self._broken = True
            kind = self._stages[self._at.stage].replace("_", " ")
            self.note(f"stopped: a step of {kind!r} failed for too long; the last error is in the history")
        self.publish()

    async def _stop(self) -> None:
        """Send the notice nevertheless: about findings, and about an audit that couldn't look at everything."""
        self.state.status = AuditStatus.STOPPED
        self.publish()
        if self._at.stage <= self._stages.index("close") and (self.state.findings_in_all or self._broken):
            self._notices.send(texts.found(self.state))
        await workflow.wait_condition(self.drained)

    async def _audit_page(self) -> None:
        """The next page of the present stage.

        Raises:
            UnknownWarehouse: The request names one that isn't there.
            FailureError: It failed for as long as its policy allows.
        """
        match self._stages[self._at.stage]:
            case "items":
                await self._items()
            case "holds":
                await self._holds()
            case "runs":
                await self._runs()
            case "close":
                step = CloseAuditStep(**self._stamp(CloseAuditStep))
                summary = "which findings are so no longer?"
                closed = await in_bulk(StockAuditActivities.close_audit, step, summary, policies.PLANNING)
                self.state.findings_gone = closed.gone
                if self.state.findings_in_all:
                    self._notices.send(texts.found(self.state))
                self._at.stage += 1
            case "forget":
                try:
                    await self._forget()
                except (DomainError, FailureError):
                    # The audit itself is done, and the next one forgets what this one has left.
                    self.note("operations were kept: forgetting them failed for too long; see the history")
                    self._at.stage += 1
            case kind:
                await self._documents(kind)

    async def _items(self) -> None:
        step = AuditItemsStep(**self._stamp(AuditItemsStep), after=self._at.after_item)
        summary = f"items from {self.state.items_checked + 1} on"
        page = await in_bulk(StockAuditActivities.audit_items, step, summary, policies.PLANNING)
        self.state.items_checked += page.checked
        self._found(page)
        self._at.after_item = page.after_item
        if page.after_item is None:
            self._at.stage += 1

    async def _documents(self, kind: str) -> None:
        step = AuditDocumentsStep(**self._stamp(AuditDocumentsStep), kind=kind, after=self._at.after_document)
        summary = f"{kind.replace('_', ' ')}s against their movements"
        page: AuditedPage = await in_bulk(StockAuditActivities.audit_documents, step, summary, policies.PLANNING)
        self.state.documents_checked += page.checked
        self._found(page)
        self._at.after_document = page.after_document or 0
        if page.after_document is None:
            self._at.stage += 1

    async def _holds(self) -> None:
        """Is everything that is held held for a workflow that runs?

        Between a look at the database and one at Temporal things go on, so what seems wrong is looked at twice: still
        held, and still not running.
        """
        step = AuditHoldsStep(**self._stamp(AuditHoldsStep), after=self._at.after_hold)
        summary = f"holds from {self.state.holds_checked + 1} on"
        page = await in_bulk(StockAuditActivities.find_open_holds, step, summary, policies.PLANNING)
        suspects = await self._not_running(page.workflow_ids, by_list=True)
        if suspects:
            suspects = (await self._held_for(suspects, page.after, keep=False)).workflow_ids
            suspects = await self._not_running(suspects, by_list=True)
        if suspects:
            self._found(await self._held_for(suspects, page.after, keep=True))
        self.state.holds_checked += page.checked
        if page.after is None:
            self._at.stage += 1
        else:
            self._at.after_hold = page.after

    async def _held_for(
        self, workflow_ids: list[str], through: tuple[int, int, int] | None, *, keep: bool
    ) -> StillHolding:
        step = CheckHoldsStep(
            **self._stamp(CheckHoldsStep),
            workflow_ids=workflow_ids,
            keep=keep,
            after=self._at.after_hold,
            through=through or (MAX_ID, MAX_ID, MAX_ID),
        )
        summary = f"{counted(len(workflow_ids), 'workflow')} not running: is anything held?"
        return await in_bulk(StockAuditActivities.check_holds, step, summary, policies.PLANNING)

    async def _not_running(self, workflow_ids: list[str], *, by_list: bool) -> list[str]:
        if not workflow_ids:
            return []
        question = FindRunning(workflow_ids=workflow_ids, by_list=by_list)
        summary = f"still running: {counted(len(workflow_ids), 'workflow')}?"
        found = await through_the_queue(RunActivities.find_running, question, summary, policies.PLANNING)
        return found.not_running

    async def _runs(self) -> None:
        """Does every reservation that runs and says so hold something? Only asked of all warehouses together.

        One that is just ending has given up its hold and runs a little longer. So what seems wrong is looked at again.
        """
        if self.state.warehouse_id is not None:
            self._at.stage += 1
            return
        question = FindHolders(next_page=self._at.next_page)
        summary = f"reservations from {self.state.runs_checked + 1} on"
        page = await through_the_queue(RunActivities.find_holders, question, summary, policies.PLANNING)
        for references, elsewhere in ((page.references, []), (page.in_parts, page.elsewhere)):
            suspects = await self._without_a_hold(references, elsewhere)
            for pause in policies.LOOKS_AGAIN:
                if suspects and pause:
                    await workflow.sleep(pause, summary=f"{counted(len(suspects), 'reservation')} may just be ending")
                suspects = await self._without_a_hold(await self._still_running(suspects), elsewhere)
            if suspects:
                self._found(await self._holding_nothing(suspects, keep=True))
            self.state.runs_checked += len(references)
        self._at.next_page = page.next_page
        if page.next_page is None:
            self._at.stage += 1

    async def _without_a_hold(self, references: list[str], elsewhere: list[str]) -> list[str]:
        """Those that hold nothing in this database, nor in any of the others."""
        if not references:
            return []
        holding_nothing: list[str] = (await self._holding_nothing(references, keep=False)).references
        for queue in elsewhere:
            if holding_nothing:
                holding_nothing = await self._holding_nothing_in(queue, holding_nothing)
        return holding_nothing

    async def _holding_nothing_in(self, queue: str, references: list[str]) -> list[str]:
        """Those that hold nothing in another database; none, where that doesn't tell."""
        step = CheckRunsStep(**self._stamp(CheckRunsStep), references=references, keep=False)
        summary = f"{queue}: {counted(len(references), 'order')}: is anything held?"
        there = {**policies.READ, "task_queue": queue}
        try:
            return (await through_the_queue(StockAuditActivities.check_runs, step, summary, there)).references
        except FailureError:
            self.note(f"{counted(len(references), 'order')} with lines in {queue} couldn't be looked up there")
            return []

    async def _holding_nothing(self, references: list[str], *, keep: bool) -> Any:
        step = CheckRunsStep(**self._stamp(CheckRunsStep), references=references, keep=keep)
        summary = f"{counted(len(references), 'reservation')}: is anything held?"
        return await in_bulk(StockAuditActivities.check_runs, step, summary, policies.PLANNING)

    async def _still_running(self, references: list[str]) -> list[str]:
        of = {reservation.PROCESS.id_of(reference): reference for reference in references}
        ended = await self._not_running(list(of), by_list=False)
        return [reference for name, reference in of.items() if name not in ended]

    async def _forget(self) -> None:
        """Operations that are older than anything Temporal could repeat."""
        if self._at.before is None:
            asked = "how long are runs kept?"
            retention = await through_the_queue(RunActivities.ask_retention, AskRetention(), asked, policies.PLANNING)
            if retention.seconds is None:
                self.note("operations were kept: Temporal doesn't say how long it keeps runs")
                self._at.stage += 1
                return
            self._at.before = workflow.now() - timedelta(seconds=retention.seconds) - _YOUNGEST_FORGOTTEN
        step = ForgetOperationsStep(
            **self.step_stamp("forget"),
            before=self._at.before,
        )
        summary = f"forget operations from before {self._at.before:%Y-%m-%d}"
        forgotten = await in_bulk(StockAuditActivities.forget_operations, step, summary, policies.PLANNING)
        self.state.operations_forgotten += forgotten.forgotten
        if not forgotten.more:
            self._at.stage += 1

    def _stamp(self, model: type[AuditStep]) -> _Stamp:
        return {
            **self.step_stamp(model.__name__),
            "warehouse_id": self.state.warehouse_id,
            "seen_by": workflow.info().first_execution_run_id,
            "begun_at": self._at.begun_at,
        }

    def _found(self, page: AuditedPage | StillHolding | HoldingNothing) -> None:
        """New ones are shown first: a few of them mustn't be lost behind many that are known."""
        self.state.findings_in_all += page.found
        self.state.findings_new += page.found_new
        findings = sorted([*self.state.findings, *page.findings], key=lambda finding: not finding.is_new)
        self.state.findings = findings[:FINDINGS_SHOWN]

    def details(self) -> str:
        """The run in a few lines of Markdown."""
        return texts.details_of(self.state)


def _is_audited(process: ProcessSpec) -> bool:
    """Whether this run looks at the documents of a process: it was begun when audits did."""
    return process.audited_since is None or workflow.patched(AUDIT + process.kind)
