"""The import of a file: its rows come in pages, and count all at once or not at all."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NoReturn

from pydantic import AwareDatetime
from temporalio import workflow
from temporalio.common import SearchAttributeUpdate, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

from stockkeeper.contracts import policies, search_attributes
from stockkeeper.contracts.adjustment import PROCESS as ADJUSTMENT
from stockkeeper.contracts.adjustment import AdjustmentLine, AdjustmentRequest
from stockkeeper.contracts.import_file import (
    ABANDONED_AFTER,
    ADD_PAGE,
    FINISH,
    WORKFLOW_TYPE,
    AddPage,
    Applied,
    ApplyImportStep,
    DiscardImportStep,
    Finish,
    ImportActivities,
    ImportAdjustment,
    ImportProblem,
    ImportRequest,
    ImportState,
    OpenImportStep,
    StagePageStep,
    WantedAdjustment,
    workflow_id,
)
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted, parse, utc
from stockkeeper.domain.errors import DomainError, InvalidRequest
from stockkeeper.domain.import_file import IMPORT, ImportEvent, ImportStatus, bad_columns
from workflows.commands import command, signal_of
from workflows.details import details, table
from workflows.process import Carried, Process, Stamp
from workflows.steps import in_bulk, write

_PATIENCE = counted(ABANDONED_AFTER // timedelta(minutes=1), "minute")


class _Carried(Carried):
    state: ImportState
    heard_at: AwareDatetime
    applications: int = 0


class _Stamp(Stamp):
    import_id: str


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class ImportWorkflow(Process[ImportState]):
    """Imports one file: all of its rows, or none.

    Answers: update ``opened`` (use it with update-with-start). Commands: ``add_page``, ``finish``. Ends IMPORTED,
    REFUSED with the bad rows, or ABANDONED when no page has come for an hour; a start that is wrong fails the run.
    """

    _request: ImportRequest

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(ImportState(), payload)
        self._heard_at = workflow.now()
        self._refusal: DomainError | None = None
        self._applications = 0
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self._request = parse(ImportRequest, self.payload[:1])
            self.state = carried.state
            self._heard_at = carried.heard_at
            self._applications = carried.applications

    @workflow.run
    async def run(self, *_payload: Any) -> ImportState:
        """Take pages until all are there, apply them, and end; or end when no page has come for an hour."""
        if self.last_word is not None:
            return await self.say_the_last_word(self.last_word)
        await self.run_to_the_end(self._run_process(), give_up=self.give_up)
        if self.state.status is ImportStatus.LOADING:
            self.continue_in_another_run(
                _Carried(
                    state=self.state, signals=self.signals, heard_at=self._heard_at, applications=self._applications
                ),
            )
        return await self.ended()

    @workflow.update(name="opened", description="Waits until it is known whether the file was imported before.")
    async def opened(self, *_payload: Any) -> ImportState:
        """The answer to the start: LOADING, and pages may come; or IMPORTED already."""
        await self.vouch_for_look("opened", self.take_brought())
        self.keep_no_answer()
        await self.answer_to_start()
        return self.state

    @opened.validator
    def validate_opened(self, *_payload: Any) -> None:
        """Refuse what isn't to be kept."""
        self.refuse_unkept(ImportRequest)

    @command(ADD_PAGE)
    async def add_page(self, message: AddPage, key: str) -> None:
        """Some of the rows. `{performed_by, page, rows}`."""
        del key  # The page's number says which page it is, however often it comes.
        self._heard_at = workflow.now()
        if self.state.status is ImportStatus.IMPORTED:
            return  # Another client sent the same file, and was faster.
        self._require(ImportEvent.ADD_PAGE)
        step = StagePageStep(
            **self._stamp("page", str(message.page), performed_by=message.performed_by),
            kind=self._request.kind,
            columns=self._request.columns,
            page=message.page,
            rows=message.rows,
        )
        # As a local activity, like the other quick writes: its input doesn't go into the history a second time.
        staged = await write(ImportActivities.stage_page, step, f"keep page {message.page}")
        self.state.pages = staged.pages
        self.state.rows = staged.rows
        self.publish()

    @command(FINISH)
    async def finish(self, message: Finish, key: str) -> None:
        """All pages are sent: apply them, all or none. `{performed_by, pages, rows}`."""
        del key
        self._heard_at = workflow.now()
        if self.state.status is ImportStatus.IMPORTED:
            return
        if self._refusal is not None:
            raise self._refusal
        self._require(ImportEvent.FINISH)
        if (message.pages, message.rows) != (self.state.pages, self.state.rows):
            raise InvalidRequest(
                f"{counted(message.pages, 'page')} with {counted(message.rows, 'row')} announced, "
                f"{counted(self.state.pages, 'page')} with {counted(self.state.rows, 'row')} received"
            )
        self._go(ImportEvent.FINISH)
        try:
            applied = await self._apply(message)
            await self._adjust(applied)
            self._imported(ImportEvent.APPLY, applied)
        except DomainError as refusal:
            await self._refuse(refusal)

    async def give_up(self) -> None:
        """Discard the pages that wait. An import that is being applied is applied."""
        async with self.command_lock:
            if self.state.status is ImportStatus.LOADING:
                await self._abandon("the workflow was cancelled")

    async def _run_process(self) -> None:
        """From the start to the end of the import, or of this run's share of it."""
        try:
            await self._open()
        except DomainError as failure:
            await self.failed(failure)
        self.start_answered()
        while self.state.status is ImportStatus.LOADING:
            if self.history_is_long:
                # Pages that are under way are kept first. A client that sends one page after the other, as ours does,
                # leaves a moment for this after each; one that sends many at once makes the history longer meanwhile.
                await workflow.wait_condition(self.drained)
                return
            await self._until_something_comes()
        await workflow.wait_condition(self.drained)

    async def _open(self) -> None:
        """Check the start, and see whether the file was imported before.

        Raises:
            InvalidRequest: The start is wrong.
        """
        if self.state.kind:
            return  # A run before this one did.
        await self.vouch_for_start()
        request = parse(ImportRequest, self.payload)
        self.require_workflow_id(workflow_id(request.kind, request.digest), of="file")
        if wrong := bad_columns(request.kind, request.columns):
            raise InvalidRequest("; ".join(wrong))
        self._request = request
        self.state.kind = request.kind
        self.state.file_name = request.file_name
        step = OpenImportStep(
            **self._stamp("open", performed_by=request.performed_by),
            apply_operation_id=self.operation("apply"),
        )
        opened = await write(ImportActivities.open_import, step, "was it imported before?")
        if opened.applied is not None:
            self.state.already_imported = True
            # The run that applied the file may have ended before it began them all.
            await self._adjust(opened.applied)
            self._imported(ImportEvent.RECOGNIZE, opened.applied)
            self.note("the same file was imported before; nothing changed this time")
            return
        self._applications = opened.applications
        if opened.applications:
            self.note(
                "this file was imported before, and another one of its kind since, or rows were skipped: "
                "it is applied again"
            )
        self.publish()

    async def _until_something_comes(self) -> None:
        """Wait for the end, or for a long history; an import without a page for too long is abandoned."""
        deadline = self._heard_at + ABANDONED_AFTER
        silent = await self.wait_until(
            deadline,
            unless=lambda: self.state.status is not ImportStatus.LOADING,
            summary=f"abandoned unless a page has come by {utc(deadline)}",
        )
        if silent:
            async with self.command_lock:
                # Pages that came meanwhile have moved the deadline; one timer for an hour, not one for each page.
                if self.state.status is ImportStatus.LOADING and self._heard_at + ABANDONED_AFTER <= workflow.now():
                    await self._abandon(f"no page came for {_PATIENCE}")

    async def _apply(self, message: Finish) -> Applied:
        again = [str(self._applications + 1)] if self._applications else []
        step = ApplyImportStep(
            **self._stamp("apply", *again, performed_by=message.performed_by),
            kind=self._request.kind,
            columns=self._request.columns,
            pages=message.pages,
            rows=message.rows,
        )
        summary = f"apply {counted(message.rows, 'row')}, all or none"
        # It may take minutes, and an operator shall see it under way.
        return await in_bulk(ImportActivities.apply_import, step, summary, policies.BULK_WRITE)

    async def _adjust(self, applied: Applied) -> None:
        """Begin the adjustments of a stock file, which outlive this run. One that was begun before goes on."""
        for wanted in applied.adjustments:
            request = AdjustmentRequest(
                adjustment_number=wanted.adjustment_number,
                warehouse_id=wanted.warehouse_id,
                lines=_adjusted(wanted),
                reason=f"units of the file {self.state.file_name}",
                performed_by=self._request.performed_by,
            )
            summary = f"adjustment {wanted.adjustment_number}: {counted(len(wanted.lines), 'line')}, {request.reason}"
            with contextlib.suppress(WorkflowAlreadyStartedError):
                await workflow.start_child_workflow(
                    ADJUSTMENT.workflow_type,
                    request,
                    id=ADJUSTMENT.id_of(wanted.adjustment_number),
                    parent_close_policy=ParentClosePolicy.ABANDON,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                    static_summary=plain(summary),
                )

    def _imported(self, event: ImportEvent, applied: Applied) -> None:
        self.state.rows = applied.rows
        self.state.inserted = applied.inserted
        self.state.updated = applied.updated
        self.state.unchanged = applied.unchanged
        self.state.adjustments = [
            ImportAdjustment(
                adjustment_number=each.adjustment_number, warehouse_id=each.warehouse_id, lines=len(each.lines)
            )
            for each in applied.adjustments
        ]
        self.state.skipped = applied.skipped
        self.state.skipped_total = applied.skipped_total
        self._go(event)

    async def _refuse(self, refusal: DomainError) -> NoReturn:
        """The file is refused, which is an outcome: the run completes, and the file may be sent again."""
        self._refusal = refusal
        found = refusal.details if isinstance(refusal, InvalidRequest) else {}
        self.state.errors = [ImportProblem.model_validate(each) for each in found.get("errors", [])]
        self.state.errors_total = found.get("errors_total", 0)
        self.note(f"refused: {refusal.message}")
        await self._discard("forget the pages of a refused file")
        self._go(ImportEvent.REFUSE)
        raise refusal

    async def _abandon(self, reason: str) -> None:
        self.note(f"abandoned: {reason}")
        await self._discard(f"forget the pages: {reason}")
        self._go(ImportEvent.ABANDON)

    async def _discard(self, summary: str) -> None:
        step = DiscardImportStep(
            **self._stamp("discard", performed_by=self._request.performed_by),
        )
        await write(ImportActivities.discard_import, step, summary)

    def _stamp(self, *step: str, performed_by: str) -> _Stamp:
        return {**self.stamp(*step, performed_by=performed_by), "import_id": workflow.info().workflow_id}

    def _require(self, event: ImportEvent) -> None:
        IMPORT.next(self.state.status, event, of=self.state.file_name)

    def _go(self, event: ImportEvent) -> None:
        self.state.status = IMPORT.next(self.state.status, event, of=self.state.file_name)
        self.publish()

    def read_summary(self) -> str:
        """The summary of the start."""
        return parse(ImportRequest, self.payload[:1]).summary

    def found_by(self) -> Sequence[SearchAttributeUpdate[Any]]:
        """The file's name, if the start could be read."""
        name = search_attributes.keyword(self.state.file_name)
        return [search_attributes.REFERENCE.value_set(name)] if name else []

    def publish(self) -> None:
        """Bring details and search attributes up to date."""
        self.show(_details(self.state), [search_attributes.STATUS.value_set(self.state.status), *self.found_by()])

    # The signals of the commands.
    add_page_signal = signal_of(add_page)
    finish_signal = signal_of(finish)


def _adjusted(wanted: WantedAdjustment) -> list[AdjustmentLine]:
    lots = wanted.lots or [None] * len(wanted.lines)
    return [
        AdjustmentLine(product_id=product, quantity=units)
        if lot is None
        else AdjustmentLine(product_id=product, quantity=units, lot_number=lot[0], expires_on=lot[1])
        for (product, units), lot in zip(wanted.lines, lots, strict=True)
    ]


def _details(state: ImportState) -> str:
    """The run in a few lines of Markdown: rows received, the next step, bad rows."""
    rows = counted(state.rows, "row")
    text = {
        ImportStatus.LOADING: f"{rows} on {counted(state.pages, 'page')} so far. Next: `add_page` or `finish`; "
        f"if no page comes for {_PATIENCE} it is abandoned, and nothing has changed.",
        ImportStatus.APPLYING: f"{rows} under way: they are checked and written, all or none.",
        ImportStatus.IMPORTED: f"{rows}: {state.inserted} new, {state.updated} updated, "
        f"{state.unchanged} unchanged, {state.skipped_total} skipped.",
        ImportStatus.REFUSED: "Nothing has changed. Mend what is wrong and send the file again.",
        ImportStatus.ABANDONED: "Nothing has changed.",
    }
    bad_rows = table(
        ["#line", "column", "what is wrong"], [(bad.line, bad.column or "", bad.message) for bad in state.errors]
    )
    skipped = table(["#line", "skipped, because"], [(row.line, row.message) for row in state.skipped])
    adjusted = table(
        ["adjustment, which goes on by itself", "#items"],
        [(each.adjustment_number, each.lines) for each in state.adjustments],
    )
    file = f"{state.kind.replace('_', ' ')} from {plain(state.file_name)}"
    parts = [*bad_rows, "", *skipped, "", *adjusted]
    return details(state.status, f"{file}. {text[state.status]}", parts, state.notes)
