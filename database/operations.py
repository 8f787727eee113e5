"""Effect once: every write has an operation id, which is stored in the same transaction as its effect.

A workflow may be retried, replayed, reset, or run on two workers at the same time; the effect still happens once. As in
TigerBeetle, a repeat is distinguished from a mistake: the same id with the same payload gets the stored result; the
same id with another payload is an error.

And a refusal is final for every attempt that was begun by then: one that a worker was slow with, and that Temporal has
given up, would otherwise carry out after all what a later attempt has refused, and a caller has been told. So refusals
are kept with the workflow's time, which is the server's clock and never goes back within a run.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, null, select, text

from database.pipeline import Statement, instants, numbers, send, texts
from database.sessions import allow_bulk
from database.tables import operations, stock_movements
from stockkeeper.domain.conflicts import of_operation
from stockkeeper.domain.errors import DomainError

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

_FORGET_REFUSED = text("""
    DELETE FROM refused_operations WHERE operation_id IN (
        SELECT operation_id FROM refused_operations WHERE refused_at < :before ORDER BY refused_at LIMIT :most)
""").bindparams(bindparam("before", type_=operations.c.created_at.type))

_CLAIM = "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"

_STORED = """
    SELECT operation_id, kind, fingerprint, result::text FROM operations WHERE operation_id = ANY (%s::text[])
"""

_REFUSED = "SELECT operation_id, as_of, refusal FROM refused_operations WHERE operation_id = ANY (%s::text[])"

# What another attempt has carried out is not refused any more.
_INSERT_REFUSED = """
    INSERT INTO refused_operations AS known (operation_id, as_of, refusal)
    SELECT operation_id, as_of, refusal
    FROM unnest(%s::text[], %s::timestamptz[], %s::text[]) AS refused (operation_id, as_of, refusal)
    WHERE NOT EXISTS (SELECT FROM operations AS done WHERE done.operation_id = refused.operation_id)
    ORDER BY operation_id
    ON CONFLICT (operation_id) DO UPDATE
        SET as_of = excluded.as_of, refusal = excluded.refusal, refused_at = excluded.refused_at
        WHERE known.as_of < excluded.as_of
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
        as_of: The workflow's time when the step was asked for; None: it isn't a workflow's, and no refusal of it is
            kept.
    """

    operation_id: str
    kind: str
    payload: Mapping[str, Any]
    performed_by: str
    workflow_id: str
    run_id: str
    occurred_at: datetime | None = None
    as_of: datetime | None = None

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


class Refused(NamedTuple):
    """The latest refusal of an operation, and the workflow's time of the attempt that was refused."""

    as_of: datetime
    refusal: DomainError


def require_later(operation: Operation, refused: Mapping[str, Refused]) -> None:
    """Only an attempt that was begun after the latest refusal of its operation may decide anew.

    Raises:
        DomainError: That refusal.
    """
    latest = refused.get(operation.operation_id)
    if latest is not None and operation.as_of is not None and operation.as_of <= latest.as_of:
        raise latest.refusal


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


def find_refused(operation_ids: Iterable[str]) -> Statement:
    """Read refusals as `refused_by_id` takes them."""
    return Statement(_REFUSED, (texts(operation_ids),))


def refused_by_id(rows: Iterable[Sequence[Any]]) -> dict[str, Refused]:
    """The refusals that `find_refused` has found, by the operation's id."""
    return {operation_id: Refused(as_of, _refusal_from(content)) for operation_id, as_of, content in rows}


def insert_refused(refused: Sequence[tuple[Operation, DomainError]]) -> Statement:
    """Keep refusals of operations that are locked; of those that a workflow's step has asked for."""
    kept = {each.operation_id: (each, refusal) for each, refusal in refused if each.as_of is not None}.values()
    return Statement(
        _INSERT_REFUSED,
        (
            texts(each.operation_id for each, _ in kept),
            instants(each.as_of for each, _ in kept),
            texts(_content_of(refusal) for _, refusal in kept),
        ),
    )


def _content_of(refusal: DomainError) -> str:
    # In ASCII: PostgreSQL has no text with a NUL in it.
    return json.dumps([refusal.code, refusal.message, refusal.details], default=str)


def _refusal_from(content: str) -> DomainError:
    code, message, details = json.loads(content)
    return DomainError.codes[code].from_details(message, details)


def refuse(connection: Connection, operation: Operation, refusal: DomainError) -> bool:
    """Keep a refusal whose transaction was rolled back.

    Locks: the operation.

    Returns:
        Whether the operation is refused now: another attempt may have carried it out since that transaction.
    """
    wanted = [operation.operation_id]
    *_, rows = send(connection, [claim(wanted), insert_refused([(operation, refusal)]), find_stored(wanted)])
    return not rows


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
        DomainError: A later attempt was refused with this.
    """
    wanted = [operation.operation_id]
    _, rows, refused = send(connection, [claim(wanted), find_stored(wanted), find_refused(wanted)])
    if (stored := stored_by_id(rows).get(operation.operation_id)) is not None:
        stored.require_same(operation)
        return Outcome(None if stored.result is None else json.loads(stored.result), done_already=True)
    require_later(operation, refused_by_id(refused))
    result = effect()
    send(connection, [insert_operations([(operation, json.dumps(result))])])
    return Outcome(result, done_already=False)


def forget(connection: Connection, *, before: datetime, most: int) -> int:
    """Delete the oldest operations from before an instant, at most ``most``, that can't be repeated any more.

    And as many refusals, whose attempts are over since long.

    Returns:
        The number of operations deleted.
    """
    allow_bulk(connection)
    connection.execute(_FORGET_REFUSED, {"before": before, "most": most})
    return connection.execute(_FORGET, {"before": before, "most": most}).rowcount
