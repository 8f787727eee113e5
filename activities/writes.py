"""The frame of every writing activity: a transaction, an operation, and errors that Temporal understands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, RowMapping
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionInTime
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.document_events import document_changed
from activities.step_log import log_repeated
from activities.trouble import COME_AGAIN, trouble_of
from database.corrections import Correction
from database.document import Document
from database.events import insert_events
from database.homes import refusal_of
from database.operations import Operation, Outcome, once, refuse
from database.patience import HeldUp
from database.pipeline import send
from database.sessions import Database
from database.stock_rows import PlacedMeanwhile
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.messages import (
    MAX_GAVE_WAY,
    DocumentAnswer,
    GaveWay,
    HeldBefore,
    InspectingAnswer,
    Step,
    StockAnswer,
)
from stockkeeper.contracts.outage import DATABASE_BUSY
from stockkeeper.domain.effective_time import require_past
from stockkeeper.domain.errors import DomainError, InvalidRequest, OperationConflict

Result = TypeVar("Result", bound=BaseModel)
Effect = Callable[[Connection, Operation], InspectingAnswer | None]
"""Locks, decides and writes in a transaction.

It returns its effects on others, which the workflow has to pass on: whether an item fell below its reorder point, and
the holds that gave way. None: there were none. `UNCHANGED`: it found its effect there already.
"""

UNCHANGED = StockAnswer()
"""What the effect of a step on a document returns if it has changed nothing, so that nothing is told of it."""


class OnDatabase:
    """Activities on PostgreSQL.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database


BOOKED_LATER: ContextVar[bool] = ContextVar("booked_later", default=False)
"""Whether steps are carried out long after the workflow's time, as after a restore: then that is when goods moved."""

_EFFECTS = StockAnswer.model_fields.keys() - DocumentAnswer.model_fields
_GAVE_WAY_BYTES = 1024 * 1024
_LATER_IN_A_TASK = timedelta(milliseconds=250)
_LATER_IN_THE_QUEUE = timedelta(milliseconds=500)
_LATEST = timedelta(seconds=8)


def page_of(
    model: type[Result], rows: Sequence[Mapping[str, Any] | RowMapping], most: int
) -> tuple[list[Result], bool]:
    """The first rows as answers have them, at most ``most``, and whether there are more."""
    return [model.model_validate(dict(row)) for row in rows[:most]], len(rows) > most


def effect_once(
    database: Database, step: Step, result: type[Result], effect: Callable[[Connection, Operation], Result]
) -> tuple[Result, bool]:
    """Carry out a step in one transaction, once.

    Args:
        database: The database.
        step: The step; its operation id makes it happen once.
        result: The type of the answer.
        effect: Locks, decides and writes; it gets the transaction, and the operation for the ledger.

    Returns:
        The answer, and whether this was a repeat, which gets the answer of the first time.

    Raises:
        DomainError: The step is refused. The transaction is rolled back: nothing has changed, and no attempt that was
            begun earlier changes anything from here on.
        ApplicationError: The database failed; Temporal tries the step again.
    """
    operation = operation_of(step)

    def attempt() -> Outcome:
        with database.transaction(steps=1) as connection:
            return once(connection, operation, lambda: effect(connection, operation).model_dump(mode="json"))

    with database_errors():
        require_past(step.occurred_at, step.as_of)
        outcome = or_refused(database, operation, attempt)
    if outcome.done_already:
        log_repeated(operation)
    return result.model_validate(outcome.result), outcome.done_already


Decided = TypeVar("Decided")


def or_refused(database: Database, operation: Operation, attempt: Callable[[], Decided]) -> Decided:
    """Carry out an attempt whose refusal rolls its transaction back, and keep the refusal.

    Args:
        database: The database.
        operation: The operation.
        attempt: Carries it out in a transaction, or finds that it was carried out.

    Raises:
        DomainError: It is refused.
    """
    try:
        return attempt()
    except DomainError as refusal:
        with database.transaction() as connection:
            is_refused = refuse(connection, operation, refusal)
        if is_refused:
            raise
    # Another attempt has carried it out between the two transactions.
    return attempt()


def document_once(
    database: Database,
    step: Step,
    result: type[Result],
    effect: Effect,
    read: Callable[[Connection], Result],
) -> Result:
    """Carry out a step on a document in one transaction, once, tell it, and answer with the document as it is now.

    A repeat may come long after the first time, when the stored answer is outdated; and the workflow replaces its state
    by the answer. So a repeat reads the document again.

    Args:
        database: The database.
        step: The step; its operation id makes it happen once.
        result: The type of the answer.
        effect: Locks, decides and writes.
        read: Reads the document in a transaction.

    Raises:
        DomainError, ApplicationError: See `effect_once`.
    """

    def effect_and_answer(connection: Connection, operation: Operation) -> Result:
        on_others = effect(connection, operation)
        if on_others is UNCHANGED:
            return read(connection)
        answer = with_effects(read(connection), on_others)
        send(connection, [insert_events([document_changed(operation, answer)])])
        return answer

    answer, done_already = effect_once(database, step, result, effect_and_answer)
    if not done_already:
        return answer
    with database_errors(), database.transaction() as connection:
        # The first answer may never have arrived, and so the effects on others are in the repeat's answer, too.
        return as_repeat(with_effects(read(connection), answer if isinstance(answer, InspectingAnswer) else None))


def with_effects(answer: Result, on_others: InspectingAnswer | None) -> Result:
    """The answer with a step's effects on others, if there are any."""
    if on_others is None:
        return answer
    has = _EFFECTS & type(answer).model_fields.keys() & type(on_others).model_fields.keys()
    return answer.model_copy(update={name: getattr(on_others, name) for name in has})


def as_repeat(answer: Result) -> Result:
    """The answer to a step that had been carried out before."""
    return answer.model_copy(update={"is_repeat": True}) if isinstance(answer, DocumentAnswer) else answer


def columns_of(step: Step, document: Document) -> dict[str, Any]:
    """The columns of a new document's header that its step has under the same name, and when it was made."""
    own = [name for name in type(step).model_fields if name not in Step.model_fields and name in document.header.c]
    return {**{name: getattr(step, name) for name in own}, "created_at": step.as_of}


def require_same(stored: object, wanted: object, *, otherwise: OperationConflict) -> None:
    """Compare a stored document or receipt with that of a step which brings the same number.

    It is for steps whose operation isn't stored any more: operations are deleted after a while, documents and receipts
    never. So a very late repeat is recognised by its contents.

    Raises:
        OperationConflict: They differ; `otherwise` itself.
    """
    if stored != wanted:
        raise otherwise


def effects_of(correction: Correction) -> StockAnswer:
    """The effects of a correction on others, as an answer has them.

    Temporal refuses an answer above 2 MiB at every attempt, and the effect is committed by then. So a very long list is
    cut: holds without a deadline come first, and those with one find out at their deadline.
    """
    held = [(item, hold) for item, holds in correction.gave_way.items() for hold in holds]
    if len(held) > MAX_GAVE_WAY:
        held.sort(key=lambda each: each[1].has_deadline)
    gave_way: list[GaveWay] = []
    room = _GAVE_WAY_BYTES
    for item, hold in held[:MAX_GAVE_WAY]:
        given_up = GaveWay(
            workflow_id=hold.workflow_id,
            reference_type=hold.reference_type,
            reference_id=hold.reference_id,
            warehouse_id=item.warehouse_id,
            product_id=item.product_id,
            quantity=hold.quantity_open,
        )
        room -= len(given_up.model_dump_json().encode())
        if room < 0:
            break
        gave_way.append(given_up)
    return StockAnswer(
        fell_below=correction.fell_below,
        gave_way=gave_way,
        gave_way_untold=len(held) - len(gave_way),
        held_before=[HeldBefore.model_validate(each) for each in correction.held_before],
    )


def scheduled_at(step: Step) -> datetime:
    """When this attempt of a step began: the workflow's time; of a later attempt, when Temporal scheduled that.

    The attempts in a workflow task follow at once. Those through the task queue may come much later, when the database
    is back, and the step still has the time of its first.
    """
    info = activity.info()
    return step.as_of if info.is_local else max(step.as_of, info.current_attempt_scheduled_time)


def operation_of(step: Step) -> Operation:
    """The operation of a step, asked for by the activity that this thread carries out."""
    info = activity.info()
    return Operation(
        operation_id=step.operation_id,
        kind=info.activity_type,
        payload=step.contents(),
        performed_by=step.performed_by,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
        occurred_at=step.took_place_at if BOOKED_LATER.get() else step.occurred_at,
        # What is carried out again in another order may be right when what comes before it is there.
        as_of=None if BOOKED_LATER.get() else step.as_of,
    )


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate errors for Temporal: those of the domain, and those of the database.

    A value that PostgreSQL can't store is an error in the request, and final. All other database errors are tried
    again, those that are known in one line (`activities.trouble`).
    """
    try:
        yield
    except DomainError as refusal:
        # Here and not only in the converter, so that the SDK sees that it is benign and doesn't log it as a failure.
        raise as_application_error(refusal) from None
    except DataError as error:
        unstorable = InvalidRequest(f"the database can't store a value: {type(error.orig).__name__}")
        raise as_application_error(unstorable) from None
    except DBAPIError as error:
        if (guarded := refusal_of(error)) is not None:
            raise as_application_error(guarded) from None
        if (trouble := trouble_of(error)) is None:
            raise
        raise trouble from None
    except PlacedMeanwhile as error:
        raise ApplicationError(str(error), type=DATABASE_BUSY, next_retry_delay=COME_AGAIN) from None
    except HeldUp:
        raise ApplicationError("lock timeout", type=DATABASE_BUSY, next_retry_delay=_later()) from None
    except NoConnectionInTime:
        raise ApplicationError("no connection to the database came free", type=DATABASE_BUSY) from None


def _later() -> timedelta:
    """After a lock that many wait for: soon within a workflow's task, later each time through the task queue."""
    if not activity.in_activity() or activity.info().is_local:
        return _LATER_IN_A_TASK
    return min(_LATER_IN_THE_QUEUE * (1 << min(activity.info().attempt - 1, 9)), _LATEST)
