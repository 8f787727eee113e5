"""Effect once: every write has an operation id, which is stored in the same transaction as its effect.

A workflow may be retried, replayed, reset, or run on two workers at the same time; the effect still happens once. As in
TigerBeetle, a repeat is distinguished from a mistake: the same id with the same payload gets the stored result; the
same id with another payload is an error.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, null, select, text

from database.pipeline import Statement, numbers, send, texts
from database.sessions import allow_bulk
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

_CLAIM = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"

_STORED = """
    SELECT operation_id, kind, fingerprint, result::text FROM operations WHERE operation_id = ANY (%s::text[])
"""

_INSERT = """
    INSERT INTO operations (operation_id, kind, fingerprint, result, performed_by, workflow_id, run_id)
    SELECT operation_id, kind, decode(fingerprint, 'hex'), result::jsonb, performed_by, workflow_id, run_id
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        AS done (operation_id, kind, fingerprint, result, performed_by, workflow_id, run_id)
    ORDER BY operation_id
"""


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

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 over kind and payload in one canonical spelling."""
        canonical = json.dumps([self.kind, self.payload], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).digest()


@dataclass(frozen=True)
class Outcome:
    """An operation's result, and whether it had been carried out before this call."""

    result: Any
    done_already: bool


class StoredOperation(NamedTuple):
    """What is stored of an operation that was carried out; the result as JSON."""

    kind: str
    fingerprint: bytes
    result: str | None

    def require_same(self, operation: Operation) -> None:
        """A repeat has the same contents.

        Raises:
            OperationConflict: The id was used with others.
        """
        if self.fingerprint != operation.fingerprint:
            raise of_operation(operation.operation_id, self.kind)


def claim(operation_ids: Iterable[str]) -> Statement:
    """Lock operations by their ids, whether they are stored or not; the first lock of every write.

    Another attempt at the same operation waits there until this transaction has ended.
    """
    return Statement(_CLAIM, (numbers(sorted({_key_of(each) for each in operation_ids})),))


def _key_of(operation_id: str) -> int:
    digest = hashlib.blake2b(operation_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def find_stored(operation_ids: Iterable[str]) -> Statement:
    """Read operations as `stored_by_id` takes them."""
    return Statement(_STORED, (texts(operation_ids),))


def stored_by_id(rows: Iterable[Sequence[Any]]) -> dict[str, StoredOperation]:
    """The operations that `find_stored` has found, by id."""
    return {row[0]: StoredOperation(row[1], bytes(row[2]), row[3]) for row in rows}


def insert_operations(done: Sequence[tuple[Operation, str]]) -> Statement:
    """Insert operations that have been carried out, with their results as JSON."""
    operations = [operation for operation, _ in done]
    return Statement(
        _INSERT,
        (
            texts(each.operation_id for each in operations),
            texts(each.kind for each in operations),
            texts(each.fingerprint.hex() for each in operations),
            texts(result for _, result in done),
            texts(each.performed_by for each in operations),
            texts(each.workflow_id for each in operations),
            texts(each.run_id for each in operations),
        ),
    )


def result_of(connection: Connection, operation_id: str) -> Any | None:
    """The result of a committed operation; None if there is none by this id."""
    done = select(operations.c.result).where(operations.c.operation_id == operation_id)
    return connection.execute(done).scalar_one_or_none()


def outcome_of(connection: Connection, operation_id: str, reference_id: str | None) -> RowMapping | None:
    """The operation as it was carried out: ``kind``, ``fingerprint``, ``performed_by``, ``created_at``, ``result``.

    An attempt that is under way is waited for, up to the lock timeout: it holds the operation's lock.

    Args:
        connection: A transaction of its own.
        operation_id: The operation.
        reference_id: The number of its document: where the operation was forgotten, its movements still tell.

    Returns:
        The operation; one that was forgotten has neither kind nor fingerprint nor result. None: it wasn't carried out.
    """
    send(connection, [claim([operation_id])])
    stored = select(
        operations.c.kind,
        operations.c.fingerprint,
        operations.c.performed_by,
        operations.c.created_at,
        operations.c.result,
    ).where(operations.c.operation_id == operation_id)
    if (found := connection.execute(stored).mappings().one_or_none()) is not None:
        return found
    movement = select(
        null().label("kind"),
        null().label("fingerprint"),
        stock_movements.c.performed_by,
        stock_movements.c.created_at,
        null().label("result"),
    ).where(stock_movements.c.reference_id == reference_id, stock_movements.c.operation_id == operation_id)
    return connection.execute(movement.limit(1)).mappings().one_or_none()


def once(connection: Connection, operation: Operation, effect: Callable[[], Any]) -> Outcome:
    """Carry out an effect, unless it was carried out before.

    The operation is locked first. A second call with the same id, on any worker, waits there until the first has
    committed or rolled back; that makes it the first lock of every write.

    Args:
        connection: The transaction of the effect. Any exception of ``effect`` must roll it back.
        operation: The operation; its id makes the effect happen once.
        effect: Makes its changes in the same transaction, and returns the result as plain JSON.

    Raises:
        OperationConflict: The id was used with another payload. Nothing is changed.
    """
    wanted = [operation.operation_id]
    _, rows = send(connection, [claim(wanted), find_stored(wanted)])
    if (stored := stored_by_id(rows).get(operation.operation_id)) is not None:
        stored.require_same(operation)
        return Outcome(None if stored.result is None else json.loads(stored.result), done_already=True)
    result = effect()
    send(connection, [insert_operations([(operation, json.dumps(result))])])
    return Outcome(result, done_already=False)


def forget(connection: Connection, *, before: datetime, most: int) -> int:
    """Delete the oldest operations from before an instant, at most ``most``, that can't be repeated any more.

    Returns:
        The number deleted.
    """
    allow_bulk(connection)
    return connection.execute(_FORGET, {"before": before, "most": most}).rowcount
