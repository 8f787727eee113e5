"""What every writing activity goes through: a transaction, an operation, and errors that Temporal understands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from database.corrections import Correction
from database.operations import Operation, once
from database.sessions import Database
from stockkeeper.contracts.converter import as_application_error
from stockkeeper.contracts.messages import MAX_GAVE_WAY, GaveWay, Step, StockAnswer
from stockkeeper.domain.errors import DomainError, InvalidRequest, OperationConflict

Result = TypeVar("Result", bound=BaseModel)

_GAVE_WAY_BYTES = 1024 * 1024
_COME_AGAIN = timedelta(milliseconds=50)
_TRANSIENT = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock timeout",
    "57014": "statement timeout",
}


def effect_once(
    database: Database, step: Step, result: type[Result], effect: Callable[[Connection, Operation], Result]
) -> tuple[Result, bool]:
    """Do what a step asks for in one transaction, once.

    Args:
        database: Where.
        step: What is asked for; its operation id makes it happen once.
        result: What the answer is.
        effect: Locks, decides and writes; it gets the transaction, and the operation for the ledger.

    Returns:
        The result, and whether this was a repeat of what had been done before.

    Raises:
        DomainError: The answer is no. The transaction is rolled back: nothing has changed.
        ApplicationError: The database couldn't; the step will be asked for again.
    """
    operation = _operation(step)
    with database_errors(), database.transaction() as connection:
        outcome = once(connection, operation, lambda: effect(connection, operation).model_dump(mode="json"))
    return result.model_validate(outcome.result), outcome.done_already


def document_once(
    database: Database,
    step: Step,
    result: type[Result],
    effect: Callable[[Connection, Operation], StockAnswer | None],
    read: Callable[[Connection], Result],
) -> Result:
    """The effect on a document, once, and the document as it is now.

    A repeat may come long after: what was stored then may have been overtaken, and the workflow takes over whatever it
    is told. So a repeat reads again.

    Args:
        database: Where.
        step: What is asked for.
        result: What the answer is.
        effect: Locks, decides and writes, and tells what it did to others: items that fell below their points, holds
            that gave way. None: nothing.
        read: The document in a transaction.

    Raises:
        DomainError, ApplicationError: See `effect_once`.
    """

    def effect_and_answer(connection: Connection, operation: Operation) -> Result:
        told = effect(connection, operation)
        return _telling(read(connection), told)

    answer, done_already = effect_once(database, step, result, effect_and_answer)
    if not done_already:
        return answer
    with database_errors(), database.transaction() as connection:
        # Whoever asks again may be the first to hear of it.
        return _telling(read(connection), answer if isinstance(answer, StockAnswer) else None)


def _telling(answer: Result, told: StockAnswer | None) -> Result:
    if told is None:
        return answer
    return answer.model_copy(update={name: getattr(told, name) for name in StockAnswer.model_fields})


def require_same(stored: object, wanted: object, *, otherwise: str) -> None:
    """Compare a stored document or receipt with that of a step which brings the same number.

    It is for steps whose operation isn't stored any more: operations are deleted after a while, documents and receipts
    never. So a very late repeat is recognised by its contents.

    Raises:
        OperationConflict: They differ; ``otherwise`` is the message.
    """
    if stored != wanted:
        raise OperationConflict(otherwise)


def told_of(correction: Correction) -> StockAnswer:
    """What a correction did to others, as an answer tells it.

    Temporal refuses an answer above 2 MiB, however often it is tried, and the effect has been committed by then. So a
    very long list is cut: those with a deadline learn at the deadline what has become of their hold, those without one
    come first.
    """
    held = [(item, hold) for item, holds in correction.gave_way.items() for hold in holds]
    if len(held) > MAX_GAVE_WAY:
        held.sort(key=lambda each: each[1].has_deadline)
    gave_way: list[GaveWay] = []
    room = _GAVE_WAY_BYTES
    for item, hold in held[:MAX_GAVE_WAY]:
        told = GaveWay(
            workflow_id=hold.workflow_id,
            reference_type=hold.reference_type,
            reference_id=hold.reference_id,
            warehouse_id=item.warehouse_id,
            product_id=item.product_id,
            quantity=hold.quantity_open,
        )
        room -= len(told.model_dump_json().encode())
        if room < 0:
            break
        gave_way.append(told)
    return StockAnswer(fell_below=correction.fell_below, gave_way=gave_way, gave_way_untold=len(held) - len(gave_way))


def _operation(step: Step) -> Operation:
    info = activity.info()
    return Operation(
        operation_id=step.operation_id,
        kind=info.activity_type,
        payload=step.model_dump(mode="json", exclude=set(step.not_compared)),
        performed_by=step.performed_by,
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
    )


@contextmanager
def database_errors() -> Iterator[None]:
    """Say what errors mean to Temporal: ours, and the database's.

    A value that PostgreSQL can't store will never be stored: that is the request's fault, and final. Everything else is
    worth another try; what is known to pass quickly, soon.
    """
    try:
        yield
    except DomainError as refusal:
        # Here, and not only in the converter, so that the SDK sees that it is benign and doesn't log it as a failure.
        raise as_application_error(refusal) from None
    except DataError as error:
        unstorable = InvalidRequest(f"the database can't store a value: {type(error.orig).__name__}")
        raise as_application_error(unstorable) from None
    except DBAPIError as error:
        code = getattr(error.orig, "sqlstate", None)
        if code in _TRANSIENT:
            raise ApplicationError(_TRANSIENT[code], type="DatabaseBusy", next_retry_delay=_COME_AGAIN) from error
        raise
