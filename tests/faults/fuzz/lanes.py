"""A lane: one client with a stock and documents of its own, which sends its payloads one after another."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import RawValue, WorkflowIDConflictPolicy
from temporalio.service import RPCError

from tests.faults.fuzz import outcome, runs
from tests.faults.fuzz.belongings import Belongings, payload
from tests.faults.fuzz.cases import NUMBER_FIELDS, STRANGE_NAMES, Case, Target, Way
from tests.faults.fuzz.documents import OPENINGS
from tests.faults.fuzz.outcome import INVALID, Answered, Ended, Outcome, Refused, Violation
from tests.faults.fuzz.values import SCHEMA
from tests.support.wire import ANSWER_SECONDS, Json

_log = logging.getLogger(__name__)
_IN_TIME = timedelta(seconds=20)
_PAYLOADS_OF_A_DOCUMENT = 20
"""After so many, another document is opened."""
TOO_LARGE = "too large for Temporal"
"""What comes of a payload that Temporal takes from nobody: it isn't sent."""
_MOST_BYTES = 1_900_000
"""Temporal refuses more than 2 MiB before anybody sees it."""
_QUESTION = SCHEMA["question_workflow"]
_PUT_BACK: Mapping[str, Sequence[str]] = {"OrderInPartsWorkflow": ("reservations", "operations")}
"""What a refused command writes all the same: it secures the holds from their deadline, and puts the deadline back."""


@dataclass
class Document:
    """A run that payloads are sent to.

    Attributes:
        workflow_type: Its kind.
        number: Its number.
        payloads: How many it has got.
        deadline: The next instant at which it does something by itself.
    """

    workflow_type: str
    number: str
    payloads: int = 0
    deadline: datetime | None = None

    @property
    def workflow_id(self) -> str:
        """The id of its workflow: for a run that may go by any id, one of the lane's own."""
        pattern = str(SCHEMA["workflows"][self.workflow_type]["workflow_id"])
        return f"{pattern.partition('{')[0] if '{' in pattern else 'fuzz-'}{self.number}"


@dataclass
class Tally:
    """What came of the payloads.

    Attributes:
        outcomes: How many of each outcome, by the way in which they came.
        violations: What must not have come of them, one sentence each.
        unjudged: Refusals beside which a deadline passed, so that something else may have changed.
    """

    outcomes: dict[tuple[str, str], int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    unjudged: int = 0

    def count(self, case: Case, what: str) -> None:
        """Count one."""
        key = (str(case.target.way), what)
        self.outcomes[key] = self.outcomes.get(key, 0) + 1


class Lane:
    """One client, and what it has.

    Args:
        client: A plain client, as any service has.
        task_queue: Where the workers are.
        engine: The database, to see what changes.
        tally: What came of the payloads.
    """

    def __init__(self, client: Client, task_queue: str, engine: Engine, tally: Tally) -> None:
        self._client = client
        self._task_queue = task_queue
        self._tally = tally
        self._engine = engine
        self._own = Belongings(engine, task_queue)
        self._latest: dict[str, Document] = {}
        self._open: dict[str, Document] = {}
        self.workflow_ids: list[str] = []
        """Of every run that it has started."""

    async def send(self, case: Case) -> None:
        """Send a payload, and judge what comes of it."""
        try:
            async with asyncio.timeout(4 * ANSWER_SECONDS):
                await self._send(case)
        except (Violation, TimeoutError) as violation:
            told = f"{case.number}, {case.target}: {str(violation) or 'no end'}; sent {case.arguments!r:.1000}"
            self._tally.violations.append(told)
            _log.warning("%s", told)
            self._open.clear()
            self._latest.clear()
        except Exception as error:
            error.add_note(f"{case.number}, {case.target}: {case.arguments!r:.1000}")
            raise

    async def _send(self, case: Case) -> None:
        document = await self._document_for(case)
        sent = [self._own.put_into(each, document.number) for each in case.arguments]
        if sum(len(payload(each).payload.data) for each in sent) > _MOST_BYTES:
            self._tally.count(case, TOO_LARGE)
            return
        if case.target.way in (Way.START, Way.START_AND_ASK):
            document = self._started_by(document, sent)
        before, begun = self._own.stored(self.workflow_ids), datetime.now(UTC)
        try:
            came = await asyncio.wait_for(self._outcome(case, document, sent), ANSWER_SECONDS)
        except TimeoutError:
            told = await runs.why(self._client, document.workflow_id)
            raise Violation(f"no answer within {ANSWER_SECONDS:.0f} seconds; {told}") from None
        if isinstance(came, Ended) and (await runs.quiet(self._client, document.workflow_id)).is_open:
            raise Violation("not found, and it is open")
        reference = case.target.reference
        is_refused = isinstance(came, Ended) or (isinstance(came, Refused) and came.type == INVALID)
        if reference is not None and not is_refused and not self._may_be_right(case, reference, sent):
            raise Violation(f"not refused as {INVALID}, but {came!r:.500}")
        if isinstance(came, Refused):
            await self._require_unchanged(before, begun, came, case.target.workflow_type)
        elif case.target.way not in (Way.QUERY, Way.ANSWER):
            await self._all_quiet()
        self._tally.count(case, came.type if isinstance(came, Refused) else type(came).__name__)

    def _may_be_right(self, case: Case, reference: str, sent: Sequence[Any]) -> bool:
        if case.target.way is not Way.WORKFLOW:
            return outcome.may_be_right(reference, sent)
        right = outcome.may_be_right(_QUESTION["start"]["$ref"], sent)
        return right and (not isinstance(sent[0], dict) or outcome.may_be_right(reference, [sent[0]["payload"]]))

    async def _document_for(self, case: Case) -> Document:
        """The document that a payload is sent to: open, unless it ends just now."""
        kind = case.target.workflow_type
        if case.target.way in (Way.START, Way.START_AND_ASK) or kind not in OPENINGS:
            return Document(kind, self._own.new_number())
        document = self._latest.get(kind)
        if document is not None and document.payloads < _PAYLOADS_OF_A_DOCUMENT:
            document.payloads += 1
            if (await runs.quiet(self._client, document.workflow_id)).is_open:
                return document
        while True:
            document = await self._opened(kind, case.stage)
            if (await runs.quiet(self._client, document.workflow_id)).is_open:
                self._latest[kind] = document
                return document
            # The stock is gone, or nothing but held.
            self._own = Belongings(self._engine, self._task_queue)

    async def _opened(self, kind: str, stage: int) -> Document:
        document = Document(kind, self._own.new_number())
        if kind == "ImportWorkflow":
            document.number = f"products-{document.number}"
        start, commands = OPENINGS[kind](document.number, self._own.stock, stage)
        self._begin(document)
        handle = await self._client.start_workflow(kind, start, id=document.workflow_id, task_queue=self._task_queue)
        for name, message in commands:
            with contextlib.suppress(WorkflowUpdateFailedError, RPCError):  # It may be rejected for lack of stock.
                await handle.execute_update(name, message)
        await self._all_quiet()
        return document

    def _begin(self, document: Document) -> None:
        self.workflow_ids.append(document.workflow_id)
        self._open[document.workflow_id] = document
        self._own.numbers.append(document.number)

    def _started_by(self, document: Document, sent: Sequence[Any]) -> Document:
        """The document of a start: under the number that it says, if it is one of the lane's own."""
        fields = NUMBER_FIELDS[document.workflow_type]
        message = sent[0] if sent and isinstance(sent[0], dict) else {}
        parts = [str(message.get(each, "")) for each in fields]
        said = "-".join(parts)
        started = Document(document.workflow_type, said if document.number in said else document.number)
        self._begin(started)
        return started

    async def _outcome(self, case: Case, document: Document, sent: Sequence[Any]) -> Outcome:
        """What comes of a payload, once it has come."""
        payloads = [payload(each) for each in sent]
        match case.target.way:
            case Way.START | Way.START_AND_ASK:
                return await self._start(case.target, document, payloads, waits="wait_minutes" in repr(sent))
            case Way.SIGNAL | Way.STRANGE_SIGNAL:
                return await self._signal(case, document, payloads)
            case Way.ACTIVITY | Way.STEP:
                return await self._ask(case.target, payloads)
            case Way.WORKFLOW:
                return await self._ask_by_workflow(case.target, payloads)
            case _:
                return await self._update_or_query(case, document, payloads)

    async def _start(self, target: Target, document: Document, payloads: Sequence[RawValue], *, waits: bool) -> Outcome:
        answer: Outcome | None = None
        if target.way is Way.START:
            await self._client.start_workflow(
                target.workflow_type, args=payloads, id=document.workflow_id, task_queue=self._task_queue
            )
        else:
            start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
                target.workflow_type,
                args=list(payloads),
                id=document.workflow_id,
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            )
            # `reserved` is answered at the end of a wait, which may be long.
            name = "placed" if target.name == "reserved" and waits else target.name
            try:
                answer = Answered(
                    await self._client.execute_update_with_start_workflow(name, start_workflow_operation=start)
                )
            except Exception as error:  # noqa: BLE001 - `of_error` judges it
                answer = outcome.of_error(error)
            await start.workflow_handle()
        if (await runs.quiet(self._client, document.workflow_id)).is_open:
            if target.workflow_type in OPENINGS:
                self._latest[target.workflow_type] = document
            return answer or Answered(None)
        try:
            result = await self._client.get_workflow_handle(document.workflow_id).result()
        except Exception as error:  # noqa: BLE001 - `of_error` judges it
            failed = outcome.of_error(error)
            if answer is not None and answer != failed:
                raise Violation(f"the run failed with {failed}, and the caller was told {answer}") from None
            return failed
        outcome.require_fitting(SCHEMA["workflows"][target.workflow_type]["state"]["$ref"], result)
        return answer or Answered(result)

    async def _update_or_query(self, case: Case, document: Document, payloads: Sequence[RawValue]) -> Outcome:
        target, handle = case.target, self._client.get_workflow_handle(document.workflow_id)
        name = target.name
        if target.way is Way.STRANGE_UPDATE:
            name = STRANGE_NAMES[case.number % len(STRANGE_NAMES)]
        if name == "reserved" and (await handle.query("state"))["status"] == "WAITING":
            name = "placed"
        call = handle.query if target.way is Way.QUERY else handle.execute_update
        try:
            value = await call(name, args=list(payloads))
        except Exception as error:  # noqa: BLE001 - `of_error` judges it
            return outcome.of_error(error)
        outcome.require_fitting(SCHEMA["workflows"][target.workflow_type]["state"]["$ref"], value)
        return Answered(value)

    async def _signal(self, case: Case, document: Document, payloads: Sequence[RawValue]) -> Outcome:
        """Whether the signal was noted as refused; if not, it had an effect, or needed none."""
        handle = self._client.get_workflow_handle(document.workflow_id)
        strange = case.target.way is Way.STRANGE_SIGNAL
        name = STRANGE_NAMES[case.number % len(STRANGE_NAMES)] if strange else case.target.name
        before = await handle.query("state")
        try:
            await handle.signal(name, args=list(payloads))
        except RPCError as error:
            return outcome.of_error(error)
        await runs.quiet(self._client, document.workflow_id)
        after = await handle.query("state")
        for note in after["notes"][len(before["notes"]) :]:
            told = note.partition(" UTC: ")[2]
            if told.startswith("signal ") and told.endswith("isn't one of its commands"):
                return Refused(INVALID, told)
            if told.startswith(f"signal {name} refused: "):
                code, _, message = told.removeprefix(f"signal {name} refused: ").partition(": ")
                if code not in SCHEMA["errors"]:
                    raise Violation(f"a note with an error that isn't ours: {note}")
                return Refused(code, message)
        return Answered(None)

    async def _ask(self, target: Target, payloads: Sequence[RawValue]) -> Outcome:
        try:
            value = await self._client.execute_activity(
                target.name,
                args=list(payloads),
                id=f"fuzz-{uuid.uuid4()}",
                task_queue=self._task_queue,
                schedule_to_close_timeout=_IN_TIME,
            )
        except Exception as error:  # noqa: BLE001 - `of_error` judges it
            return outcome.of_error(error)
        return self._answer_to(target, value)

    async def _ask_by_workflow(self, target: Target, payloads: Sequence[RawValue]) -> Outcome:
        workflow_id = f"{_QUESTION['workflow_id'].partition('{')[0]}{uuid.uuid4()}"
        self.workflow_ids.append(workflow_id)
        await self._client.start_workflow(
            _QUESTION["workflow_type"], args=list(payloads), id=workflow_id, task_queue=self._task_queue
        )
        await runs.quiet(self._client, workflow_id)
        try:
            value = await self._client.get_workflow_handle(workflow_id).result()
        except Exception as error:  # noqa: BLE001 - `of_error` judges it
            return outcome.of_error(error)
        return self._answer_to(target, value)

    def _answer_to(self, target: Target, value: Json) -> Outcome:
        if target.name in SCHEMA["questions"]:
            outcome.require_fitting(SCHEMA["questions"][target.name]["answer"]["$ref"], value)
        return Answered(value)

    async def _all_quiet(self) -> None:
        """Return once no run of the lane has anything left to do; what one has done may concern the others."""
        for workflow_id, document in list(self._open.items()):
            seen = await runs.quiet(self._client, workflow_id)
            document.deadline = seen.deadline
            if not seen.is_open:
                del self._open[workflow_id]

    async def _require_unchanged(self, before: dict[str, Any], begun: datetime, came: Refused, kind: str) -> None:
        after = self._own.stored(self.workflow_ids)
        for written in _PUT_BACK.get(kind, ()):
            after[written] = before[written]
        if after == before:
            return
        deadlines = [each.deadline for each in self._open.values() if each.deadline is not None]
        if any(begun - timedelta(seconds=5) < each < datetime.now(UTC) for each in deadlines):
            self._tally.unjudged += 1
            return
        changes = [f"{name} {was} became {after[name]}" for name, was in before.items() if was != after[name]]
        raise Violation(f"refused with {came}, and something changed: {changes}")
