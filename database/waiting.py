"""Orders that wait for stock in the database: their queue (`stockkeeper.domain.waiting`), and what changes of it.

A wait is guarded like a document by its row, which is locked before any item, and the queue of an item by the item's
lock: whoever holds it, or begins to wait, has it. A wait that ends without stock only leaves units to others, so it
needs no item's lock.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from database.columns import INSTANT, METADATA, closing, needed, origin
from database.operations import Operation
from database.pipeline import Statement, instants, numbers, texts
from stockkeeper.domain.errors import Shortage
from stockkeeper.domain.waiting import Queue, WaitingLine, WaitStatus

waits = Table(
    "waits",
    METADATA,
    Column("wait_id", BigInteger, primary_key=True, autoincrement=False),
    needed("reference_id", Text),
    needed("status", Text, server_default=text("'WAITING'")),
    needed("waiting_since", INSTANT),
    needed("waiting_until", INSTANT),
    Column("told_at", INSTANT),
    needed("performed_by", Text),
    *origin(),
    *closing(),
    Column("shortages", JSONB),
    needed("is_waiting", Boolean, Computed("status = 'WAITING'", persisted=True)),
    UniqueConstraint("wait_id", "is_waiting", name="waits_are_or_were"),
    Index("waits_once", "reference_id", unique=True, postgresql_where=text("is_waiting")),
    Index("waits_by_reference", "reference_id", "wait_id"),
)

waiting_lines = Table(
    "waiting_lines",
    METADATA,
    Column("wait_id", BigInteger, primary_key=True),
    Column("line_number", Integer, primary_key=True),
    needed("product_id", BigInteger, ForeignKey("products.product_id")),
    Column("warehouse_id", BigInteger, ForeignKey("warehouses.warehouse_id")),
    needed("quantity", BigInteger),
    needed("is_waiting", Boolean, server_default=text("true")),
    ForeignKeyConstraint(
        ["wait_id", "is_waiting"],
        ["waits.wait_id", "waits.is_waiting"],
        name="waiting_lines_wait",
        onupdate="CASCADE",
    ),
    Index("waiting_lines_queue", "product_id", "wait_id", postgresql_where=text("is_waiting")),
)

_QUEUE = """
    SELECT line.wait_id, line.product_id, line.warehouse_id, line.quantity, waiting_until
    FROM unnest(%s::bigint[]) AS wanted (product_id)
    CROSS JOIN LATERAL (
        SELECT wait_id, product_id, warehouse_id, quantity FROM waiting_lines AS line
        WHERE line.product_id = wanted.product_id AND line.is_waiting
        OFFSET 0) AS line
    CROSS JOIN LATERAL (SELECT waiting_until FROM waits WHERE waits.wait_id = line.wait_id OFFSET 0) AS waited
"""

_WAITS = """
    SELECT reference_id, waits.wait_id, status, waiting_until, shortages,
        product_id, warehouse_id, quantity, sku, warehouses.name
    FROM waits JOIN waiting_lines USING (wait_id) JOIN products USING (product_id)
    LEFT JOIN warehouses USING (warehouse_id)
    WHERE reference_id = ANY (%s::text[])
    ORDER BY wait_id, line_number
    FOR NO KEY UPDATE OF waits
"""

_BEGIN = """
    INSERT INTO waits (
        wait_id, reference_id, waiting_since, waiting_until, performed_by, operation_id, workflow_id, run_id)
    SELECT * FROM unnest(
        %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[])
"""

_BEGIN_LINES = """
    INSERT INTO waiting_lines (wait_id, line_number, product_id, warehouse_id, quantity)
    SELECT * FROM unnest(%s::bigint[], %s::integer[], %s::bigint[], %s::bigint[], %s::bigint[])
"""

_LOOKED = """
    UPDATE waits AS waited SET run_id = looked.run_id, told_at = NULL
    FROM unnest(%s::bigint[], %s::text[]) AS looked (wait_id, run_id)
    WHERE waited.wait_id = looked.wait_id AND waited.wait_id = ANY (%s::bigint[])
"""

_END = """
    UPDATE waits AS waited
    SET status = ended.status, closed_at = ended.at, closed_by = ended.operation_id, closed_reason = ended.reason,
        shortages = ended.shortages::jsonb
    FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
        AS ended (wait_id, status, at, operation_id, reason, shortages)
    WHERE waited.wait_id = ended.wait_id AND waited.wait_id = ANY (%s::bigint[])
"""


class Wanted(NamedTuple):
    """A line of an order that waits: units of a product, in one warehouse or in any, and the names of both."""

    product_id: int
    warehouse_id: int | None
    quantity: int
    sku: str
    warehouse: str | None


@dataclass(frozen=True)
class Wait:
    """An order's wait, as stored.

    Attributes:
        wait_id: Its number; a later wait has a higher one.
        reference_id: The order.
        status: Whether it waits, or how its wait has ended.
        waiting_until: The end of its wait.
        lines: The lines that it was asked with.
        shortages: The items that were short when its time was over.
    """

    wait_id: int
    reference_id: str
    status: WaitStatus
    waiting_until: datetime
    lines: Sequence[Wanted]
    shortages: Sequence[Shortage] = ()


class Begun(NamedTuple):
    """A wait that is to be written."""

    wait: Wait
    operation: Operation
    waiting_since: datetime


class Ended(NamedTuple):
    """The end of a wait, which is to be written."""

    wait: Wait
    operation: Operation
    status: WaitStatus
    at: datetime
    reason: str | None
    shortages: Sequence[Shortage]


class Waiting:
    """Who waits for the products under lock, the waits of the orders that are looked at, and what changes of both."""

    def __init__(self, lines: Iterable[Sequence[Any]] = (), waits_of: Iterable[Sequence[Any]] = ()) -> None:
        self._lines = [WaitingLine(*row) for row in lines]
        self._waits = {wait.reference_id: wait for wait in waits_in(waits_of)}
        self._begun: list[Begun] = []
        self._looked: list[tuple[Wait, Operation]] = []
        self._ended: list[Ended] = []
        self._untold: list[Begun | Ended] = []

    def queue(self, as_of: datetime) -> Queue:
        """The queue for these products at an instant."""
        return Queue(self._lines, as_of)

    def of(self, reference_id: str) -> Wait | None:
        """The latest wait of an order that was asked for; None: it has never waited."""
        return self._waits.get(reference_id)

    def begin(self, wait: Wait, operation: Operation, as_of: datetime) -> None:
        """Put an order at the end of the queue."""
        self._waits[wait.reference_id] = wait
        self._lines += [WaitingLine(wait.wait_id, *line[:3], wait.waiting_until) for line in wait.lines]
        self._begun.append(Begun(wait, operation, as_of))
        self._untold.append(self._begun[-1])

    def keep(self, wait: Wait, operation: Operation) -> None:
        """Let an order wait on, for the run that has looked: whoever brings stock tells it again."""
        self._looked.append((wait, operation))

    def end(
        self,
        wait: Wait,
        operation: Operation,
        status: WaitStatus,
        as_of: datetime,
        *,
        reason: str | None = None,
        shortages: Sequence[Shortage] = (),
    ) -> None:
        """End an order's wait; its place is free."""
        self._waits[wait.reference_id] = replace(wait, status=status, shortages=shortages)
        self._lines = [line for line in self._lines if line.wait_id != wait.wait_id]
        self._ended.append(Ended(wait, operation, status, as_of, reason, shortages))
        self._untold.append(self._ended[-1])

    @property
    def begun(self) -> int:
        """How many waits have begun since it was read or written."""
        return len(self._begun)

    @property
    def ended(self) -> Sequence[WaitStatus]:
        """How those have ended that have since then."""
        return [each.status for each in self._ended]

    @property
    def has_untold(self) -> bool:
        """Whether a wait has begun or ended that others haven't been told of."""
        return bool(self._untold)

    def take_untold(self) -> Sequence[Begun | Ended]:
        """The waits that have begun or ended since the last call."""
        untold, self._untold = self._untold, []
        return untold

    def changes(self) -> list[Statement]:
        """What has changed since it was read or written, as statements; it counts as written from now on."""
        begun, looked, ended = self._begun, self._looked, self._ended
        self._begun, self._looked, self._ended = [], [], []
        return [
            *([_begin(begun), _begin_lines(begun)] if begun else []),
            *([_let_wait(looked)] if looked else []),
            *([_end(ended)] if ended else []),
        ]


def read_queue(product_ids: Iterable[int]) -> Statement:
    """The statement of the queue for these products, to be sent after their items were locked."""
    return Statement(_QUEUE, (numbers(product_ids),))


def lock_waits(reference_ids: Iterable[str]) -> Statement:
    """The statement that locks all waits of these orders, to be sent before any item is locked."""
    return Statement(_WAITS, (texts(reference_ids),))


def waits_in(rows: Iterable[Sequence[Any]]) -> list[Wait]:
    """The waits in rows of their lines, as they were read."""
    return [
        Wait(
            first[1],
            first[0],
            WaitStatus(first[2]),
            first[3],
            [Wanted(*row[5:]) for row in (first, *lines)],
            [Shortage(**short) for short in first[4] or ()],
        )
        for _, lines in groupby(rows, key=lambda row: row[1])
        for first in [next(lines)]
    ]


def _begin(begun: Sequence[Begun]) -> Statement:
    return Statement(
        _BEGIN,
        (
            numbers(each.wait.wait_id for each in begun),
            texts(each.wait.reference_id for each in begun),
            instants(each.waiting_since for each in begun),
            instants(each.wait.waiting_until for each in begun),
            texts(each.operation.performed_by for each in begun),
            texts(each.operation.operation_id for each in begun),
            texts(each.operation.workflow_id for each in begun),
            texts(each.operation.run_id for each in begun),
        ),
    )


def _begin_lines(begun: Sequence[Begun]) -> Statement:
    lines = [
        (each.wait.wait_id, number, line) for each in begun for number, line in enumerate(each.wait.lines, start=1)
    ]
    return Statement(
        _BEGIN_LINES,
        (
            numbers(wait_id for wait_id, _, _ in lines),
            numbers(number for _, number, _ in lines),
            numbers(line.product_id for _, _, line in lines),
            numbers(line.warehouse_id for _, _, line in lines),
            numbers(line.quantity for _, _, line in lines),
        ),
    )


def _let_wait(looked: Sequence[tuple[Wait, Operation]]) -> Statement:
    keys = numbers(wait.wait_id for wait, _ in looked)
    return Statement(_LOOKED, (keys, texts(operation.run_id for _, operation in looked), keys))


def _end(ended: Sequence[Ended]) -> Statement:
    keys = numbers(each.wait.wait_id for each in ended)
    return Statement(
        _END,
        (
            keys,
            texts(each.status for each in ended),
            instants(each.at for each in ended),
            texts(each.operation.operation_id for each in ended),
            texts(each.reason for each in ended),
            texts(_as_json(each.shortages) for each in ended),
            keys,
        ),
    )


def _as_json(shortages: Sequence[Shortage]) -> str | None:
    return json.dumps([asdict(short) for short in shortages]) if shortages else None
