"""Effect once: every write has an operation id, which is stored in the same transaction as its effect.

A workflow may be retried, replayed, reset, or run on two workers at the same time; the effect still happens once. As in
TigerBeetle, a repeat is distinguished from a mistake: the same id with the same payload gets the stored result; the
same id with another payload is an error.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, null, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_ignore

from database.sessions import BULK_STATEMENT_TIMEOUT
from database.tables import operations, stock_movements
from stockkeeper.domain.conflicts import of_operation

# Operations that may be repeated are kept: an open hold may be asked to ship the same parcel again, and a file may be
# sent again after years.
_FORGET = text("""
    DELETE FROM operations WHERE operation_id IN (
        SELECT operation_id FROM operations
        WHERE created_at < :before AND kind <> 'apply_import'
            AND NOT EXISTS (
                SELECT FROM reservations AS held
                WHERE held.workflow_id = operations.workflow_id AND held.status = 'ACTIVE')
        ORDER BY created_at
        LIMIT :most)
""").bindparams(bindparam("before", type_=operations.c.created_at.type))


@dataclass(frozen=True)
class Operation:
    """One effect that a workflow's step asks for.

    Attributes:
        operation_id: Unique for ever: the workflow's id, the step, and the caller's own id where there is one.
        kind: The step's name, such as ``reserve_stock``.
        payload: The contents that a repeat must have in common: plain JSON, without times that differ in a repeat.
        performed_by: The person or service behind it.
        workflow_id: The workflow whose step it is.
        run_id: The run of that workflow.
        occurred_at: When its goods moved, if that was before it is booked; None: now.
    """

    operation_id: str
    kind: str
    payload: Mapping[str, Any]
    performed_by: str
    workflow_id: str
    run_id: str
    occurred_at: datetime | None = None

    @property
    def origin(self) -> dict[str, str]:
        """The columns by which rows keep the operation and the run behind them (`database.columns.origin`)."""
        return {"operation_id": self.operation_id, "workflow_id": self.workflow_id, "run_id": self.run_id}

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 over kind and payload in one canonical spelling."""
        canonical = json.dumps([self.kind, self.payload], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).digest()


@dataclass(frozen=True)
class Outcome:
    """An operation's result, and whether it had been carried out before this call."""

    result: Any
    done_already: bool


def result_of(connection: Connection, operation_id: str) -> Any | None:
    """The result of a committed operation; None if there is none by this id."""
    done = select(operations.c.result).where(operations.c.operation_id == operation_id)
    return connection.execute(done).scalar_one_or_none()


def outcome_of(connection: Connection, operation_id: str, reference_id: str | None) -> RowMapping | None:
    """The operation as it was carried out: ``kind``, ``fingerprint``, ``performed_by``, ``created_at``, ``result``.

    An attempt that is under way is waited for, up to the lock timeout: it holds the operation's row, which this
    transaction wants to insert, too. Nothing of that must be kept: the transaction has to be rolled back.

    Args:
        connection: A transaction of its own.
        operation_id: The operation.
        reference_id: The number of its document: where the operation was forgotten, its movements still tell.

    Returns:
        The operation; one that was forgotten has neither kind nor fingerprint nor result. None: it wasn't carried out.
    """
    wanted = Operation(operation_id, kind="", payload={}, performed_by="", workflow_id="", run_id="")
    if _claimed(connection, wanted):
        movement = select(
            null().label("kind"),
            null().label("fingerprint"),
            stock_movements.c.performed_by,
            stock_movements.c.created_at,
            null().label("result"),
        ).where(stock_movements.c.reference_id == reference_id, stock_movements.c.operation_id == operation_id)
        return connection.execute(movement.limit(1)).mappings().one_or_none()
    return (
        connection.execute(
            select(
                operations.c.kind,
                operations.c.fingerprint,
                operations.c.performed_by,
                operations.c.created_at,
                operations.c.result,
            ).where(operations.c.operation_id == operation_id)
        )
        .mappings()
        .one()
    )


def _claimed(connection: Connection, operation: Operation) -> bool:
    """Insert the operation's row; False: it is there already. Waits for another transaction that inserts it."""
    claimed = connection.execute(
        insert_or_ignore(operations)
        .values(
            **operation.origin,
            kind=operation.kind,
            fingerprint=operation.fingerprint,
            performed_by=operation.performed_by,
        )
        .on_conflict_do_nothing()
        .returning(operations.c.operation_id)
    )
    return claimed.one_or_none() is not None


def once(connection: Connection, operation: Operation, effect: Callable[[], Any]) -> Outcome:
    """Carry out an effect, unless it was carried out before.

    The operation's row is inserted first. A second call with the same id, on any worker, waits there until the first
    has committed or rolled back; that makes it the first lock of every write.

    Args:
        connection: The transaction of the effect. Any exception of ``effect`` must roll it back.
        operation: The operation; its id makes the effect happen once.
        effect: Makes its changes in the same transaction, and returns the result as plain JSON.

    Raises:
        OperationConflict: The id was used with another payload. Nothing is changed.
    """
    this = operations.c.operation_id == operation.operation_id
    if not _claimed(connection, operation):
        stored = connection.execute(
            select(operations.c.fingerprint, operations.c.kind, operations.c.result).where(this)
        ).one()
        if bytes(stored.fingerprint) != operation.fingerprint:
            raise of_operation(operation.operation_id, stored.kind)
        return Outcome(stored.result, done_already=True)
    result = effect()
    connection.execute(update(operations).where(this).values(result=result))
    return Outcome(result, done_already=False)


def forget(connection: Connection, *, before: datetime, most: int) -> int:
    """Delete the oldest operations from before an instant, at most ``most``, that can't be repeated any more.

    Returns:
        The number deleted.
    """
    connection.execute(text(f"SET LOCAL statement_timeout = '{BULK_STATEMENT_TIMEOUT}'"))
    return connection.execute(_FORGET, {"before": before, "most": most}).rowcount
