"""Events: written to an outbox in the transaction of what they tell, numbered once it is committed, and read.

An event is a row of `outbox` as long as it has no number. Whoever writes one holds the locks of what it is about, so
that the ids of events about the same rows follow each other as their transactions do; but transactions that have
nothing in common commit in any order, and some never do. So numbers are given later, by one transaction at a time and
only to what is committed by then (`number_events`, a function of the database): `events` has no gaps, and nothing is
ever inserted before what a reader has seen.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import psycopg
from sqlalchemy import BigInteger, Boolean, Column, Connection, Table, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from database.clock import days_now
from database.columns import INSTANT, METADATA, counter, identity, needed, origin
from database.operations import Operation
from database.pipeline import Statement, instants, numbers, texts
from database.sessions import allow_bulk
from stockkeeper.domain.event import EventKind

CHANNEL = "stockkeeper_events"
"""Where the database tells the latest number."""

NUMBERED_AT_ONCE = 1000
LOOKED_AT = 10_000
"""Events that are looked at for one page, however few of them are wanted."""


def _content() -> tuple[Column[Any], ...]:
    return (
        needed("kind", Text),
        needed("subject", Text),
        Column("warehouse_id", BigInteger),
        Column("product_id", BigInteger),
        needed("data", JSONB),
        needed("happened_at", INSTANT),
        needed("performed_by", Text),
        Column("reason", Text),
        *origin(),
    )


outbox = Table("outbox", METADATA, identity("outbox_id"), *_content())
events = Table("events", METADATA, Column("number", BigInteger, primary_key=True, autoincrement=False), *_content())
event_log = Table(
    "event_log",
    METADATA,
    Column("is_this", Boolean, primary_key=True, server_default=text("true")),
    counter("last_number"),
    counter("forgotten_number"),
    counter("looked_from"),
    Column("marked_id", BigInteger),
    Column("marked_by", BigInteger),
)

_INSERT = """
    INSERT INTO outbox (
        kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id,
        run_id)
    SELECT kind, subject, warehouse_id, product_id,
        CASE WHEN kind = 'stock.moved' THEN data::jsonb || jsonb_build_object('movement_id', (
            SELECT max(movement_id) FROM stock_movements AS moved
            WHERE (moved.warehouse_id, moved.product_id, moved.created_at)
                = (told.warehouse_id, told.product_id, told.happened_at)))
        ELSE data::jsonb END, coalesce(happened_at, clock_timestamp()),
        performed_by, reason, operation_id, workflow_id, run_id
    FROM unnest(
        %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[],
        %s::text[], %s::text[], %s::text[]
    ) WITH ORDINALITY AS told (
        kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id,
        run_id, position)
    ORDER BY position
"""

_NUMBER = "SELECT number_events(%s)"
_WAITING = text("SELECT EXISTS (SELECT FROM outbox WHERE outbox_id >= (SELECT looked_from FROM event_log))")
_FORGET = text("SELECT forget_events(:before, :most)").bindparams(bindparam("before", type_=INSTANT))
_TELL = text("SELECT tell_what_is_there(NULL, :occasion, :person, :reason, :days)").bindparams(
    bindparam("days", type_=JSONB)
)
_BEGIN_ANEW = text("SELECT begin_events_anew(:occasion, :person, :reason, :days)").bindparams(
    bindparam("days", type_=JSONB)
)
# Of the row, the last number is brought up to date now and then only.
_SPAN = text("""
    SELECT forgotten_number, greatest(last_number, (SELECT max(number) FROM events)) FROM event_log
""")

_UNNUMBERED = text("""
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(happened_at)), 0)
    FROM outbox WHERE outbox_id >= (SELECT looked_from FROM event_log)
""")

# Of a hold, the products are in its lines.
_READ = text("""
    SELECT number, kind, subject, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id
    FROM events
    WHERE number > :after AND number <= :through
        AND (:every_kind OR kind = ANY (:kinds))
        AND (:every_subject OR subject = ANY (:subjects))
        AND (:every_product OR product_id = ANY (:product_ids) OR EXISTS (
            SELECT FROM jsonb_path_query(data, '$.lines[*].product_id') AS line
            WHERE line::bigint = ANY (:product_ids)))
    ORDER BY number
    LIMIT :most
""").bindparams(
    bindparam("kinds", type_=ARRAY(Text)),
    bindparam("subjects", type_=ARRAY(Text)),
    bindparam("product_ids", type_=ARRAY(BigInteger)),
)


class NewEvent(NamedTuple):
    """An event that is to be written.

    Attributes:
        kind: What it tells.
        subject: What it is about, such as ``item/1/7``: the partition key, by which events are delivered in order.
        data: By the kind, as plain JSON.
        operation: The operation, the run and the person behind it.
        warehouse_id: The warehouse, if it is about one.
        product_id: The product, if it is about one.
        reason: Why, if anybody has said so.
        at: When; None: as it is written.
    """

    kind: EventKind
    subject: str
    data: Mapping[str, Any]
    operation: Operation
    warehouse_id: int | None = None
    product_id: int | None = None
    reason: str | None = None
    at: datetime | None = None


class Span(NamedTuple):
    """Which events are kept: those after the first number, up to the last one."""

    forgotten: int
    last: int


class Log(NamedTuple):
    """How the log stands.

    Attributes:
        last: The number of the latest event.
        kept: How many can be read.
        waiting: How many are committed and have no number yet.
        oldest_seconds: Since when the first of those has been waiting.
    """

    last: int
    kept: int
    waiting: int
    oldest_seconds: float


def insert_events(new: Iterable[NewEvent]) -> Statement:
    """Write events to the outbox, in this order. The caller holds the locks of what they are about."""
    listed = list(new)
    return Statement(
        _INSERT,
        (
            texts(each.kind for each in listed),
            texts(each.subject for each in listed),
            numbers(each.warehouse_id for each in listed),
            numbers(each.product_id for each in listed),
            texts(json.dumps(each.data, default=_as_text, separators=(",", ":")) for each in listed),
            instants(each.at for each in listed),
            texts(each.operation.performed_by for each in listed),
            texts(each.reason for each in listed),
            texts(each.operation.operation_id for each in listed),
            texts(each.operation.workflow_id for each in listed),
            texts(each.operation.run_id for each in listed),
        ),
    )


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def are_waiting(connection: Connection) -> bool:
    """Whether events that are committed have no number yet. Locks nothing."""
    found: bool = connection.execute(_WAITING).scalar_one()
    return found


def number_events(connection: Connection, most: int = NUMBERED_AT_ONCE) -> int:
    """Give numbers to events that are committed, at most ``most``, and tell those who listen; how many there were.

    Locks: the row of `event_log`. It has to be committed at once: others wait.

    Raises:
        psycopg.Error: The driver's own error: this is called after each hold, past SQLAlchemy's building of statements.
    """
    driver = cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)  # also of one that is detached
    [numbered] = cast("tuple[int]", driver.execute(_NUMBER, (most,), prepare=True).fetchone())
    return numbered


def forget_events(connection: Connection, before: datetime, most: int) -> int:
    """Delete the oldest events, at most ``most``, that happened before an instant; how many there were.

    Locks: the row of `event_log`.
    """
    forgotten: int = connection.execute(_FORGET, {"before": before, "most": most}).scalar_one()
    return forgotten


def tell_what_is_there(connection: Connection, *, occasion: str, person: str, reason: str) -> int:
    """Tell all that is there now, in the order of the log: levels, reorder points, lots, what is open; how many events.

    What is available of lots is as of the day that each warehouse has now.

    Whoever follows the events finds it out again where something has changed that wasn't told. Only the owner may.

    Locks: the outbox, so that nobody else writes an event until the end of the transaction.

    Args:
        connection: A transaction that sees at each statement what is committed by then.
        occasion: Names it: the operation of the events, after ``baseline/``.
        person: Who is behind it.
        reason: Why.
    """
    asked = {"occasion": occasion, "person": person, "reason": reason, "days": days_now(connection)}
    told: int = connection.execute(_TELL, asked).scalar_one()
    return told


def begin_anew(connection: Connection, *, occasion: str, person: str, reason: str) -> int:
    """Forget all events, and begin with all that is there, by numbers that were never given; the one before the first.

    Whoever has read events before is refused, and begins anew as well.

    Locks: the row of `event_log`, then the outbox.

    Args:
        connection: As for `tell_what_is_there`.
        occasion: As there.
        person: Who is behind it.
        reason: Why.
    """
    allow_bulk(connection)
    asked = {"occasion": occasion, "person": person, "reason": reason, "days": days_now(connection)}
    forgotten: int = connection.execute(_BEGIN_ANEW, asked).scalar_one()
    return forgotten


def span(connection: Connection) -> Span:
    """Which events are kept. Locks nothing."""
    return Span(*connection.execute(_SPAN).one())


def look_at_log(connection: Connection) -> Log:
    """How the log stands. Locks nothing."""
    forgotten, last = span(connection)
    waiting, oldest = connection.execute(_UNNUMBERED).one()
    return Log(last, last - forgotten, waiting, float(oldest))


def read_events(
    connection: Connection,
    *,
    after: int,
    through: int,
    kinds: Sequence[str] = (),
    subjects: Sequence[str] = (),
    product_ids: Sequence[int] | None = None,
    most: int,
) -> list[Mapping[str, Any]]:
    """The first events of these, by number. Locks nothing.

    Args:
        connection: A transaction.
        after: Only higher numbers.
        through: Only up to this number.
        kinds: Only these kinds; empty: all.
        subjects: Only about these subjects; empty: all.
        product_ids: Only about these products; None: all.
        most: How many at most.
    """
    found = connection.execute(
        _READ,
        {
            "after": after,
            "through": through,
            "kinds": list(kinds),
            "every_kind": not kinds,
            "subjects": list(subjects),
            "every_subject": not subjects,
            "product_ids": list(product_ids or ()),
            "every_product": product_ids is None,
            "most": most,
        },
    )
    return [dict(row) for row in found.mappings()]
